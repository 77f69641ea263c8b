"""A thread that handles changes in order, so that the poller's loop never waits.

When too many changes wait, the oldest are dropped. A repeated problem is logged now and then, not
for each change.

This is a thread and a queue, not an executor. An executor keeps each canceled change until its
thread reaches the change. A signal that interrupts `submit` can also leave an executor's lock
locked.
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
    """One kind of problem, logged at once, and then at most every AGAIN_S while it lasts."""

    def __init__(self, event: str, log: Callable[[Change], None], clock: Clock) -> None:
        self._event = event
        self._log = log
        self._clock = clock
        self._not_before_s = 0.0
        self._unsaid = 0

    def say(self, text: str) -> None:
        """Log the problem, unless it was logged recently."""
        now_s = self._clock.monotonic_s()
        if self._not_before_s and now_s < self._not_before_s:
            self._unsaid += 1
            return
        more = f" ({self._unsaid} more times since the last report)" if self._unsaid else ""
        self._not_before_s, self._unsaid = now_s + AGAIN_S, 0
        self._log(Change(self._event, text + more, WARNING))


class BackgroundWorker:
    """Calls `act` for each change, in order, in a thread.

    Args:
        event: names this worker's problems in the log.
        act: may take its time, and may fail.
        log: gets this worker's problems.
    """

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
        """Queue a change, and return at once."""
        if self._waiting.qsize() >= MOST_WAITING:
            self._drop_oldest()
        self._waiting.put(change)

    def finish(self, wait_s: float) -> None:
        """Accept no more changes, and wait at most `wait_s` seconds for the queued ones."""
        self._waiting.put(None)
        self._thread.join(wait_s)

    def close(self, wait_s: float) -> None:
        """Finish, then give up the remaining changes and log the loss."""
        self.finish(wait_s)
        if self._thread.is_alive():
            text = "The program ends before all changes were handled; the others are lost."
            self._log(Change(self._event, text, WARNING))

    def _drop_oldest(self) -> None:
        try:
            self._waiting.get_nowait()
        except queue.Empty:
            return  # the thread was faster
        self._dropped.say(f"More than {MOST_WAITING} changes wait; the oldest are dropped.")

    def _run(self) -> None:
        while (change := self._waiting.get()) is not None:
            try:
                self._act(change)
            except Exception as error:  # noqa: BLE001 - the next change may work
                self._fault.say(f"Internal error in Cirrus Bridge: {error!r}")
