"""Whether a server may be asked now: its rate, its Retry-After, and outages. Pure: no clock.

While a server is away one request at a time goes to it, with back-off; its first answer opens the
gate again. A company that alone can not ask, as its key is refused, has an outage of its own:
others at the server need not wait for it. All times are seconds on one clock that nobody can set.
"""

from __future__ import annotations

import math
import random
from collections.abc import Hashable

BACK_OFF = 1.5
JITTER = 0.2  # a wait is up to this share longer or shorter, so that pollers do not fall into step
FIRST_PROBE_S = 2.0
LONGEST_PROBE_S = 300.0
_ALMOST = 1e-6  # what is missing of a request's allowance because of rounding


def jittered(wait_s: float, rng: random.Random) -> float:
    """A wait, a little longer or shorter."""
    return wait_s * rng.uniform(1 - JITTER, 1 + JITTER)


class ProbeGate:
    """While it lasts, one request at a time goes out, as a probe."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._probe: Hashable = None
        self._probe_at_s = 0.0
        self._probe_wait_s = FIRST_PROBE_S
        self.lasts = False

    def opens_in_s(self, now: float) -> float:
        """Seconds until a request may go; infinite while a probe is under way."""
        if not self.lasts:
            return 0.0
        return math.inf if self._probe is not None else self._probe_at_s - now

    def asked(self, job: Hashable) -> None:
        """A request about `job` goes out."""
        if self.lasts:
            self._probe = job

    def ended(self) -> None:
        """There was an answer."""
        self.lasts, self._probe, self._probe_wait_s = False, None, FIRST_PROBE_S

    def failed(self, job: Hashable, now: float) -> None:
        """The request about `job` failed.

        Requests that were under way when the outage began tell nothing new.
        """
        if self.lasts and job != self._probe:
            return
        if self.lasts:
            self._probe_wait_s = min(self._probe_wait_s * BACK_OFF, LONGEST_PROBE_S)
        self.lasts, self._probe = True, None
        self._probe_at_s = now + jittered(self._probe_wait_s, self._rng)

    def dropped(self, job: Hashable) -> None:
        """Nobody will tell what became of the request about `job`."""
        if job == self._probe:
            self._probe = None


class ServerGate:
    """One server's gate, for all of its companies.

    Args:
        requests_per_minute: how many any sixty seconds may see; at least 2. A second's worth may
            go at once.
    """

    def __init__(self, requests_per_minute: float, rng: random.Random) -> None:
        self._burst = max(1.0, requests_per_minute / 60)
        self._per_s = (requests_per_minute - self._burst) / 60
        self._allowance = self._burst
        self._counted_s = 0.0
        self._closed_until_s = -math.inf  # the server's own word: no success shortens it
        self.outage = ProbeGate(rng)

    def opens_in_s(self, now: float) -> float:
        """Seconds until a request may go; infinite while a probe is under way."""
        missing = 1 - self._refilled(now)
        waits = [0.0, self._closed_until_s - now, self.outage.opens_in_s(now)]
        if missing > _ALMOST:
            waits.append(missing / self._per_s)
        return max(waits)

    def asked(self, job: Hashable, now: float) -> None:
        """A request about `job` goes out."""
        self._allowance = self._refilled(now) - 1
        self._counted_s = now
        self.outage.asked(job)

    def worked(self, now: float) -> None:
        """The server has answered, so it is there."""
        if self.outage.lasts:
            # what has waited goes at the rate, without a second's worth at once
            self._allowance = min(self._refilled(now), 0.0)
            self._counted_s = now
        self.outage.ended()

    def failed(self, job: Hashable, now: float, retry_after_s: float | None) -> None:
        """The request about `job` failed because of the server."""
        if retry_after_s is not None:
            self._closed_until_s = max(self._closed_until_s, now + retry_after_s)
        self.outage.failed(job, now)

    def _refilled(self, now: float) -> float:
        return min(self._burst, self._allowance + (now - self._counted_s) * self._per_s)


class CompanyGate:
    """One company's gate at a server; what concerns all is the server's."""

    def __init__(self, server: ServerGate, rng: random.Random) -> None:
        self._server = server
        self._outage = ProbeGate(rng)

    def opens_in_s(self, now: float) -> float:
        """Seconds until a request may go; infinite while a probe is under way."""
        return max(self._server.opens_in_s(now), self._outage.opens_in_s(now))

    def asked(self, job: Hashable, now: float) -> None:
        """A request about `job` goes out."""
        self._server.asked(job, now)
        self._outage.asked(job)

    def worked(self, now: float) -> None:
        """The server has told the company what it wanted to know."""
        self._server.worked(now)
        self._outage.ended()

    def failed(self, job: Hashable, now: float, retry_after_s: float | None) -> None:
        """The request about `job` failed because of the server."""
        self._outage.dropped(job)
        self._server.failed(job, now, retry_after_s)

    def shut_out(self, job: Hashable, now: float) -> None:
        """The request about `job` failed because of the company."""
        self._server.outage.dropped(job)
        self._outage.failed(job, now)

    def dropped(self, job: Hashable) -> None:
        """Nobody will tell what became of the request about `job`."""
        self._server.outage.dropped(job)
        self._outage.dropped(job)
