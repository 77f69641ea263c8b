"""Gates for requests to a server: its rate limit, its Retry-After and its outages. No clock here.

During an outage, one request at a time probes the server, with back-off. The first answer opens the
gate again. If the server refuses one company's key, only this company has an outage; the others
at the server go on. All times are monotonic seconds.
"""

from __future__ import annotations

import math
import random
from collections.abc import Hashable

BACK_OFF = 1.5
JITTER = 0.2  # waits vary by up to this share, so that pollers do not synchronize
FIRST_PROBE_S = 2.0
LONGEST_PROBE_S = 300.0
_ALMOST = 1e-6  # a request may go although rounding leaves the allowance this much too small


def jittered(wait_s: float, rng: random.Random) -> float:
    """A wait (in seconds) that varies at random by up to JITTER."""
    return wait_s * rng.uniform(1 - JITTER, 1 + JITTER)


class ProbeGate:
    """The gate of an outage. While the outage lasts, one request at a time goes out, as a probe."""

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
        """Note that a request about `job` goes out."""
        if self.lasts:
            self._probe = job

    def ended(self) -> None:
        """End the outage: an answer has arrived."""
        self.lasts, self._probe, self._probe_wait_s = False, None, FIRST_PROBE_S

    def failed(self, job: Hashable, now: float) -> None:
        """Start or prolong the outage: the request about `job` failed.

        Failures of requests that were sent before the outage do not prolong it.
        """
        if self.lasts and job != self._probe:
            return
        if self.lasts:
            self._probe_wait_s = min(self._probe_wait_s * BACK_OFF, LONGEST_PROBE_S)
        self.lasts, self._probe = True, None
        self._probe_at_s = now + jittered(self._probe_wait_s, self._rng)

    def dropped(self, job: Hashable) -> None:
        """Forget the request about `job`; its outcome will not be reported."""
        if job == self._probe:
            self._probe = None


class ServerGate:
    """One server's gate, for all of its companies.

    Args:
        requests_per_minute: the most requests in any sixty seconds; at least 2. A second's share
            may go at once.
    """

    def __init__(self, requests_per_minute: float, rng: random.Random) -> None:
        self._burst = max(1.0, requests_per_minute / 60)
        self._per_s = (requests_per_minute - self._burst) / 60
        self._allowance = self._burst
        self._counted_s = 0.0
        self._closed_until_s = -math.inf  # from Retry-After: no success shortens it
        self.outage = ProbeGate(rng)

    def opens_in_s(self, now: float) -> float:
        """Seconds until a request may go; infinite while a probe is under way."""
        missing = 1 - self._refilled(now)
        waits = [0.0, self._closed_until_s - now, self.outage.opens_in_s(now)]
        if missing > _ALMOST:
            waits.append(missing / self._per_s)
        return max(waits)

    def asked(self, job: Hashable, now: float) -> None:
        """Note that a request about `job` goes out."""
        self._allowance = self._refilled(now) - 1
        self._counted_s = now
        self.outage.asked(job)

    def worked(self, now: float) -> None:
        """Note an answer of the server, which ends its outage."""
        if self.outage.lasts:
            # the waiting requests go at the rate, without a burst
            self._allowance = min(self._refilled(now), 0.0)
            self._counted_s = now
        self.outage.ended()

    def failed(self, job: Hashable, now: float, retry_after_s: float | None) -> None:
        """Note that the request about `job` failed because of the server.

        Args:
            retry_after_s: the server's Retry-After, if any.
        """
        if retry_after_s is not None:
            self._closed_until_s = max(self._closed_until_s, now + retry_after_s)
        self.outage.failed(job, now)

    def _refilled(self, now: float) -> float:
        return min(self._burst, self._allowance + (now - self._counted_s) * self._per_s)


class CompanyGate:
    """One company's gate at a server; it opens only if the server's gate is open, too."""

    def __init__(self, server: ServerGate, rng: random.Random) -> None:
        self._server = server
        self._outage = ProbeGate(rng)

    def opens_in_s(self, now: float) -> float:
        """Seconds until a request may go; infinite while a probe is under way."""
        return max(self._server.opens_in_s(now), self._outage.opens_in_s(now))

    def asked(self, job: Hashable, now: float) -> None:
        """Note that a request about `job` goes out."""
        self._server.asked(job, now)
        self._outage.asked(job)

    def worked(self, now: float) -> None:
        """Note a proper answer for the company, which ends both outages."""
        self._server.worked(now)
        self._outage.ended()

    def failed(self, job: Hashable, now: float, retry_after_s: float | None) -> None:
        """Note that the request about `job` failed because of the server.

        Args:
            retry_after_s: the server's Retry-After, if any.
        """
        self._outage.dropped(job)
        self._server.failed(job, now, retry_after_s)

    def shut_out(self, job: Hashable, now: float) -> None:
        """Note that the request about `job` failed because of the company, such as its key."""
        self._server.outage.dropped(job)
        self._outage.failed(job, now)

    def dropped(self, job: Hashable) -> None:
        """Forget the request about `job`; its outcome will not be reported."""
        self._server.outage.dropped(job)
        self._outage.dropped(job)
