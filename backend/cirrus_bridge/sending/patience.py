"""Waits for a server that does not work: two minutes in the queue, then held in CUPS.

A job that waits in its queue blocks the others there, and CUPS cancels it after MaxJobTime (three
hours by default). So after QUEUE_WAIT_S the job is held, and the poller releases it when the server
works again. Where no poller runs, the job keeps waiting in the queue. `contimeout` counts from the
first attempt, over all runs of the job.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import (
    ApiError,
    CirrusError,
    Retryable,
    ServerAway,
    TryOtherMember,
    WaitsForServer,
)
from cirrus_bridge.base.model import DocumentKey
from cirrus_bridge.base.translation import joined, tr
from cirrus_bridge.config.queue_uri import QueueUri, company_uri, followed_uri
from cirrus_bridge.journal.submissions import Journal
from cirrus_bridge.sending.report import Report

CLASS_WAIT_S = 5.0  # CUPS tries another member at once: without a wait, a class would spin
QUEUE_WAIT_S = 120.0
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0  # ceilings of the wait between two attempts
FOR_SERVER, FOR_CORRECTION = "server", "correction"  # what a held job waits for
HELD_UNTIL_IT_WORKS = tr("The job is held and continues by itself when the server works again.")

T = TypeVar("T")


def waits(rng: random.Random) -> Iterator[float]:
    """Endless waits in seconds: exponential back-off with full jitter.

    Jitter keeps the clients of a failed server from coming back at the same moment.
    """
    ceiling_s = FIRST_WAIT_S
    while True:
        yield rng.uniform(0.1, ceiling_s)
        ceiling_s = min(ceiling_s * 2, LONGEST_WAIT_S)


@dataclass(slots=True)
class Patience:
    """Waits after failed attempts of one document; a success ends the outage.

    Args:
        in_class: whether CUPS has other printers for the job, which are better than waiting.
        may_hold: whether the job may be held. CUPS ends a job of several files that is held before
            its last file.
        queue_wait_s: how long the job waits in the queue before it is held.
    """

    clock: Clock
    report: Report
    journal: Journal
    key: DocumentKey
    queue: QueueUri
    in_class: bool = False
    may_hold: bool = True
    queue_wait_s: float = QUEUE_WAIT_S
    rng: random.Random = field(default_factory=random.Random)
    _waits: Iterator[float] | None = None
    _since_s: float = 0.0
    _before_s: float = 0.0

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
        if isinstance(error, Retryable) and error.retry_after_s is not None:
            wait_s = max(wait_s, error.retry_after_s)
        if self._tried_s + wait_s > self.queue.settings.contimeout_s:
            self._give_up(error)
        if self.in_class:
            self.report.server_away(error.text)
            self.clock.sleep(CLASS_WAIT_S)
            raise TryOtherMember(
                tr("{error} CUPS tries another printer of the class.", error=error.message),
                error.hint,
            ) from error
        has_poller = self.journal.poller_is_alive()
        if self.may_hold and has_poller and self._is_long(wait_s):
            self.hold(FOR_SERVER)
            text = joined(" ", (error.message, HELD_UNTIL_IT_WORKS))
            detail = f"{error.code} {error.detail}"
            raise WaitsForServer(text, error.hint, detail=detail) from error
        again = f"{self.clock.now() + timedelta(seconds=wait_s):%H:%M:%S}"
        self.report.debug(f"{error.code} {error.detail}")
        text = tr("{error} Next attempt at {time}.", error=error, time=again)
        if not has_poller:
            text = joined(" ", (text, _NO_POLLER))
        self.report.server_away(text)
        self.clock.sleep(wait_s)

    def count_useless_run(self, began_s: float) -> None:
        """Count a run without any progress as an outage.

        Args:
            began_s: the start of the run, in seconds since the epoch.

        Raises:
            WaitsForServer: the outage has lasted long enough, and the job is held.
        """
        now_s = self.clock.wall_s()
        if self.journal.trying_since_s(self.key) is None:
            self.journal.set_trying_since(self.key, began_s, now_s=now_s)
        self._begin_outage()
        if self.can_hold and self._is_long(0.0):
            self.hold(FOR_SERVER)
            text = tr("{server} does not answer in time.", server=self.queue.server)
            raise WaitsForServer(joined(" ", (text, HELD_UNTIL_IT_WORKS)))

    def hold(self, waits_for: str) -> None:
        """Leave the document to the poller, which releases the job when the server works."""
        self._begin_outage()
        now_s = self.clock.wall_s()
        self.journal.wait(
            self.key,
            waits_for,
            followed_uri(self.queue),
            give_up_at_s=now_s + self.queue.settings.contimeout_s - self._tried_s,
            now_s=now_s,
        )

    @property
    def can_hold(self) -> bool:
        """Whether the job may be held, and a poller runs that would release it."""
        return self.may_hold and self.journal.poller_is_alive()

    @property
    def _tried_s(self) -> float:
        """How long the outage has lasted, in seconds; this run's part by the monotonic clock."""
        return self._before_s + self.clock.monotonic_s() - self._since_s

    def _begin_outage(self) -> Iterator[float]:
        """The waits of the current outage, or of a new outage."""
        if self._waits is not None:
            return self._waits
        self._waits, self._since_s = waits(self.rng), self.clock.monotonic_s()
        now_s = self.clock.wall_s()
        began_s = self.journal.trying_since_s(self.key)
        if began_s is None:
            began_s = now_s
            self.journal.set_trying_since(self.key, began_s, now_s=now_s)
        self._before_s = max(0.0, now_s - began_s)
        return self._waits

    def _is_long(self, wait_s: float) -> bool:
        """Whether the queue has waited long enough, or other jobs already wait for the server."""
        if self._tried_s + wait_s > self.queue_wait_s:
            return True
        return self.journal.jobs_wait_for(company_uri(self.queue))

    def _give_up(self, error: CirrusError) -> None:
        self.journal.set_trying_since(self.key, None, now_s=self.clock.wall_s())
        limit = f"{self.queue.settings.contimeout_s:.0f}"
        release = tr("When the server works again, release the job.")
        raise ServerAway(
            tr(
                "{error} Gave up after {limit} seconds (contimeout).",
                error=error.message,
                limit=limit,
            ),
            joined(" ", filter(None, (error.hint, release))),
            detail=error.detail,
        ) from error


_NO_POLLER = tr(
    "The job waits in its queue because cirrus-statusd is not running. Start cirrus-statusd."
)
