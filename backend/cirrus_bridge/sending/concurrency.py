"""How many segments may be under way at once, learnt from what becomes of them. Pure.

A failure sets it back to one, each success allows one more again. A server that fails when several
come at once, and takes the same segments when they come alone, is one that takes one at a time.
"""

from __future__ import annotations

STRIKES = 3  # so often segments fail among others and then work alone: no chance
CALM = 2  # so many successes among others in a row: what failed before was something else


class Crowd:
    """The segments under way, by their place; at most `most` of them.

    `limit` says how many there may be now.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.limit = most
        self._under_way: dict[int, bool] = {}  # in the order of sending → had company
        self._suspects: dict[int, bool] = {}  # failed among others → for good
        self._strikes = 0
        self._calm = 0

    def sent(self, index: int) -> None:
        """The segment at `index` is sent."""
        self._under_way[index] = False
        if len(self._under_way) > 1:
            self._under_way = dict.fromkeys(self._under_way, True)

    def worked(self, index: int) -> bool:
        """The server has taken it. True if that shows, for the first time, that the server takes
        one at a time."""
        # one that overtakes another is no sign that the server takes both
        was_next = index == next(iter(self._under_way))
        had_company = self._under_way.pop(index)
        if had_company:
            self._calm += was_next
            if self._calm >= CALM:
                self._strikes = 0
        elif index in self._suspects:
            for_good = self._suspects.pop(index)
            if for_good:
                self._strikes = STRIKES
            elif not self._suspects:  # one strike for all that failed together, as in an outage
                self._strikes += 1
        if self._strikes >= STRIKES and self._most > 1:
            self._most = self.limit = 1
            return True
        if not self._suspects:  # each of them is to come alone first
            self.limit = min(self.limit + 1, self._most)
        return False

    def failed(self, index: int, *, for_good: bool) -> bool:
        """The server has not taken it, and has said, or not, that it never will (`for_good`).
        True if others were under way with it."""
        self.limit = 1
        self._calm = 0
        had_company = self._under_way.pop(index)
        if had_company:
            self._suspects[index] = for_good
        return had_company

    def withdrawn(self, index: int) -> None:
        """The segment is sent again in smaller pieces; its failure says nothing about the crowd."""
        self._under_way.pop(index)
