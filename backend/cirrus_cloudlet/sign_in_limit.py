"""How often a wrong password may be sent: guessing is slow, whoever guesses and whatever for.

Kept in memory: a restart forgets it. A right password is no reason to forget the wrong ones.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable

_WINDOW_S = 900.0
_KEYS = 10_000  # with more, the one that was seen first is forgotten


class SignInLimit:
    """Counts wrong passwords by key, such as an account's name or a client's address."""

    def __init__(self, allowed: int, now_s: Callable[[], float]) -> None:
        self._allowed = allowed
        self._now_s = now_s
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, key: str) -> int:
        """How long nothing of this key is looked at; 0 if it is now."""
        wrong = self._wrong.get(key, deque())
        while wrong and wrong[0] <= self._now_s() - _WINDOW_S:
            wrong.popleft()
        if len(wrong) < self._allowed:
            return 0
        return math.ceil(wrong[0] + _WINDOW_S - self._now_s())

    def count(self, key: str) -> None:
        """A wrong password was sent."""
        self._wrong.setdefault(key, deque(maxlen=self._allowed)).append(self._now_s())
        if len(self._wrong) > _KEYS:
            self._wrong.popitem(last=False)
