"""Tasks that run at once, each in a thread, within a time limit.

A task that hangs delays neither the others nor the end of the program: `main` does not wait for
threads.
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
    """The result or exception of each task; TimeoutError after `limit_s` seconds."""
    pool = ThreadPoolExecutor(MOST_THREADS)
    asked = {key: pool.submit(task) for key, task in tasks.items()}
    done = wait(asked.values(), limit_s).done
    pool.shutdown(wait=False, cancel_futures=True)
    late = TimeoutError(tr("no result within {seconds} seconds", seconds=format(limit_s, "g")))
    return {
        key: (future.exception() or future.result()) if future in done else late
        for key, future in asked.items()
    }
