"""The poller's log on standard error, which the system's journal keeps: a line for each change.

A server decides how often a job's message or its own state changes. So the lines of one kind are
limited, and a later line says how many were left out. Each job, queue and server has its own kinds.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.delivery.events import NOTICE, Change

MOST_LINES = 20
PERIOD_S = 600.0


def write(change: Change) -> None:
    """Write a change to standard error, as one line."""
    # journald reads the level at the start of a line (sd-daemon(3))
    mark = f"<{change.level}>" if "JOURNAL_STREAM" in os.environ else ""
    sys.stderr.write(f"{mark}{change.line}\n")
    sys.stderr.flush()


@dataclass(slots=True)
class _Period:
    """The lines of one kind since the first of them."""

    last: Change
    ends_s: float
    lines: int = 0


@dataclass(slots=True)
class LimitedLog:
    """Writes at most MOST_LINES of a kind in PERIOD_S. The kind of a change is everything but its
    text and level."""

    clock: Clock
    write: Callable[[Change], None] = write
    _periods: dict[Change, _Period] = field(default_factory=dict)  # in the order of their ends

    def __call__(self, change: Change) -> None:
        """Write the line of a change, unless there were too many of its kind."""
        now_s = self.clock.monotonic_s()
        for kind, period in list(self._periods.items()):
            if period.ends_s > now_s:
                break
            self._end(kind)
        kind = dataclasses.replace(change, text="", level=0)
        period = self._periods.setdefault(kind, _Period(change, now_s + PERIOD_S))
        period.last = change
        period.lines += 1
        if period.lines <= MOST_LINES:
            self.write(change)

    def close(self) -> None:
        """Write what was left out so far."""
        for kind in list(self._periods):
            self._end(kind)

    def _end(self, kind: Change) -> None:
        period = self._periods.pop(kind)
        left_out = period.lines - MOST_LINES
        if left_out > 0:
            text = f"{left_out} lines like this were left out; the last one: {period.last.text}"
            self.write(dataclasses.replace(period.last, text=text, level=NOTICE))
