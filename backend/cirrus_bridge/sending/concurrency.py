"""Limit of segments under way at once, each on its own connection. Pure.

The limit begins at its maximum. A success raises the limit by one; if even a segment of the
smallest size was slow, a success lowers it by one, down to LEAST. A failure halves the limit.

Some servers fail several segments at once, but take the same segments one at a time. The limit
detects these servers. A segment that failed while another one worked counts against the server. A
segment that worked while another one worked counts for the server.
"""

from __future__ import annotations

from collections.abc import Collection

LEAST = 4  # a line that is slow because of others still gives a job its part
STRIKES = 4  # on a bad line, two segments work at once before so many fail


class SegmentLimit:
    """The segments under way, by their index. At most `now` may be under way; `now` is never more
    than `most`."""

    def __init__(self, most: int) -> None:
        self._most = self.now = most
        self._under_way: set[int] = set()
        self._in_company: set[int] = set()  # another segment was under way at the same time
        self._overtaken: set[int] = set()  # another segment worked at the same time
        self._strikes = 0

    def begin(self, index: int) -> None:
        """Note that a segment is under way."""
        self._under_way.add(index)
        if len(self._under_way) > 1:
            self._in_company |= self._under_way

    def succeed(self, index: int, *, slow: bool = False) -> bool:
        """Adapt the limit after the server has taken a segment, and whether that was `slow`.

        Returns:
            Whether this shows, for the first time, that the server takes one segment at a time.
        """
        had_company, was_overtaken = self.has_company(index), index in self._overtaken
        self.withdraw(index)
        self._overtaken |= self._under_way
        if self._strikes >= STRIKES and not had_company:
            self._most, self._strikes = 1, 0
            return True
        if was_overtaken:
            self._strikes = 0
        if not slow:
            self.now = min(self.now + 1, self._most)
        elif self.now > LEAST:
            self.now -= 1
        return False

    def fail(self, indexes: Collection[int], *, refused: bool) -> None:
        """Halve the limit after segments failed together.

        Args:
            refused: whether the server refused one of the segments, which no bad line can cause.
        """
        if not self._overtaken.isdisjoint(indexes):
            self._strikes += STRIKES if refused else 1
        for index in indexes:
            self.withdraw(index)
        self.now = max(1, self.now // 2)
        if self._strikes >= STRIKES:
            self.now = 1  # the next segment goes alone, which decides

    def has_company(self, index: int) -> bool:
        """Whether another segment was under way at the same time as the segment at `index`."""
        return index in self._in_company

    def withdraw(self, index: int) -> None:
        """Forget a segment. The failure of one that was too large says nothing about the limit."""
        for segments in (self._under_way, self._in_company, self._overtaken):
            segments.discard(index)
