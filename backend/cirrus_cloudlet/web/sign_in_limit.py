"""A limit on wrong passwords, which makes guessing slow.

Counts are in memory only, so a restart forgets them. A right password does not reset a count.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from collections import OrderedDict, deque
from collections.abc import Callable

_WINDOW_S = 900.0
_KEYS = 10_000  # above this, the oldest key is forgotten


class SignInLimit:
    """Counts of wrong passwords by key, such as an account's name or a client's address."""

    def __init__(self, allowed: int, now_s: Callable[[], float]) -> None:
        self._allowed = allowed
        self._now_s = now_s
        self._wrong: OrderedDict[bytes, deque[float]] = OrderedDict()

    def wait_s(self, key: str) -> int:
        """The seconds until the next password of this key is checked; 0 for now."""
        wrong = self._wrong.get(_digest(key), deque())
        while wrong and wrong[0] <= self._now_s() - _WINDOW_S:
            wrong.popleft()
        if len(wrong) < self._allowed:
            return 0
        return math.ceil(wrong[0] + _WINDOW_S - self._now_s())

    def count(self, key: str) -> None:
        """Count a wrong password."""
        self._wrong.setdefault(_digest(key), deque(maxlen=self._allowed)).append(self._now_s())
        if len(self._wrong) > _KEYS:
            self._wrong.popitem(last=False)


def network(address: str) -> str:
    """Return an IPv4 address, or the /64 of an IPv6 address; its owner may use all of the /64."""
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return address if found.ipv4_mapped else str(ipaddress.IPv6Network((found, 64), strict=False))


def _digest(key: str) -> bytes:
    """Digest a key, because a name may be as long as a form, and many would fill the memory."""
    return hashlib.sha256(key.encode()).digest()
