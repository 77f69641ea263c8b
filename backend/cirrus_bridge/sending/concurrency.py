"""How many segments may be under way at once: one more after a success, half after a failure. Pure.

A server that fails several segments at once, and takes the same segments one at a time, is found
out. The evidence against it is a segment that failed while another one worked; the evidence for it
is a segment that worked while another one worked.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

STRIKES = 4  # a bad line fails among others too, but not so often without two that work


@dataclass(slots=True)
class _UnderWay:
    """What has happened since a segment was sent."""

    has_company: bool
    another_worked: bool = False


class SegmentLimit:
    """The segments under way, by their place, and how many there may be now (`now`)."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.now = most
        self._under_way: dict[int, _UnderWay] = {}
        self._strikes = 0

    def sent(self, index: int) -> None:
        """The segment at `index` is sent."""
        for other in self._under_way.values():
            other.has_company = True
        self._under_way[index] = _UnderWay(has_company=bool(self._under_way))

    def worked(self, index: int) -> bool:
        """Raise the limit, since the server has taken a segment.

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

    def failed(self, indexes: Collection[int], *, refused: bool) -> None:
        """Halve the limit, since segments failed together.

        Args:
            refused: the server has said that it never takes one of them. A server does not say
                so by chance.
        """
        segments = [self._under_way.pop(index) for index in indexes]
        self.now = max(1, self.now // 2)
        if any(segment.another_worked for segment in segments):
            self._strikes += STRIKES if refused else 1
        if self._strikes >= STRIKES:
            self.now = 1  # the next segment goes alone, which decides

    def has_company(self, index: int) -> bool:
        """Whether another segment was under way at the same time as this one."""
        return self._under_way[index].has_company

    def withdrawn(self, index: int) -> None:
        """The segment is sent again in smaller pieces; its failure says nothing about the limit."""
        del self._under_way[index]
