"""Threads for blocking work of coroutines.

A thread that has ended its work takes the next work that waits, without the event loop. anyio wakes
another thread for each work, which costs as much as a small request. The event loop, too, is woken
only once for all work that ends meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")
_POOL = ThreadPoolExecutor(10_000, "work")  # the limits are below; an idle thread is used again


class Work(Generic[_T]):
    """Work of a coroutine: a function, and its result or its error when it has ended."""

    def __init__(self, function: Callable[[], _T], loop: asyncio.AbstractEventLoop) -> None:
        self.function = function
        self.loop = loop
        self.future: asyncio.Future[_T] = loop.create_future()
        self.is_over = False
        self.result: _T | None = None
        self.error: BaseException | None = None

    def do(self) -> None:
        """Call the function."""
        try:
            self.result = self.function()
        except BaseException as raised:  # noqa: BLE001 - the coroutine raises it
            self.error = raised

    def tell(self) -> None:
        """Tell the coroutine, in the thread of the event loop."""
        self.is_over = True
        if self.future.done():  # canceled
            return
        if self.error:
            self.future.set_exception(self.error)
            self.future.exception()  # a coroutine that was canceled does not ask for it
        else:
            self.future.set_result(self.result)  # type: ignore[arg-type] # of this type by now


class Threads:
    """At most `limit` threads at once, which take the work in its order.

    Args:
        most: how many waiting functions one thread takes at once.
        together: gets these functions and does what is cheaper together; each is called afterwards.
    """

    def __init__(
        self,
        limit: int,
        most: int = 1,
        together: Callable[[Sequence[Any]], None] | None = None,
    ) -> None:
        self._limit = limit
        self._most = most
        self._together = together
        self._lock = threading.Lock()
        self._running = 0
        self._waiting: deque[Work[Any]] = deque()
        self._ended: list[Work[Any]] = []  # what the event loop does not know yet

    async def run(self, function: Callable[[], _T]) -> _T:
        """Call a function in a thread; return its result, or raise its exception.

        If this is canceled, it ends when the function has, unless the function was not begun.
        """
        work = Work(function, asyncio.get_running_loop())
        with self._lock:
            self._waiting.append(work)
            begins = self._running < self._limit
            self._running += begins
        if begins:
            _POOL.submit(self._work)
        try:
            return await work.future
        except asyncio.CancelledError:
            with self._lock:
                is_running = work not in self._waiting
                if not is_running:
                    self._waiting.remove(work)
            while is_running and not work.is_over:
                work.future = work.loop.create_future()
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([work.future])
            raise

    def _work(self) -> None:
        works = self._next([])
        while works:
            self._do(works)
            works = self._next(works)

    def _do(self, works: Sequence[Work[Any]]) -> None:
        try:
            if self._together:
                self._together([work.function for work in works])
        except BaseException as raised:  # noqa: BLE001 - each coroutine raises it
            for work in works:
                work.error = raised
        else:
            for work in works:
                work.do()

    def _next(self, ended: Sequence[Work[Any]]) -> Sequence[Work[Any]]:
        """Report the work that has ended, and take what waits."""
        with self._lock:
            wakes = bool(ended) and not self._ended
            self._ended += ended
            begun = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            self._running -= not begun
        if wakes:
            with contextlib.suppress(RuntimeError):  # the event loop is closed
                ended[0].loop.call_soon_threadsafe(self._tell)
        return begun

    def _tell(self) -> None:
        with self._lock:
            ended, self._ended = self._ended, []
        for work in ended:
            work.tell()
