"""How often a wrong password may be sent: guessing is slow, whoever guesses and whatever for.

Kept in memory: a restart forgets it. A right password is no reason to forget the wrong ones.
"""

from __future__ import annotations

import hashlib
import ipaddress
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
        self._wrong: OrderedDict[bytes, deque[float]] = OrderedDict()

    def wait_s(self, key: str) -> int:
        """How long nothing of this key is looked at; 0 if it is now."""
        wrong = self._wrong.get(_short(key), deque())
        while wrong and wrong[0] <= self._now_s() - _WINDOW_S:
            wrong.popleft()
        if len(wrong) < self._allowed:
            return 0
        return math.ceil(wrong[0] + _WINDOW_S - self._now_s())

    def count(self, key: str) -> None:
        """A wrong password was sent."""
        self._wrong.setdefault(_short(key), deque(maxlen=self._allowed)).append(self._now_s())
        if len(self._wrong) > _KEYS:
            self._wrong.popitem(last=False)


def network(address: str) -> str:
    """The address, or the /64 of one of IPv6, each of whose addresses its owner may use."""
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return address if found.ipv4_mapped else str(ipaddress.IPv6Network((found, 64), strict=False))


def _short(key: str) -> bytes:
    """What is kept of a key: a name may be as long as a form, and many of them fill the memory."""
    return hashlib.sha256(key.encode()).digest()
