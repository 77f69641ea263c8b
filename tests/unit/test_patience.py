"""Waiting for a server: how long, told how, and by which clock."""

from __future__ import annotations

import random

import pytest

from cirrus_bridge.clock import Clock
from cirrus_bridge.errors import ServerAway, ServerFault, Unreachable
from cirrus_bridge.patience import Patience

DAY_S = 86_400.0


class JumpingClock(Clock):
    """Time passes by sleeping alone, and the wall clock jumps at each look, to and fro."""

    def __init__(self) -> None:
        super().__init__()
        self.passed_s = 0.0
        self._jump_s = DAY_S

    def monotonic_s(self) -> float:
        return self.passed_s

    def wall_s(self) -> float:
        self._jump_s = -2 * self._jump_s
        return 1_800_000_000.0 + self.passed_s + self._jump_s

    def sleep(self, seconds: float) -> None:
        self.passed_s += seconds


class Told:
    """A report that keeps what it is told."""

    def __init__(self) -> None:
        self.away: list[str] = []
        self.back = 0

    def debug(self, text: str) -> None: ...

    def server_away(self, text: str) -> None:
        self.away.append(text)

    def server_back(self) -> None:
        self.back += 1


def _patience(limit_s: float) -> tuple[Patience, JumpingClock, Told]:
    clock, told = JumpingClock(), Told()
    return Patience(clock, told, limit_s, rng=random.Random(1)), clock, told


def test_a_wall_clock_that_jumps_changes_no_limit() -> None:
    """contimeout is counted on the clock that nobody can set."""
    patience, clock, _ = _patience(1000)

    def request() -> None:
        clock.wall_s()
        raise Unreachable("x can not be reached.")

    with pytest.raises(ServerAway, match="Gave up after 1000 seconds"):
        patience.insist(request)
    assert 900 < clock.passed_s <= 1000


def test_retry_after_is_waited_for() -> None:
    """The server knows best when to come again."""
    patience, clock, _ = _patience(1000)
    patience.wait_after(ServerFault("busy", retry_after_s=300))
    assert clock.passed_s >= 300


def test_a_retry_after_beyond_the_limit_is_not_waited_for() -> None:
    """The job is held at once instead of at the end of a wait that leads to nothing."""
    patience, clock, _ = _patience(1000)
    with pytest.raises(ServerAway):
        patience.wait_after(ServerFault("busy", retry_after_s=2000))
    assert clock.passed_s == 0


def test_a_success_begins_it_anew() -> None:
    """The limit is for one outage, not for all of a job's together; the reason is cleared."""
    patience, clock, told = _patience(100)
    for _ in range(50):
        patience.wait_after(Unreachable("x can not be reached."))
        clock.sleep(30)
        patience.succeeded()
    assert len(told.away) == told.back == 50
    assert "Next try at" in told.away[0]
