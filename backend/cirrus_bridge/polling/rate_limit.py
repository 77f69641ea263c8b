"""Gates for requests: a server's rate limit, its Retry-After, and outages. No clock here.

During an outage, one request at a time probes the server, with back-off. The first answer opens the
gate again. All times are monotonic seconds.
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
        self._is_outage = False

    def opens_in_s(self, now: float) -> float:
        """Seconds until a request may go; infinite while a probe is under way."""
        if not self._is_outage:
            return 0.0
        return math.inf if self._probe is not None else self._probe_at_s - now

    def asked(self, job: Hashable, now: float) -> None:
        """Note that a request about `job` goes out."""
        if self._is_outage:
            self._probe = job

    def worked(self, now: float) -> None:
        """Note a proper answer, which ends the outage."""
        self._is_outage, self._probe, self._probe_wait_s = False, None, FIRST_PROBE_S

    def failed(self, job: Hashable, now: float) -> None:
        """Start or prolong the outage: the request about `job` failed.

        Failures of requests that were sent before the outage do not prolong it.
        """
        if self._is_outage:
            if job != self._probe:
                return
            self._probe_wait_s = min(self._probe_wait_s * BACK_OFF, LONGEST_PROBE_S)
        self._is_outage, self._probe = True, None
        self._probe_at_s = now + jittered(self._probe_wait_s, self._rng)

    def dropped(self, job: Hashable) -> None:
        """Forget the request about `job`; its outcome will not be reported."""
        if job == self._probe:
            self._probe = None


class ServerGate(ProbeGate):
    """One server's gate, for all of its companies.

    Args:
        requests_per_minute: the most requests in any sixty seconds; at least 2. A second's share
            may go at once.
    """

    def __init__(self, requests_per_minute: float, rng: random.Random) -> None:
        super().__init__(rng)
        self._burst = max(1.0, requests_per_minute / 60)
        self._per_s = (requests_per_minute - self._burst) / 60
        self._allowance = self._burst
        self._counted_s = 0.0
        self._closed_until_s = -math.inf

    def opens_in_s(self, now: float) -> float:
        missing = 1 - self._refilled(now)
        waits = [0.0, self._closed_until_s - now, super().opens_in_s(now)]
        if missing > _ALMOST:
            waits.append(missing / self._per_s)
        return max(waits)

    def asked(self, job: Hashable, now: float) -> None:
        self._allowance, self._counted_s = self._refilled(now) - 1, now
        super().asked(job, now)

    def worked(self, now: float) -> None:
        if self._is_outage:  # the waiting requests go at the rate, without a burst
            self._allowance, self._counted_s = min(self._refilled(now), 0.0), now
        super().worked(now)

    def close_until(self, at_s: float) -> None:
        """Let no request go before this time (from Retry-After); no success shortens the wait."""
        self._closed_until_s = max(self._closed_until_s, at_s)

    def _refilled(self, now: float) -> float:
        return min(self._burst, self._allowance + (now - self._counted_s) * self._per_s)
