"""A lock that the companies get in turn."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator


class Turns:
    """A lock for threads: companies take turns, and a company's threads come in their order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_held = False
        self._waiting: dict[str, deque[threading.Lock]] = {}  # in the order of the next turns

    @property
    def waiting(self) -> int:
        """The number of threads that wait."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    @contextlib.contextmanager
    def turn(self, company: str) -> Iterator[None]:
        """Hold the lock while the block runs."""
        gate = self._enter(company)
        if gate:
            gate.acquire()  # until `_leave` of another thread opens it
        try:
            yield
        finally:
            self._leave()

    def _enter(self, company: str) -> threading.Lock | None:
        with self._lock:
            if not self._is_held:
                self._is_held = True
                return None
            gate = threading.Lock()
            gate.acquire()
            self._waiting.setdefault(company, deque()).append(gate)
            return gate

    def _leave(self) -> None:
        with self._lock:
            if not self._waiting:
                self._is_held = False
                return
            company = next(iter(self._waiting))
            gates = self._waiting.pop(company)
            gates.popleft().release()
            if gates:
                self._waiting[company] = gates  # behind the other companies
