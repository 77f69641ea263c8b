"""Many questions at once, each in a thread, and all of them within a time.

The threads are daemons: what hangs in one keeps neither the other answers nor the program's end.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.translation import tr

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
MOST_THREADS = 32


def at_once(
    tasks: Mapping[Key, Callable[[], Value]], clock: Clock, limit_s: float
) -> dict[Key, Value | Exception]:
    """What each task returns or raises; TimeoutError of those that took too long."""
    todo: queue.SimpleQueue[tuple[Key, Callable[[], Value]]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Key, Value | Exception]] = queue.SimpleQueue()

    def work() -> None:
        while True:
            try:
                key, task = todo.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((key, task()))
            except Exception as error:  # noqa: BLE001 - one that fails hides no other
                done.put((key, error))

    for task in tasks.items():
        todo.put(task)
    deadline_s = clock.monotonic_s() + limit_s
    for _ in range(min(MOST_THREADS, len(tasks))):
        threading.Thread(target=work, daemon=True).start()
    found: dict[Key, Value | Exception] = {
        key: TimeoutError(
            tr("it was not done within {seconds} seconds", seconds=format(limit_s, "g"))
        )
        for key in tasks
    }
    for _ in tasks:
        try:
            key, value = done.get(timeout=max(0.0, deadline_s - clock.monotonic_s()))
        except queue.Empty:
            break
        found[key] = value
    return found
