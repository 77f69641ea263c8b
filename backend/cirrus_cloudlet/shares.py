"""Shares: how much of the server one company uses at once.

Blocking work runs in threads. Each company has its own few threads, which take its work in order,
so a company's load delays only that company. Processors are shared by the operating system, by
thread. So a company's threads take turns at its documents: one thread at a time makes a piece.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import copy_context
from functools import partial
from typing import Any, ParamSpec, TypeVar

import anyio
from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from cirrus_cloudlet.errors import QuotaFull
from cirrus_cloudlet.threads import Threads

# few, because the threads of all companies share the interpreter: with 8, another company waits
# twice as long, and the company itself is not faster (tests/bench/fairness.py)
_THREADS = 2
# not among _THREADS: other requests are answered while a large document is submitted
_SUBMITS = 12  # most of them wait for the disk, together
_WRITING = 4  # among _SUBMITS
# small submits: one thread makes documents while the other one waits for the disk
_SMALL_THREADS, _SMALL_AT_ONCE = 2, 32
_PICTURES = 2  # of all companies; the service's memory has room for two large ones
_BODIES = 256  # of a key that arrive at once
# A connection whose request waits for the server never makes room for another one. So a company
# leaves half of the connections to others.
_REQUESTS = 500

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Share:
    """The share of one company.

    Args:
        pictures: limits the page images of all companies that are made at once.
        submit_all: does several submits together; each is then called for its result.

    Attributes:
        writing: a thread holds it while it makes and writes a document.
        turn: a thread holds it while it makes and writes a piece of a document.
    """

    def __init__(
        self, pictures: CapacityLimiter, submit_all: Callable[[Sequence[Any]], None]
    ) -> None:
        self.writing = threading.BoundedSemaphore(_WRITING)
        self.turn = threading.Lock()
        self._pictures = pictures
        self._picture = anyio.Lock()
        self._threads = Threads(_THREADS)
        self._submits = Threads(_SUBMITS, together=submit_all)
        self._small_submits = Threads(_SMALL_THREADS, _SMALL_AT_ONCE, submit_all)
        self._of_key: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(_BODIES)
        )
        self._requests = 0

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """Answer a request of the company in the block; QuotaFull if it has too many at once."""
        if self._requests >= _REQUESTS:
            raise QuotaFull(f"the company has {_REQUESTS} requests at once; wait for their answers")
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    async def run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run blocking work in one of the company's threads, when its turn has come."""
        context = copy_context()  # has the language of the request
        return await self._threads.run(partial(context.run, work, *args, **kwargs))

    async def submit(self, submission: Callable[[], _T], *, is_small: bool) -> _T:
        """Do a submit, which may take long, in another of the company's threads. Small ones are
        done together."""
        return await (self._small_submits if is_small else self._submits).run(submission)

    async def paint(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Make a page image, which may take long, in a thread: one of the company at a time.

        So companies take turns, and one company alone never makes another wait.
        """
        async with self._picture:
            return await run_sync(partial(work, *args, **kwargs), limiter=self._pictures)

    def receiving(self, key: str) -> AbstractAsyncContextManager[None]:
        """Receive a body in the block, when the turn of the key has come.

        Until then the body waits at the client.
        """
        return self._of_key[key]


class Shares:
    """The shares of all companies. Use this in the thread of the event loop only."""

    def __init__(self, submit_all: Callable[[Sequence[Any]], None]) -> None:
        made = partial(Share, CapacityLimiter(_PICTURES), submit_all)
        self._shares: defaultdict[str | None, Share] = defaultdict(made)

    def of(self, company: str | None) -> Share:
        """Return the share of a company, or of all keys that are valid for any company (None)."""
        return self._shares[company]
