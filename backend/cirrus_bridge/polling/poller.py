"""Use case: follow every accepted document to its end, and have the progress shown.

One loop reads the journal, queries the clouds as the schedule allows, writes changes to the journal
and lets the publisher show them. Errors of servers and of the configuration do not end the loop. An
error of the journal does, as no change could be recorded. Each change is on the disk before the
publisher, the log or a hook shows the change.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import (
    CirrusError,
    Interrupted,
    KeyRefused,
    NotPermitted,
    QueueError,
    Refused,
    Retryable,
    UnexpectedAnswer,
)
from cirrus_bridge.base.model import DeliveryState, JobStatus, Place, Receipt
from cirrus_bridge.base.translation import joined
from cirrus_bridge.config.load import PollerSettings
from cirrus_bridge.config.queue_uri import QueueUri, parse_queue_uri
from cirrus_bridge.delivery.events import INFO, NOTICE, WARNING, Change, of_document
from cirrus_bridge.delivery.tracking import NOT_DELIVERED, TrackedDelivery, describe
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.lifecycle import WITH_POLLER, State
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.polling.availability import Availability
from cirrus_bridge.polling.publisher import Publisher
from cirrus_bridge.polling.queries import AT_ONCE, Queries
from cirrus_bridge.polling.timers import Timer
from cirrus_bridge.polling.watched import WatchedDocument, WatchedDocuments

StatusOf: TypeAlias = Callable[[QueueUri], Callable[[Receipt], JobStatus]]

LOOK_S = 0.5  # between looks into the journal for handed-over documents
BEAT_S = 10.0  # between signs of life
PRUNE_S = 3600.0
DAY_S = 86_400.0
ONCE_WAIT_S = 5.0  # `run_once` does not wait longer for a server that is away
READING_SHARE = 20.0  # reading the journal takes at most this part (1/20) of the time
LONGEST_PAUSE_S = 1.0
READ_AT_ONCE = 1000  # documents between two signs of life
COMMIT_S = 15.0  # other processes may see a row this long after its date
FIRST_SIGNS_S = 86_400.0  # the first look reads signs of life that are at most this old
MISMATCHED_AFTER_S = 300.0  # long enough to restart a proxy that mixes answers up


@dataclass(slots=True)
class Poller:
    """The poller; it has the journal's lock.

    Raises (every method):
        JournalError: the journal cannot be used.

    Args:
        status_of: returns the function that queries job states for a queue.
        at_work: gets each sign of life (seconds since the epoch).
    """

    journal: PollerJournal
    clock: Clock
    publisher: Publisher
    availability: Availability
    settings: PollerSettings
    status_of: StatusOf
    tell: Callable[[Change], None]
    watch_list: WatchedDocuments
    queries: Queries[TrackedDelivery, JobStatus] = field(default_factory=Queries)
    at_work: Callable[[float], None] | None = None
    _beat: Timer = field(default_factory=lambda: Timer(BEAT_S))
    _look: Timer = field(default_factory=lambda: Timer(LOOK_S))
    _prune: Timer = field(default_factory=lambda: Timer(PRUNE_S))
    _prune_batch: Timer = field(default_factory=lambda: Timer(LOOK_S))
    _prune_until_s: float | None = None  # while documents are left to prune
    _is_behind: bool = True
    _signs_since_s: float = field(init=False)
    _free_s: float = -math.inf

    def __post_init__(self) -> None:
        self._signs_since_s = self.clock.wall_s() - FIRST_SIGNS_S

    def run(self) -> None:
        """Run until a signal stops the program."""
        with contextlib.suppress(Interrupted), self.clock.stoppable():
            while True:
                self.step()

    def run_once(self) -> None:
        """Query every open job once, as fast as the servers allow, and show
        all news."""
        schedule = self.watch_list.schedule
        with contextlib.suppress(Interrupted), self.clock.stoppable():
            self._read_journal(fresh=True)
            left = {target for watched in self.watch_list for target in watched.targets}
            while (left & schedule.jobs) or self.queries.open:
                self._give_sign_of_life()
                left -= self._ask(AT_ONCE if left else 0)
                self._take_answers(LOOK_S)
                wait_s = schedule.next_due_s(self.clock.monotonic_s())
                if not self.queries.open and wait_s > ONCE_WAIT_S:
                    break  # a server is away
            self.publisher.run_once()

    def step(self) -> None:
        """Take one turn of the loop; it waits for at most LOOK_S."""
        self._give_sign_of_life()
        now_s = self.clock.monotonic_s()
        if self._look.is_due(now_s):
            self._read_journal()
        self.publisher.step(now_s)
        self._prune_some(now_s)
        self._ask(AT_ONCE)
        now_s = self.clock.monotonic_s()
        next_s = min(self._look.due_s, self.publisher.due_s) - now_s
        if self.queries.open < AT_ONCE:
            next_s = min(next_s, self.watch_list.schedule.next_due_s(now_s))
        self._take_answers(min(next_s, LOOK_S))

    def _give_sign_of_life(self) -> None:
        """Give a sign of life, if one is due."""
        if not self._beat.is_due(self.clock.monotonic_s()):
            return
        now_s = self.clock.wall_s()
        self.journal.give_sign(now_s=now_s)
        if self.at_work is not None:
            self.at_work(now_s)
        self._is_behind = True  # `has_changed` does not report our own changes

    def _read_journal(self, *, fresh: bool = False) -> None:
        """Follow the documents of the journal, if the journal has changed. `fresh` treats new
        documents as just accepted, so that their states are queried at once."""
        self._is_behind |= self.journal.has_changed()
        now_s = self.clock.monotonic_s()
        if not self._is_behind or now_s < self._free_s:
            return
        self._is_behind = False
        self._note_signs_of_life()
        unknown = []
        for key, found in self.journal.hand_over_changes().items():
            watched = self.watch_list.get(key)
            is_ours = found.state in WITH_POLLER
            if watched and not (is_ours and found.hand_overs == watched.document.hand_overs):
                self.watch_list.remove(watched)  # taken back or closed by another process
                self.publisher.soon()
                watched = None
            if watched:
                self.watch_list.hold(watched, is_held=found.state is State.HELD)
            elif is_ours:
                unknown.append(found)
        for first in range(0, len(unknown), READ_AT_ONCE):
            self._give_sign_of_life()
            for document in self.journal.documents(unknown[first : first + READ_AT_ONCE]):
                self._follow(document, now_s, fresh=fresh)
        took_s = self.clock.monotonic_s() - now_s
        self._free_s = now_s + min(READING_SHARE * took_s, LONGEST_PAUSE_S)

    def _follow(self, document: Document, now_s: float, *, fresh: bool) -> None:
        age_s = 0.0 if fresh else max(0.0, self.clock.wall_s() - document.accepted_at_s)
        watched = self.watch_list.add(document, now_s, age_s)
        # The backend saw the failure. The queue stops only once: CUPS runs a job again whose
        # backend was at work when the queue stopped, and a person may have enabled the queue since.
        fails = any(
            each.status.is_failing and not each.has_stopped_queue for each in document.deliveries
        )
        self.publisher.note(watched, fails=fails)
        self.publisher.soon()

    def _prune_some(self, now_s: float) -> None:
        """Prune some of the journal's documents, if any are due."""
        if self._prune.is_due(now_s):
            before_s = self.clock.wall_s() - self.settings.keep_days * DAY_S
            self._prune_until_s = self.journal.pruned_until_s(
                before_s=before_s, most=self.settings.keep_documents
            )
        if self._prune_until_s is not None and self._prune_batch.is_due(now_s):
            has_more = self.journal.prune(self._prune_until_s)
            self._prune_until_s = self._prune_until_s if has_more else None

    def _note_signs_of_life(self) -> None:
        """Wake the locations that backends have heard from; they may have fetched more jobs."""
        wall_s = self.clock.wall_s()
        since_s, self._signs_since_s = self._signs_since_s, wall_s - COMMIT_S
        signs_s = self.availability.signs_s
        for destination, location, seen_s in self.journal.signs_of_life(since_s=since_s):
            queue = parse_queue_uri(destination)
            where = Place(queue.server, queue.company, location)
            if signs_s.get(where, 0.0) < seen_s <= wall_s:  # the clock may have been set back
                signs_s[where] = seen_s
                self.watch_list.schedule.came_alive(where, self.clock.monotonic_s())

    def _ask(self, at_once: int) -> set[TrackedDelivery]:
        """Send the queries that are due, and return their targets."""
        at_most = max(0, at_once - self.queries.open)
        targets = self.watch_list.schedule.due(self.clock.monotonic_s(), at_most)
        for target in targets:
            watched = self.watch_list.by_target[target]
            try:
                status_of = self.status_of(watched.queue)
            except CirrusError as error:
                self._failed(watched, target, error)
            else:
                self.queries.ask(target, functools.partial(status_of, target.receipt))
        return set(targets)

    def _take_answers(self, wait_s: float) -> None:
        for target, result in self.queries.answers(wait_s):
            watched = self.watch_list.by_target.get(target)
            if watched is None:  # no longer followed
                continue
            if isinstance(result, JobStatus):
                watched.puzzling.discard(target)
                self._heard(watched, target, result)
            elif isinstance(result, Refused):  # the server does not know the job
                target.doubt()
                self._doubt(watched, target)
            elif isinstance(result, UnexpectedAnswer) and self._is_puzzling(watched, target):
                unclear = dataclasses.replace(target.status, message=result.text)
                self._heard(watched, target, unclear)
            else:
                self._failed(watched, target, result)

    def _heard(self, watched: WatchedDocument, target: TrackedDelivery, status: JobStatus) -> None:
        """Handle a state that the server reports, for this job or, by mistake, for another."""
        if self.availability.trouble_is_over(watched.queue):
            server = watched.queue.server
            self.tell(Change("server-back", f"{server} answers again", server=server))
            self.publisher.soon()
        before = target.status
        is_news = target.learn(status)
        if target.doubts:
            self._doubt(watched, target)
            return
        watched.doubted_since_s.pop(target, None)
        self.watch_list.schedule.answered(
            target,
            self.clock.monotonic_s(),
            changed=is_news,
            unreleased=target.status.waits_for_release,
        )
        if not is_news:
            return
        wall_s, document = self.clock.wall_s(), watched.document
        if not self.journal.state(
            document.key, target.number, status, now_s=wall_s, hand_overs=document.hand_overs
        ):
            self.watch_list.remove(watched)
            return
        # the cloud may have deleted the job itself, so this is not a sign of the location
        says_nothing = (before.state, DeliveryState.DELETED)
        if status.state >= DeliveryState.SUBMITTED and status.state not in says_nothing:
            self.availability.signs_s[watched.place(target)] = wall_s
        level = NOTICE if status.state in NOT_DELIVERED or status.is_failing else INFO
        if status.state is DeliveryState.MISMATCHED:
            level = WARNING
        event = "failing" if status.is_failing else status.state.name.lower()
        text = describe(target.receipt, status)
        self.tell(of_document(event, text, document, target.receipt, level))
        self.watch_list.note(watched, wall_s)
        if status.state.is_final:
            self.watch_list.schedule.forget(target)
        self.publisher.note(watched, fails=status.is_failing and not before.is_failing)
        self.publisher.soon()

    def _doubt(self, watched: WatchedDocument, target: TrackedDelivery) -> None:
        """Handle an answer that does not concern the document.

        The server's fault may pass, so the query is repeated for a while.
        """
        now_s = self.clock.monotonic_s()
        if target.doubts == 1:
            watched.doubted_since_s[target] = now_s
        wait_s: float = self.settings.unknown_after_s
        if target.difference:
            wait_s = min(wait_s, MISMATCHED_AFTER_S)
        if target.is_doubtful and now_s - watched.doubted_since_s[target] >= wait_s:
            self._heard(watched, target, target.verdict)
        else:
            self.watch_list.schedule.answered(target, now_s, changed=False)

    def _is_puzzling(self, watched: WatchedDocument, target: TrackedDelivery) -> bool:
        """Whether the server sent an unexpected answer for this job twice, and proper answers for
        other jobs in between. The server works then, and the other jobs need not wait."""
        again = target in watched.puzzling and not self.availability.trouble_of(watched.queue)
        watched.puzzling.add(target)
        return again

    def _failed(
        self, watched: WatchedDocument, target: TrackedDelivery, error: CirrusError
    ) -> None:
        """Handle a query without an answer; the fault is the server's or the configuration's."""
        wait_s = (error.retry_after_s or 0.0) if isinstance(error, Retryable) else 0.0
        # the key is refused or the entry is missing; other companies may use this server
        of_company = isinstance(error, KeyRefused | NotPermitted | QueueError)
        self.watch_list.schedule.lost(
            target, self.clock.monotonic_s(), retry_after_s=wait_s, of_company=of_company
        )
        # everyone reads a queue's message
        told = joined(" ", (error.for_person, f"({error.code})"))
        if self.availability.has_trouble(watched.queue, told, of_company=of_company):
            said = f"{error.text} ({error.code}) {error.detail}".strip()
            self.tell(Change("server-away", said, WARNING, server=watched.queue.server))
            self.publisher.soon()
