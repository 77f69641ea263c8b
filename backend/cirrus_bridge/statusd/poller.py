"""Use case: follow every accepted document to its end, and show the progress in CUPS.

One loop reads the journal, queries the clouds as the schedule allows, writes changes to the journal
and updates CUPS. Errors of servers, of the configuration and of cupsd do not end the loop. Only an
error of the journal does, as no change could be recorded. Each change is on the disk before CUPS,
the log or the hook shows the change.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
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
from cirrus_bridge.base.model import DeliveryState, JobStatus
from cirrus_bridge.base.translation import joined
from cirrus_bridge.config.load import PollerSettings
from cirrus_bridge.config.queue_uri import QueueUri
from cirrus_bridge.delivery.events import INFO, NOTICE, WARNING, Change, of_document
from cirrus_bridge.delivery.tracking import NOT_DELIVERED, TrackedDelivery, describe
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.statusd.cups_sync import CupsSync
from cirrus_bridge.statusd.journal_sync import JournalSync
from cirrus_bridge.statusd.queries import AT_ONCE, Queries, StatusApi
from cirrus_bridge.statusd.schedule import Schedule
from cirrus_bridge.statusd.timers import Timer
from cirrus_bridge.statusd.watched import WatchedDocument, WatchedDocuments, place

LOOK_S = 0.5  # between looks into the journal for handed-over documents
BEAT_S = 10.0  # between signs of life
PRUNE_S = 3600.0
DAY_S = 86_400.0
ONCE_WAIT_S = 5.0  # `run_once` does not wait longer for a server that is away
MISMATCHED_AFTER_S = 300.0  # long enough to restart a proxy that mixes answers up


@dataclass(slots=True)
class Poller:
    """The poller; it has the journal's lock.

    Args:
        queries: for job states.
        queue_of: reads a queue's URI.
        api_of: the API for a queue's server.
        tell: gets every change.
        at_work: gets each sign of life (seconds since the epoch).
    """

    journal: PollerJournal
    clock: Clock
    schedule: Schedule[int]
    queries: Queries[JobStatus]
    cups: CupsSync
    settings: PollerSettings
    queue_of: Callable[[str], QueueUri]
    api_of: Callable[[QueueUri], StatusApi]
    tell: Callable[[Change], None]
    watch_list: WatchedDocuments
    at_work: Callable[[float], None] | None = None
    _doubted_since_s: dict[int, float] = field(default_factory=dict)
    _puzzling: set[int] = field(default_factory=set)
    _journal_sync: JournalSync = field(init=False)
    _beat: Timer = field(default_factory=lambda: Timer(BEAT_S))
    _look: Timer = field(default_factory=lambda: Timer(LOOK_S))
    _prune: Timer = field(default_factory=lambda: Timer(PRUNE_S))

    def __post_init__(self) -> None:
        self._journal_sync = JournalSync(
            self.journal,
            self.clock,
            self.schedule,
            self.cups,
            self.watch_list,
            self.queue_of,
            self._drop,
        )

    def run(self) -> None:
        """Run until a signal stops the program.

        Raises:
            JournalError: the journal cannot be used.
        """
        with contextlib.suppress(Interrupted), self.clock.stoppable():
            while True:
                self.step()

    def run_once(self) -> None:
        """Query every open job once, as fast as the servers allow, and update CUPS.

        Raises:
            JournalError: the journal cannot be used.
        """
        with contextlib.suppress(Interrupted), self.clock.stoppable():
            self._journal_sync.look(fresh=True)
            left = {number for watched in self.watch_list for number in watched.numbers}
            while (left & self.schedule.jobs) or self.queries.open:
                if self._beat.is_due(self.clock.monotonic_s()):
                    self._give_sign_of_life()
                left -= self._ask(AT_ONCE if left else 0)
                self._take_answers(LOOK_S)
                wait_s = self.schedule.next_due_s(self.clock.monotonic_s())
                if not self.queries.open and wait_s > ONCE_WAIT_S:
                    break  # a server is away
            self.cups.run_once()
            self.cups.tell_all(self._drop)

    def step(self) -> None:
        """Take one turn of the loop; it waits for at most LOOK_S.

        Raises:
            JournalError: the journal cannot be used.
        """
        now_s = self.clock.monotonic_s()
        if self._beat.is_due(now_s):
            self._give_sign_of_life()
        if self._look.is_due(now_s):
            self._journal_sync.look()
        self.cups.step(now_s, self._drop)
        if self._prune.is_due(now_s):
            before_s = self.clock.wall_s() - self.settings.keep_days * DAY_S
            self.journal.prune(before_s=before_s, most=self.settings.keep_documents)
        self._ask(AT_ONCE)
        now_s = self.clock.monotonic_s()
        next_s = min(self._look.due_s, self.cups.due_s) - now_s
        if self.queries.open < AT_ONCE:
            next_s = min(next_s, self.schedule.next_due_s(now_s))
        self._take_answers(min(next_s, LOOK_S))

    def _give_sign_of_life(self) -> None:
        now_s = self.clock.wall_s()
        self.journal.give_sign(now_s=now_s)
        if self.at_work is not None:
            self.at_work(now_s)
        self._journal_sync.expect_changes()

    def _ask(self, at_once: int) -> set[int]:
        """Send the queries that are due, and return their numbers."""
        now_s = self.clock.monotonic_s()
        numbers = self.schedule.due(now_s, max(0, at_once - self.queries.open))
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
                self.queries.ask(number, functools.partial(api.job_status, target.receipt))
        return set(numbers)

    def _take_answers(self, wait_s: float) -> None:
        answer = self.queries.answer(wait_s)
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
            answer = self.queries.answer(0)

    def _heard(
        self, number: int, watched: WatchedDocument, target: TrackedDelivery, status: JobStatus
    ) -> None:
        """Handle a state that the server reports, for this job or, by mistake, for another."""
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
        # the cloud may have deleted the job itself, so this is not a sign of the location
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
        """Handle a server that does not know the job."""
        target.doubt()
        self._doubt(number, watched, target)

    def _doubt(self, number: int, watched: WatchedDocument, target: TrackedDelivery) -> None:
        """Handle an answer that does not concern the document.

        The server's fault may pass, so the query is repeated for a while.
        """
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
        """Whether the server sent an unexpected answer for this job twice, and proper answers for
        other jobs in between. The server works then, and the other jobs need not wait."""
        again = number in self._puzzling and not self.cups.news.trouble_of(watched.queue)
        if isinstance(error, UnexpectedAnswer):
            self._puzzling.add(number)
            return again
        return False

    def _failed(self, number: int, watched: WatchedDocument, error: CirrusError) -> None:
        """Handle a query without an answer; the fault is the server's or the configuration's."""
        wait_s = error.retry_after_s if isinstance(error, Retryable) else None
        # the key is refused or the entry is missing; other companies may use this server
        of_company = isinstance(error, KeyRefused | NotPermitted | QueueError)
        now_s = self.clock.monotonic_s()
        self.schedule.lost(number, now_s, retry_after_s=wait_s, of_company=of_company)
        text = joined(" ", (error.text, f"({error.code})"))
        if self.cups.news.has_trouble(watched.queue, text, of_company=of_company):
            self.tell(Change("server-away", f"{text} {error.detail}".strip(), WARNING))
            self.cups.soon()

    def _drop(self, watched: WatchedDocument) -> None:
        """Stop following a document."""
        self.watch_list.remove(watched)
        self.cups.forget(watched)
        for number in watched.numbers:
            self.schedule.forget(number)
            self._doubted_since_s.pop(number, None)
            self._puzzling.discard(number)
