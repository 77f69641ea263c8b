"""Threads for blocking work of coroutines.

A thread that has ended its work takes the next one that waits, without the event loop. anyio wakes
another thread for each work, which costs as much as a small request. The event loop, too, is woken
once for all work that ends meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

_T = TypeVar("_T")
_POOL = ThreadPoolExecutor(10_000, "work")  # the limits are below; an idle thread is used again


class Threads:
    """At most `limit` threads at once, which take the work in its order."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._running = 0
        self._waiting: deque[_Work] = deque()
        self._ended: list[_Work] = []  # what the event loop does not know yet

    async def run(self, function: Callable[[], _T]) -> _T:
        """Call a function in a thread; return its result, or raise its exception.

        If this is canceled, it ends when the function has, unless the function was not begun.
        """
        work = _Work(function, asyncio.get_running_loop())
        with self._lock:
            self._waiting.append(work)
            begins = self._running < self._limit
            self._running += begins
        if begins:
            _POOL.submit(self._work)
        try:
            result: _T = await work.future
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
        return result

    def _work(self) -> None:
        work = self._next(None)
        while work:
            work.do()
            work = self._next(work)

    def _next(self, ended: _Work | None) -> _Work | None:
        """Report the work that has ended, and take the next one, if any waits."""
        with self._lock:
            wakes = ended is not None and not self._ended
            self._ended += [ended] if ended else []
            begun = self._waiting.popleft() if self._waiting else None
            self._running -= begun is None
        if ended and wakes:
            with contextlib.suppress(RuntimeError):  # the event loop is closed
                ended.loop.call_soon_threadsafe(self._tell)
        return begun

    def _tell(self) -> None:
        with self._lock:
            ended, self._ended = self._ended, []
        for work in ended:
            work.tell()


class _Work:
    def __init__(self, function: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[Any] = loop.create_future()
        self.loop = loop
        self.is_over = False
        self._function = function
        self._result: object = None
        self._error: BaseException | None = None

    def do(self) -> None:
        try:
            self._result = self._function()
        except BaseException as raised:  # noqa: BLE001 - the coroutine raises it
            self._error = raised

    def tell(self) -> None:
        """Tell the coroutine, in the thread of the event loop."""
        self.is_over = True
        if self.future.done():  # canceled
            return
        if self._error:
            self.future.set_exception(self._error)
            self.future.exception()  # a coroutine that was canceled does not ask for it
        else:
            self.future.set_result(self._result)
