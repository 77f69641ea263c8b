"""The requests of location clients that wait for a job.

A job may become ready in any thread. The request that waits belongs to the thread of an event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import defaultdict
from collections.abc import Iterator

from cirrus_cloudlet.delivery.queue import Place


class Waiting:
    """The requests that wait, by company and location; none may wait when this `is_over`."""

    def __init__(self) -> None:
        self.is_over = False
        self._lock = threading.Lock()
        self._of: defaultdict[tuple[str, str], set[_Waiter]] = defaultdict(set)

    @contextlib.contextmanager
    def at(self, company: str, location: str) -> Iterator[asyncio.Event]:
        """Give an event that each news of the location sets while the block runs."""
        waiter = _Waiter()
        key = (company, location)
        with self._lock:
            self._of[key].add(waiter)
        try:
            yield waiter.event
        finally:
            with self._lock:
                self._of[key].discard(waiter)
                if not self._of[key]:
                    del self._of[key]

    def tell(self, place: Place) -> None:
        """Wake the requests that wait at a place's location."""
        with self._lock:
            found = list(self._of.get((place.company, place.location), ()))
        for waiter in found:
            waiter.wake()

    def end(self) -> None:
        """Wake all requests, and let no more wait: the server stops."""
        with self._lock:
            self.is_over = True
            found = [each for waiters in self._of.values() for each in waiters]
        for waiter in found:
            waiter.wake()

    def count(self, company: str) -> int:
        """The number of requests of a company that wait."""
        with self._lock:
            return sum(len(found) for key, found in self._of.items() if key[0] == company)


class _Waiter:
    def __init__(self) -> None:
        self.event = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the server stops
            self._loop.call_soon_threadsafe(self.event.set)
