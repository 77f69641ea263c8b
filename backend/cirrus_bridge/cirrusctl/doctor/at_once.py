"""Many questions at once, each in a thread, and all of them within a time.

A question that hangs keeps neither the other answers nor, since `main` does not wait for threads,
the program's end.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

from cirrus_bridge.base.translation import tr

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
MOST_THREADS = 32


def at_once(
    tasks: Mapping[Key, Callable[[], Value]], limit_s: float
) -> dict[Key, Value | BaseException]:
    """What each task returns or raises; TimeoutError of those that took too long."""
    pool = ThreadPoolExecutor(MOST_THREADS)
    asked = {key: pool.submit(task) for key, task in tasks.items()}
    done = wait(asked.values(), limit_s).done
    pool.shutdown(wait=False, cancel_futures=True)
    late = TimeoutError(tr("no result within {seconds} seconds", seconds=format(limit_s, "g")))
    return {
        key: (future.exception() or future.result()) if future in done else late
        for key, future in asked.items()
    }
