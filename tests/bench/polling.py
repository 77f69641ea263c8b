"""Requests and delays of following jobs: the schedule beside fixed intervals.

The same simulated day (tests/support/polling_day.py) runs for each way of polling.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from frame import Setting, Table
from polling_day import DAY_S, Seen, make_day, poll_at_intervals, poll_by_schedule

COLUMNS = ("way", "requests", "a second", "in the outage", "fresh s", "back s", "old s")


def table(_: Setting) -> Table:
    """Count requests and delays of a simulated day."""
    made = Table("Following jobs for a day (delays: median / 95 % / longest)", COLUMNS)
    for cells in _rows():
        made.row(*cells)
    return made


def _rows() -> Iterator[tuple[str, ...]]:
    """A row for each way of polling."""
    day = make_day(1)
    for per_minute in (300, 100):
        seen = poll_by_schedule(day, requests_per_minute=per_minute)
        yield _row(f"schedule, {per_minute} a minute at most", seen)
    for interval_s in (10, 60):
        yield _row(f"every {interval_s} s, no limit", poll_at_intervals(day, interval_s))
    round_s = sum(not job.is_fresh for job in day.jobs) * 60 / 300
    yield _row(
        f"one after the other, 300 a minute ({round_s:.0f} s)", poll_at_intervals(day, round_s)
    )


def _row(name: str, seen: Seen) -> tuple[str, ...]:
    return (
        name,
        f"{seen.requests:,}",
        f"{seen.requests / DAY_S:.1f}",
        f"{seen.during_outage:,}",
        *map(_delays, (seen.fresh_s, seen.first_s, seen.old_s)),
    )


def _delays(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    return " / ".join(f"{ordered[int(share * (len(ordered) - 1))]:.1f}" for share in (0.5, 0.95, 1))
