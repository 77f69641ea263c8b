"""A timer for repeated work, and a queue of timers. Times are seconds on the caller's clock."""

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
    """The timer of work that is repeated every `every_s` seconds."""

    every_s: float
    due_s: float = -math.inf

    def is_due(self, now_s: float) -> bool:
        """Whether the work is due; if so, start the next interval."""
        if now_s < self.due_s:
            return False
        self.due_s = now_s + self.every_s
        return True


class TimerQueue(Generic[Waiting]):
    """Timers by urgency; the most urgent is 0. Each item has at most one timer."""

    def __init__(self, urgencies: int) -> None:
        self._heaps: list[list[tuple[float, int, Waiting]]] = [[] for _ in range(urgencies)]
        self._numbers = itertools.count()
        # a heap cannot remove an inner entry, so outdated entries differ from the valid number
        self._valid: dict[Waiting, int] = {}

    def __contains__(self, waiting: object) -> bool:
        return waiting in self._valid

    def set(self, waiting: Waiting, due_s: float, urgency: int) -> None:
        """Set the timer of an item, and replace an earlier timer."""
        number = self._valid[waiting] = next(self._numbers)
        heapq.heappush(self._heaps[urgency], (due_s, number, waiting))

    def cancel(self, waiting: Waiting) -> None:
        """Remove the timer of an item, if there is one."""
        self._valid.pop(waiting, None)

    def first_due_s(self) -> list[float]:
        """The due time of the first timer of each urgency; infinite without a timer."""
        for heap in self._heaps:
            while heap and self._valid.get(heap[0][2]) != heap[0][1]:
                heapq.heappop(heap)
        return [heap[0][0] if heap else math.inf for heap in self._heaps]

    def pop(self, urgency: int) -> Waiting:
        """Take the item whose timer of this urgency is the first; call `first_due_s` before."""
        waiting = heapq.heappop(self._heaps[urgency])[2]
        del self._valid[waiting]
        return waiting
