"""Threads for blocking work of coroutines.

A thread that has ended its work takes the next one that waits, without the event loop. anyio wakes
another thread for each work, which costs as much as a small request.
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
            result: _T = await asyncio.shield(work.future)
        except asyncio.CancelledError:
            with self._lock:
                is_running = work not in self._waiting
                if not is_running:
                    self._waiting.remove(work)
            while is_running and not work.future.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([work.future])
            raise
        return result

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._running -= 1
                    return
                work = self._waiting.popleft()
            work.do()


class _Work:
    def __init__(self, function: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[Any] = loop.create_future()
        self._function = function
        self._loop = loop

    def do(self) -> None:
        result = error = None
        try:
            result = self._function()
        except BaseException as raised:  # noqa: BLE001 - the coroutine raises it
            error = raised
        with contextlib.suppress(RuntimeError):  # the event loop is closed
            self._loop.call_soon_threadsafe(self._end, result, error)

    def _end(self, result: object, error: BaseException | None) -> None:
        if error:
            self.future.set_exception(error)
            self.future.exception()  # a coroutine that was canceled does not ask for it
        else:
            self.future.set_result(result)
