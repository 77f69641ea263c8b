"""Threads for blocking work: their number, their order, and work that is canceled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from functools import partial

import pytest

from cirrus_cloudlet.threads import Threads


@pytest.mark.parametrize("limit", [1, 2])
def test_the_limit_and_the_order(limit: int) -> None:
    """At most so many functions run at once, and they begin in their order."""
    begun: list[int] = []
    go_on = threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        assert go_on.wait(60)
        return number

    async def main() -> list[int]:
        threads = Threads(limit)
        tasks = [asyncio.ensure_future(threads.run(partial(work, n))) for n in range(20)]
        while len(begun) < limit:
            await asyncio.sleep(0)
        assert sorted(begun) == [0, 1][:limit]
        go_on.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(main()) == list(range(20))
    if limit == 1:  # two threads may take work in its order and begin it in another
        assert begun == list(range(20))


def test_work_that_is_done_together() -> None:
    """A thread takes what waits, up to the limit; each coroutine gets its own result."""
    together: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    def do(functions: Sequence[object]) -> None:
        begun.set()
        assert go_on.wait(60)
        together.append(len(functions))

    async def main() -> list[int]:
        threads = Threads(1, 4, do)
        first = asyncio.ensure_future(threads.run(lambda: 0))
        while not begun.is_set():
            await asyncio.sleep(0)
        others = [asyncio.ensure_future(threads.run(partial(int, n))) for n in range(1, 7)]
        await asyncio.sleep(0)
        others[1].cancel()
        await asyncio.wait([others[1]])
        go_on.set()
        return [await each for each in (first, *others) if each is not others[1]]

    assert asyncio.run(main()) == [0, 1, 3, 4, 5, 6]
    assert together == [1, 4, 1]


def test_an_error_of_all() -> None:
    """Each coroutine gets an error of what is done together, and the thread goes on."""

    def do(functions: Sequence[object]) -> None:
        raise ValueError(f"fault of {len(functions)}")

    async def main() -> None:
        threads = Threads(1, 4, do)
        for _ in range(2):
            with pytest.raises(ValueError, match="fault of 1"):
                await threads.run(lambda: 0)

    asyncio.run(main())


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
