"""Keep the watch list in step with the journal, to which the backends write."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.model import DocumentKey, Place
from cirrus_bridge.config.queue_uri import QueueUri, parse_queue_uri
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.lifecycle import State
from cirrus_bridge.journal.poller import HandOver, PollerJournal
from cirrus_bridge.statusd.cups_sync import CupsSync
from cirrus_bridge.statusd.schedule import Schedule
from cirrus_bridge.statusd.watched import WatchedDocument, WatchedDocuments, place

SHARE = 20.0  # reading takes at most this part (1/20) of the time
LONGEST_PAUSE_S = 1.0
COMMIT_S = 15.0  # other processes may see a row this long after its date
FIRST_SIGNS_S = 86_400.0  # the first look reads signs of life that are at most this old


@dataclass(slots=True)
class JournalSync:
    """Reads the journal after each change.

    Args:
        queue_of: reads a queue's URI.
        drop: stops following a document.
    """

    journal: PollerJournal
    clock: Clock
    schedule: Schedule[int]
    cups: CupsSync
    watch_list: WatchedDocuments
    queue_of: Callable[[str], QueueUri]
    drop: Callable[[WatchedDocument], None]
    _is_behind: bool = True
    _signs_since_s: float = field(init=False)
    _free_s: float = -math.inf

    def __post_init__(self) -> None:
        self._signs_since_s = self.clock.wall_s() - FIRST_SIGNS_S

    def expect_changes(self) -> None:
        """Read the journal at the next look: `has_changed` does not report our own changes."""
        self._is_behind = True

    def look(self, *, fresh: bool = False) -> None:
        """Read the journal if it has changed.

        Args:
            fresh: treat new documents as just accepted, so that their states are queried at once.

        Raises:
            JournalError: the journal cannot be read.
        """
        self._is_behind |= self.journal.has_changed()
        now_s = self.clock.monotonic_s()
        if not self._is_behind or now_s < self._free_s:
            return
        self._is_behind = False
        self._note_signs_of_life()
        handed_over = self.journal.handed_over()
        self._compare(handed_over)
        unknown = [each for key, each in handed_over.items() if key not in self.watch_list]
        for document in self.journal.documents(unknown) if unknown else ():
            self._follow(document, now_s, fresh=fresh)
        took_s = self.clock.monotonic_s() - now_s
        self._free_s = now_s + min(SHARE * took_s, LONGEST_PAUSE_S)

    def _note_signs_of_life(self) -> None:
        """Wake the locations that backends have heard from; they may have fetched more jobs."""
        wall_s = self.clock.wall_s()
        since_s, self._signs_since_s = self._signs_since_s, wall_s - COMMIT_S
        signs_s = self.cups.news.signs_s
        for destination, location, seen_s in self.journal.signs_of_life(since_s=since_s):
            queue = parse_queue_uri(destination)
            where = Place(queue.server, queue.company, location)
            if signs_s.get(where, 0.0) < seen_s <= wall_s:  # the clock may have been set back
                signs_s[where] = seen_s
                self.schedule.came_alive(where, self.clock.monotonic_s())

    def _compare(self, handed_over: Mapping[DocumentKey, HandOver]) -> None:
        """Drop the documents that others have taken back or closed."""
        for watched in self.watch_list:
            found = handed_over.get(watched.document.key)
            if found is None or found.hand_overs != watched.document.hand_overs:
                self.drop(watched)
                self.cups.soon()
            else:
                watched.is_held = found.state is State.HELD

    def _follow(self, document: Document, now_s: float, *, fresh: bool) -> None:
        """Follow a document that was handed over."""
        watched = self.watch_list.add(document, self.queue_of)
        age_s = 0.0 if fresh else max(0.0, self.clock.wall_s() - document.accepted_at_s)
        for number, target in zip(watched.numbers, watched.targets, strict=True):
            if not target.status.state.is_final:
                self.schedule.add(number, place(watched, target), now_s, age_s=age_s)
        self.cups.note(watched)
        if any(target.status.is_failing for target in watched.targets):
            self.cups.fails(watched)  # the backend saw the failure, and this poller did not
        self.cups.soon()
