"""Use case: every document that a backend has handed over is followed to its end, and CUPS told.

One loop: look into the journal, ask the clouds as the schedule allows, note what is new, tell CUPS.
Whatever a server, the configuration or cupsd says, the loop goes on; only the journal's failing
ends it, since nothing could be noted. What is noted is on the disk before anybody is told.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field

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
from cirrus_bridge.base.model import DeliveryState, JobStatus, Place
from cirrus_bridge.base.translation import joined
from cirrus_bridge.config.load import PollerSettings
from cirrus_bridge.config.queue_uri import QueueUri, parse_queue_uri
from cirrus_bridge.delivery.events import INFO, NOTICE, WARNING, Change, of_document
from cirrus_bridge.delivery.outcome import NOT_DELIVERED
from cirrus_bridge.delivery.tracking import TrackedDelivery, describe
from cirrus_bridge.journal.lifecycle import State
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.statusd.cups_sync import CupsSync
from cirrus_bridge.statusd.queries import AT_ONCE, Queries, StatusApi
from cirrus_bridge.statusd.schedule import Schedule
from cirrus_bridge.statusd.timers import Timer
from cirrus_bridge.statusd.watched import WatchedDocument, WatchedDocuments, place

LOOK_S = 0.5  # into the journal, for documents that were handed over
BEAT_S = 10.0  # a sign of life, and a look for what was changed here
SHARE = 20.0  # looking takes no more than one part in so many of the time
COMMIT_S = 15.0  # a row may be dated so long before others can read it
PRUNE_S = 3600.0
DAY_S = 86_400.0
ONCE_WAIT_S = 5.0
MISMATCHED_AFTER_S = 300.0  # by then a proxy that mixes answers up has been restarted


@dataclass(slots=True)
class Poller:
    """The poller, which has the journal's lock. `api_of` is the API for a queue's
    server; `tell` gets every change; `at_work` each sign of life (seconds since the epoch);
    `queue_of` reads a queue's URI."""

    journal: PollerJournal
    clock: Clock
    schedule: Schedule[int]
    askers: Queries[JobStatus]
    cups: CupsSync
    settings: PollerSettings
    queue_of: Callable[[str], QueueUri]
    api_of: Callable[[QueueUri], StatusApi]
    tell: Callable[[Change], None]
    watch_list: WatchedDocuments
    at_work: Callable[[float], None] | None = None
    _doubted_since_s: dict[int, float] = field(default_factory=dict)
    _puzzling: set[int] = field(default_factory=set)
    _beat: Timer = field(default_factory=lambda: Timer(BEAT_S))
    _look: Timer = field(default_factory=lambda: Timer(LOOK_S))
    _prune: Timer = field(default_factory=lambda: Timer(PRUNE_S))
    _is_behind: bool = True
    _looked_s: float = field(init=False)
    _journal_free_s: float = -math.inf

    def __post_init__(self) -> None:
        self._looked_s = self.clock.wall_s() - DAY_S

    def run(self) -> None:
        """Until a signal asks for an end.

        Raises:
            JournalError: the journal can not be used.
        """
        with contextlib.suppress(Interrupted), self.clock.stoppable():
            while True:
                self.step()

    def run_once(self) -> None:
        """Ask once for everything that is open, as fast as the servers allow, and tell CUPS."""
        with contextlib.suppress(Interrupted), self.clock.stoppable():
            self._look_into_journal(fresh=True)
            left = {number for watched in self.watch_list for number in watched.numbers}
            while (left & self.schedule.jobs) or self.askers.open:
                if self._beat.is_due(self.clock.monotonic_s()):
                    self._give_sign_of_life()
                left -= self._ask(AT_ONCE if left else 0)
                self._take_answers(LOOK_S)
                wait_s = self.schedule.next_due_s(self.clock.monotonic_s())
                if not self.askers.open and wait_s > ONCE_WAIT_S:
                    break  # for a server that is away
            self.cups.run_once()
            for watched in self.cups.tell_all():
                self._drop(watched)

    def step(self) -> None:
        """One turn of the loop; waits for at most LOOK_S."""
        now_s = self.clock.monotonic_s()
        if self._beat.is_due(now_s):
            self._give_sign_of_life()
        if self._look.is_due(now_s):
            self._look_into_journal()
        for watched in self.cups.take(now_s):
            self._drop(watched)
        if self._prune.is_due(now_s):
            before_s = self.clock.wall_s() - self.settings.keep_days * DAY_S
            self.journal.prune(before_s=before_s, most=self.settings.keep_documents)
        self._ask(AT_ONCE)
        now_s = self.clock.monotonic_s()
        next_s = min(self._look.due_s, self.cups.due_s) - now_s
        if self.askers.open < AT_ONCE:
            next_s = min(next_s, self.schedule.next_due_s(now_s))
        self._take_answers(min(next_s, LOOK_S))

    def _give_sign_of_life(self) -> None:
        now_s = self.clock.wall_s()
        self.journal.give_sign(now_s=now_s)
        if self.at_work is not None:
            self.at_work(now_s)
        self._is_behind = True  # what was changed here is no news to has_changed

    def _look_into_journal(self, *, fresh: bool = False) -> None:
        """Drop what others have taken back or closed, and take what was handed over."""
        self._is_behind |= self.journal.has_changed()
        now_s, wall_s = self.clock.monotonic_s(), self.clock.wall_s()
        if not self._is_behind or now_s < self._journal_free_s:
            return
        self._is_behind = False
        self._look_for_life(now_s, wall_s)
        handed_over = self.journal.handed_over()
        for watched in self.watch_list:
            found = handed_over.get(watched.document.key)
            if found is None or found.hand_overs != watched.document.hand_overs:
                self._drop(watched)
                self.cups.soon()
            else:
                watched.is_held = found.state is State.HELD
        unknown = [each for key, each in handed_over.items() if key not in self.watch_list]
        for document in self.journal.documents(unknown) if unknown else ():
            watched = self.watch_list.add(document, self.queue_of)
            for number, target in zip(watched.numbers, watched.targets, strict=True):
                if not target.status.state.is_final:
                    age_s = 0.0 if fresh else max(0.0, wall_s - document.accepted_at_s)
                    self.schedule.add(number, place(watched, target), now_s, age_s=age_s)
            self.cups.note(watched)
            if any(target.status.is_failing for target in watched.targets):
                self.cups.fails(watched)  # its backend was told
            self.cups.soon()
        took_s = self.clock.monotonic_s() - now_s
        self._journal_free_s = now_s + min(SHARE * took_s, 1.0)

    def _look_for_life(self, now_s: float, wall_s: float) -> None:
        """A location from which a backend has heard is there, and may have fetched more."""
        since_s, self._looked_s = self._looked_s, wall_s - COMMIT_S
        for destination, location, seen_s in self.journal.signs_of_life(since_s=since_s):
            queue = parse_queue_uri(destination)
            where = Place(queue.server, queue.company, location)
            signs_s = self.cups.news.signs_s
            if signs_s.get(where, 0.0) < seen_s <= wall_s:  # the clock may have been set back
                signs_s[where] = seen_s
                self.schedule.came_alive(where, now_s)

    def _ask(self, at_once: int) -> set[int]:
        """Ask what is due; the numbers of the questions."""
        now_s = self.clock.monotonic_s()
        numbers = self.schedule.due(now_s, max(0, at_once - self.askers.open))
        for number in numbers:
            found = self.watch_list.find(number)
            if found is None:
                self.schedule.forget(number)
                continue
            watched, target = found
            try:
                api = self.api_of(watched.queue)
            except CirrusError as error:
                self._failed(number, watched, error)
            else:
                self.askers.ask(number, functools.partial(api.job_status, target.receipt))
        return set(numbers)

    def _take_answers(self, wait_s: float) -> None:
        answer = self.askers.answer(wait_s)
        while answer is not None:
            found = self.watch_list.find(answer.number)
            if found is None:
                self.schedule.forget(answer.number)
            elif isinstance(answer.result, JobStatus):
                self._puzzling.discard(answer.number)
                self._heard(answer.number, *found, answer.result)
            elif isinstance(answer.result, Refused):
                self._refused(answer.number, *found)
            elif self._is_puzzling(answer.number, found[0], answer.result):
                unclear = dataclasses.replace(found[1].status, message=answer.result.text)
                self._heard(answer.number, *found, unclear)
            else:
                self._failed(answer.number, found[0], answer.result)
            answer = self.askers.answer(0)

    def _heard(
        self, number: int, watched: WatchedDocument, target: TrackedDelivery, status: JobStatus
    ) -> None:
        """The server has told a job's state, of this job or of another."""
        if self.cups.news.trouble_is_over(watched.queue):
            self.tell(Change("server-back", f"{watched.queue.server} answers again"))
            self.cups.soon()
        before = target.status
        is_news = target.learn(status)
        if target.doubts:
            self._doubt(number, watched, target)
            return
        self._doubted_since_s.pop(number, None)
        self.schedule.answered(number, self.clock.monotonic_s(), changed=is_news)
        if not is_news:
            return
        wall_s = self.clock.wall_s()
        document = watched.document
        if not self.journal.state(
            document.key, target.number, status, now_s=wall_s, hand_overs=document.hand_overs
        ):
            self._drop(watched)
            return
        # a deletion may be the cloud's alone, and says nothing of the location
        says_nothing = (before.state, DeliveryState.DELETED)
        if status.state >= DeliveryState.SUBMITTED and status.state not in says_nothing:
            self.cups.news.signs_s[place(watched, target)] = wall_s
        level = NOTICE if status.state in NOT_DELIVERED or status.is_failing else INFO
        if status.state is DeliveryState.MISMATCHED:
            level = WARNING
        event = "failing" if status.is_failing else status.state.name.lower()
        text = describe(target.receipt, status)
        self.tell(of_document(event, text, watched.document, target.receipt, level))
        if status.state.is_final:
            self.schedule.forget(number)
        self.cups.note(watched)
        if status.is_failing and not before.is_failing:
            self.cups.fails(watched)
        self.cups.soon()

    def _refused(self, number: int, watched: WatchedDocument, target: TrackedDelivery) -> None:
        """The server does not know the job."""
        target.doubt()
        self._doubt(number, watched, target)

    def _doubt(self, number: int, watched: WatchedDocument, target: TrackedDelivery) -> None:
        """The server does not answer about the document. Its fault may pass, so the server is
        asked again for a while."""
        now_s = self.clock.monotonic_s()
        if target.doubts == 1:
            self._doubted_since_s[number] = now_s
        since_s = self._doubted_since_s[number]
        wait_s: float = self.settings.unknown_after_s
        if target.difference:
            wait_s = min(wait_s, MISMATCHED_AFTER_S)
        if target.is_doubtful and now_s - since_s >= wait_s:
            self._heard(number, watched, target, target.verdict)
        else:
            self.schedule.answered(number, now_s, changed=False)

    def _is_puzzling(self, number: int, watched: WatchedDocument, error: CirrusError) -> bool:
        """Whether the server says again what makes no sense of this job, but has answered well for
        others in between: it is there, and they need not wait."""
        again = number in self._puzzling and not self.cups.news.trouble_of(watched.queue)
        if isinstance(error, UnexpectedAnswer):
            self._puzzling.add(number)
            return again
        return False

    def _failed(self, number: int, watched: WatchedDocument, error: CirrusError) -> None:
        """No answer that says anything about the job: the server, or its entry, is to be mended."""
        wait_s = error.retry_after_s if isinstance(error, Retryable) else None
        # a key that is refused, or an entry that is missing: others may be heard at this server
        of_company = isinstance(error, KeyRefused | NotPermitted | QueueError)
        now_s = self.clock.monotonic_s()
        self.schedule.lost(number, now_s, retry_after_s=wait_s, of_company=of_company)
        text = joined(" ", (error.text, f"({error.code})"))
        if self.cups.news.has_trouble(watched.queue, text, of_company=of_company):
            self.tell(Change("server-away", f"{text} {error.detail}".strip(), WARNING))
            self.cups.soon()

    def _drop(self, watched: WatchedDocument) -> None:
        self.watch_list.remove(watched)
        self.cups.forget(watched)
        for number in watched.numbers:
            self.schedule.forget(number)
            self._doubted_since_s.pop(number, None)
            self._puzzling.discard(number)
