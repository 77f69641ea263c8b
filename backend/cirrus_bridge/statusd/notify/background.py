"""What is done for changes aside of the poller's loop: in order, by one thread, and within bounds.

The loop never waits. When too many changes wait, the oldest are dropped. What keeps going wrong is
one line of the log now and then, not one for each change.

This is a thread and a queue, not an executor. An executor keeps each cancelled change until its
thread comes to it, and a signal that interrupts `submit` can leave a lock of its own locked.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.delivery.events import WARNING, Change

MOST_WAITING = 1000
AGAIN_S = 600.0


class Complaint:
    """One kind of trouble, told at once, and then every AGAIN_S at most while it goes on."""

    def __init__(self, event: str, log: Callable[[Change], None], clock: Clock) -> None:
        self._event = event
        self._log = log
        self._clock = clock
        self._not_before_s = 0.0
        self._unsaid = 0

    def say(self, text: str) -> None:
        """It has happened (again)."""
        now_s = self._clock.monotonic_s()
        if self._not_before_s and now_s < self._not_before_s:
            self._unsaid += 1
            return
        more = f" ({self._unsaid} times more since this was last said)" if self._unsaid else ""
        self._not_before_s, self._unsaid = now_s + AGAIN_S, 0
        self._log(Change(self._event, text + more, WARNING))


class BackgroundWorker:
    """Takes changes and has `act` do its work for each of them, in a thread."""

    def __init__(
        self,
        event: str,
        act: Callable[[Change], None],
        log: Callable[[Change], None],
        clock: Clock,
    ) -> None:
        self._event = event
        self._act = act
        self._log = log
        self._dropped = Complaint(event, log, clock)
        self._fault = Complaint(event, log, clock)
        # SimpleQueue takes no lock of Python's own: a signal may end the loop at any point
        self._waiting: queue.SimpleQueue[Change | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __call__(self, change: Change) -> None:
        """Take a change; returns at once."""
        if self._waiting.qsize() >= MOST_WAITING:
            self._drop_oldest()
        self._waiting.put(change)

    def finish(self, wait_s: float) -> None:
        """Take no more, and wait until everything is done, for so many seconds at most."""
        self._waiting.put(None)
        self._thread.join(wait_s)

    def close(self, wait_s: float) -> None:
        """`finish`; what is not done then is done no more, and the log says so."""
        self.finish(wait_s)
        if self._thread.is_alive():
            text = "The program ends while changes wait; of these nothing is told any more."
            self._log(Change(self._event, text, WARNING))

    def _drop_oldest(self) -> None:
        try:
            self._waiting.get_nowait()
        except queue.Empty:
            return  # the thread was quicker
        self._dropped.say(f"More than {MOST_WAITING} changes wait; the oldest are dropped.")

    def _run(self) -> None:
        while (change := self._waiting.get()) is not None:
            try:
                self._act(change)
            except Exception as error:  # noqa: BLE001 - one change must not be the last
                self._fault.say(f"A fault of Cirrus Bridge itself: {error!r}")
