"""Timers: of one thing that is done repeatedly, and of many things that wait. Pure: no clock.

All times are seconds on one clock.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Waiting = TypeVar("Waiting", bound=Hashable)


@dataclass(slots=True)
class Timer:
    """A thing that is done every `every_s` seconds."""

    every_s: float
    due_s: float = -math.inf

    def is_due(self, now_s: float) -> bool:
        """Whether it is time; if so, the next interval begins."""
        if now_s < self.due_s:
            return False
        self.due_s = now_s + self.every_s
        return True


class TimerQueue(Generic[Waiting]):
    """The timers of many things, by urgency. A thing has one timer at most.

    Args:
        urgencies: the number of urgencies; the most urgent is 0.
    """

    def __init__(self, urgencies: int) -> None:
        self._heaps: list[list[tuple[float, int, Waiting]]] = [[] for _ in range(urgencies)]
        self._numbers = itertools.count()
        # a heap cannot lose an entry inside it, so the number of the valid timer is kept
        self._valid: dict[Waiting, int] = {}

    def __contains__(self, waiting: object) -> bool:
        return waiting in self._valid

    def set(self, waiting: Waiting, due_s: float, urgency: int) -> None:
        """Set the timer of a thing, in place of an earlier one."""
        number = self._valid[waiting] = next(self._numbers)
        heapq.heappush(self._heaps[urgency], (due_s, number, waiting))

    def cancel(self, waiting: Waiting) -> None:
        """Remove the timer of a thing, if it has one."""
        self._valid.pop(waiting, None)

    def first_due_s(self) -> list[float]:
        """When the first timer of each urgency is due; infinite where there is none."""
        for heap in self._heaps:
            while heap and self._valid.get(heap[0][2]) != heap[0][1]:
                heapq.heappop(heap)
        return [heap[0][0] if heap else math.inf for heap in self._heaps]

    def pop(self, urgency: int) -> Waiting:
        """Take the thing whose timer is the first of this urgency, by `first_due_s`."""
        waiting = heapq.heappop(self._heaps[urgency])[2]
        del self._valid[waiting]
        return waiting
