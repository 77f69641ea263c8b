"""Threads for blocking work: their number, their order, and work that is canceled."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import pytest

from cirrus_cloudlet.threads import Threads


def test_the_limit_and_the_order() -> None:
    """At most so many functions run at once, and they begin in their order."""
    begun: list[int] = []
    go_on = threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        assert go_on.wait(60)
        return number

    async def main() -> list[int]:
        threads = Threads(2)
        tasks = [asyncio.ensure_future(threads.run(partial(work, n))) for n in range(20)]
        while len(begun) < 2:
            await asyncio.sleep(0)
        assert sorted(begun) == [0, 1]
        go_on.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(main()) == list(range(20))
    assert sorted(begun[:2]) + begun[2:3] == [0, 1, 2]


def test_errors_are_raised() -> None:
    """A function's exception is the coroutine's, and its thread takes the next function."""

    def fail() -> None:
        raise ValueError("fault")

    async def main() -> None:
        threads = Threads(1)
        for _ in range(3):
            with pytest.raises(ValueError, match="fault"):
                await threads.run(fail)
        assert await threads.run(lambda: 7) == 7

    asyncio.run(main())


def test_canceled_work() -> None:
    """Work that was not begun is dropped; a coroutine waits for work that was."""
    begun, go_on = threading.Event(), threading.Event()
    done: list[str] = []

    def work(name: str) -> None:
        begun.set()
        assert go_on.wait(60)
        done.append(name)

    async def main() -> None:
        threads = Threads(1)
        first, second = (
            asyncio.ensure_future(threads.run(partial(work, name))) for name in ("first", "second")
        )
        while not begun.is_set():
            await asyncio.sleep(0)
        for task in (first, second):
            task.cancel()
        await asyncio.wait([second])
        with pytest.raises(asyncio.CancelledError):
            second.result()
        first.cancel()
        await asyncio.sleep(0)
        assert not first.done()
        go_on.set()
        await asyncio.wait([first])
        with pytest.raises(asyncio.CancelledError):
            first.result()
        assert done == ["first"]
        await threads.run(partial(work, "third"))

    asyncio.run(main())
    assert done == ["first", "third"]
