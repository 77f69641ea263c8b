"""Limit of segments under way at once: one more after a success, half after a failure. Pure.

Some servers fail several segments at once, but take the same segments one at a time. The limit
detects these servers. A segment that failed while another one worked counts against the server. A
segment that worked while another one worked counts for the server.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

STRIKES = 4  # on a bad line, two segments work at once before so many fail


@dataclass(slots=True)
class _SegmentUnderWay:
    """The events since a segment was sent."""

    has_company: bool
    another_worked: bool = False


class SegmentLimit:
    """The segments under way, by their index.

    Args:
        most: the highest limit.

    Attributes:
        now: how many segments may be under way now.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.now = most
        self._under_way: dict[int, _SegmentUnderWay] = {}
        self._strikes = 0

    def begin(self, index: int) -> None:
        """Note that a segment is under way."""
        for other in self._under_way.values():
            other.has_company = True
        self._under_way[index] = _SegmentUnderWay(has_company=bool(self._under_way))

    def succeed(self, index: int) -> bool:
        """Raise the limit after the server has taken a segment.

        Returns:
            Whether this shows, for the first time, that the server takes one segment at a time.
        """
        segment = self._under_way.pop(index)
        for other in self._under_way.values():
            other.another_worked = True
        if self._strikes >= STRIKES and not segment.has_company:
            self._most, self._strikes = 1, 0
            return True
        if segment.another_worked:
            self._strikes = 0
        self.now = min(self.now + 1, self._most)
        return False

    def fail(self, indexes: Collection[int], *, refused: bool) -> None:
        """Halve the limit after segments failed together.

        Args:
            refused: whether the server refused one of the segments, which no bad line can cause.
        """
        segments = [self._under_way.pop(index) for index in indexes]
        self.now = max(1, self.now // 2)
        if any(segment.another_worked for segment in segments):
            self._strikes += STRIKES if refused else 1
        if self._strikes >= STRIKES:
            self.now = 1  # the next segment goes alone, which decides

    def has_company(self, index: int) -> bool:
        """Whether another segment was under way at the same time as the segment at `index`."""
        return self._under_way[index].has_company

    def withdraw(self, index: int) -> None:
        """Forget a segment that was too large: its failure says nothing about the limit."""
        del self._under_way[index]
