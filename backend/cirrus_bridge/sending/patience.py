"""Waits for a server that does not work: two minutes in the queue, then held in CUPS.

CONTRIBUTING.md, "An unavailable server", has the reasons. Without a poller, which would release the
held job, the job keeps waiting in its queue.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, TypeVar

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import (
    ApiError,
    Retryable,
    ServerAway,
    SubmitUnanswered,
    TryOtherMember,
    WaitsForServer,
)
from cirrus_bridge.base.model import DocumentKey, PrintJob
from cirrus_bridge.base.translation import Words, joined, tr
from cirrus_bridge.config.queue_uri import QueueUri, company_uri, followed_uri
from cirrus_bridge.journal.submissions import Journal

CLASS_WAIT_S = 5.0  # CUPS tries another member at once: without a wait, a class would spin
QUEUE_WAIT_S = 120.0
LOOK_S = 2.0  # between looks at the other jobs of the queue
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0  # ceilings of the wait between two attempts
FOR_SERVER, FOR_CORRECTION = "server", "correction"  # what a held job waits for
HELD_UNTIL_IT_WORKS = tr("The job is held and continues by itself when the server works again.")
IF_IT_TAKES_LONG = tr("If this takes a long time, tell your administrator.")
NO_POLLER = (
    "the job waits in its queue, because cirrus-statusd is not running; start cirrus-statusd"
)

T = TypeVar("T")


class Report(Protocol):
    """Takes texts for people (`tr`) while a document is sent and followed, and debug lines."""

    def debug(self, text: str) -> None: ...
    def info(self, text: str) -> None: ...
    def progress(self, percent: int) -> None: ...  # the part of the document that was sent
    def server_away(self, text: str) -> None: ...
    def server_back(self) -> None: ...  # called even if the server was not away


def waits(rng: random.Random) -> Iterator[float]:
    """Endless waits in seconds: exponential back-off, with full jitter so that the clients of a
    failed server do not come back at the same moment."""
    ceiling_s = FIRST_WAIT_S
    while True:
        yield rng.uniform(0.1, ceiling_s)
        ceiling_s = min(ceiling_s * 2, LONGEST_WAIT_S)


@dataclass(slots=True)
class Patience:
    """Waits after failed attempts of one document; a success ends the outage.

    Attributes:
        in_doubt: whether a submit may have been accepted. Then no other member of the job's class
            may print the document.
        gives_way: whether this job is held at once instead of waiting for its next attempt in its
            queue, such as for another job that needs the queue only to end.
    """

    clock: Clock
    report: Report
    journal: Journal
    job: PrintJob
    key: DocumentKey
    queue: QueueUri
    in_doubt: bool = False
    rng: random.Random = field(default_factory=random.Random)
    gives_way: Callable[[], bool] = lambda: False
    _waits: Iterator[float] | None = None
    _since_s: float = 0.0  # the start of the outage, on the monotonic clock

    def insist(self, request: Callable[[], T]) -> T:
        """Repeat a request until it works.

        Raises:
            CirrusError: the request failed for good, or `wait_after` gave up.
        """
        while True:
            try:
                result = request()
            except Retryable as error:
                self.wait_after(error)
            else:
                self.report.server_back()
                return result

    def end_outage(self) -> None:
        """End the outage: the server has taken something of the document."""
        if self._waits is not None or self.journal.trying_since_s(self.key) is not None:
            self.journal.set_trying_since(self.key, None, now_s=self.clock.wall_s())
        self._waits = None
        self.report.server_back()

    def wait_after(self, error: ApiError) -> None:
        """Wait before the next attempt, at least as long as the server asks.

        Raises:
            WaitsForServer: the job is held meanwhile.
            ServerAway: contimeout would end before the next attempt.
            TryOtherMember: the job's class may have another member that works.
            Interrupted: a signal asked the program to stop.
        """
        wait_s = next(self._begin_outage())
        if isinstance(error, Retryable):
            wait_s = max(wait_s, error.retry_after_s or 0.0)
        if self._tried_s + wait_s > self.queue.settings.contimeout_s:
            self._give_up(error)
        if self.job.in_class and not self.in_doubt:
            self.report.server_away(error.for_person)
            self.clock.sleep(CLASS_WAIT_S)
            text = tr("{error} CUPS tries another printer of the class.", error=error.message)
            raise TryOtherMember(text, error.hint) from error
        detail = f"{error} ({error.code}) {error.detail}"
        if self.can_hold and self._is_long(wait_s):
            raise self._held(error, detail) from error
        self.report.debug(detail)
        again = f"{self.clock.now() + timedelta(seconds=wait_s):%H:%M:%S}"
        if not self.journal.poller_is_alive():
            self.report.debug(NO_POLLER)
        self.report.server_away(
            tr("{error} Next attempt at {time}.", error=_cause(error), time=again)
        )
        until_s = self.clock.monotonic_s() + wait_s
        while (left_s := until_s - self.clock.monotonic_s()) > 0:
            if self.gives_way() and self.can_hold:
                raise self._held(error, f"this run does not wait; {detail}")
            self.clock.sleep(min(left_s, LOOK_S))

    def _held(self, error: ApiError, detail: str) -> WaitsForServer:
        """Leave the document to the poller, and return the error that holds the job."""
        self.hold(FOR_SERVER)
        text = joined(" ", (error.message, HELD_UNTIL_IT_WORKS))
        waits = WaitsForServer(text, error.hint, detail=detail)
        waits.told_to_person = joined(" ", (_cause(error), HELD_UNTIL_IT_WORKS, IF_IT_TAKES_LONG))
        return waits

    def count_useless_run(self, began_s: float) -> None:
        """Count a run without any progress, which began at this time, as an outage.

        Raises:
            WaitsForServer: the outage has lasted long enough, and the job is held.
        """
        self._begin_outage(began_s)
        if self.can_hold and self._is_long(0.0):
            self.hold(FOR_SERVER)
            text = tr("{server} does not answer in time.", server=self.queue.server)
            waits = WaitsForServer(joined(" ", (text, HELD_UNTIL_IT_WORKS)))
            waits.told_to_person = joined(" ", (waits.text, IF_IT_TAKES_LONG))
            raise waits

    def hold(self, waits_for: str) -> None:
        """Leave the document to the poller, which releases the job when the server works."""
        self._begin_outage()
        left_s = self.queue.settings.contimeout_s - self._tried_s
        uri, now_s = followed_uri(self.queue), self.clock.wall_s()
        self.journal.wait(self.key, waits_for, uri, give_up_at_s=now_s + left_s, now_s=now_s)

    @property
    def can_hold(self) -> bool:
        """Whether a poller runs that would release the held job, and the job may be held: CUPS ends
        a job of several files that is held before its last file."""
        return self.job.is_last(self.key.number) and self.journal.poller_is_alive()

    @property
    def _tried_s(self) -> float:
        """How long the outage has lasted, in seconds; this run's part by the monotonic clock."""
        return self.clock.monotonic_s() - self._since_s

    def _begin_outage(self, began_s: float | None = None) -> Iterator[float]:
        """The waits of the current outage, or of a new outage, which began now or at `began_s`."""
        if self._waits is None:
            self._waits = waits(self.rng)
            now_s = self.clock.wall_s()
            since_s = self.journal.trying_since_s(self.key)
            if since_s is None:
                since_s = now_s if began_s is None else began_s
                self.journal.set_trying_since(self.key, since_s, now_s=now_s)
            self._since_s = self.clock.monotonic_s() - max(0.0, now_s - since_s)
        return self._waits

    def _is_long(self, wait_s: float) -> bool:
        """Whether the queue has waited long enough, or other jobs already wait for the server."""
        limit_s = self.job.cancel_after_s
        queue_wait_s = QUEUE_WAIT_S if limit_s is None else min(QUEUE_WAIT_S, limit_s / 2)
        waited_s = self._tried_s + wait_s
        return waited_s > queue_wait_s or self.journal.jobs_wait_for(company_uri(self.queue))

    def _give_up(self, error: ApiError) -> None:
        self.journal.set_trying_since(self.key, None, now_s=self.clock.wall_s())
        limit = self.queue.settings.contimeout_s
        release = tr("When the server works again, release the job.")
        text = tr(
            "{error} Gave up after {limit} seconds (contimeout).", error=error.message, limit=limit
        )
        hint = joined(" ", filter(None, (error.hint, release)))
        raise ServerAway(text, hint, detail=error.detail) from error


def _cause(error: ApiError) -> Words:
    """Why a job waits, for the person who printed, without the steps that would be due if the job
    did not continue by itself."""
    said = error.message if isinstance(error, SubmitUnanswered) else error.for_person
    return joined(" ", (said, f"({error.code})"))
