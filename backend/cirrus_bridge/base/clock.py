"""Time, sleep and stop signals. Apart from `backend/supervisor`, only this module handles these.

SIGTERM may interrupt a `Clock.stoppable()` stretch at any point, even in a blocking system call
(PEP 475: the call resumes unless the handler raises). Outside, the signal is only remembered. The
caller decides what an interruption means for a job.
"""

from __future__ import annotations

import contextlib
import enum
import math
import signal
import time
from collections.abc import Iterator
from datetime import datetime
from types import FrameType

from cirrus_bridge.base.errors import Interrupted, TimeIsOver
from cirrus_bridge.base.translation import tr

# CUPS cancels a job after its time limit, so a run ends some time before
MARGIN_SHARE, LONGEST_MARGIN_S = 0.25, 120.0
SHORTEST_S = 3.0  # CUPS 2.4 looks for jobs to cancel every ten seconds
NOT_SENT = tr("The job was stopped before it was sent to the cloud; nothing was printed.")
GRACE_S = 0.8  # how long a reluctant stretch may continue after the signal


class _OnRequest(enum.Enum):
    REMEMBER = enum.auto()
    RAISE = enum.auto()
    RAISE_LATER = enum.auto()


class Clock:
    """Wall and monotonic time, sleep, and a stop request by SIGTERM or SIGINT."""

    def __init__(self) -> None:
        self.stop_requested = False
        self._on_request = _OnRequest.REMEMBER
        self._is_over = False
        self._ends_s = math.inf

    def watch_signals(self) -> None:
        """Take over SIGTERM and SIGINT; the first one asks for a clean end (backend(7))."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGALRM, self._on_alarm)
        # signals that the supervisor has blocked arrive now
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD))

    def ignore_signals(self) -> None:
        """End `watch_signals` and `end_within`, for a process that goes on without this clock."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)

    def change_time_zone(self) -> None:
        """Use the time zone of an environment that has changed (TZ, tzset(3))."""
        time.tzset()

    def now(self) -> datetime:
        """Local wall time, for people."""
        return datetime.now().astimezone()

    def wall_s(self) -> float:
        """Seconds since the epoch, for records."""
        return time.time()

    def monotonic_s(self) -> float:
        """Seconds on a clock that cannot be set, for deadlines."""
        return time.monotonic()

    def interruption(self) -> Interrupted:
        """The error for the received stop request."""
        if not self._is_over:
            return Interrupted(NOT_SENT)
        return TimeIsOver(
            tr(
                "CUPS limits the processing time of a job (MaxJobTime). The job resumes "
                "at once in a new run. Nothing has been printed yet."
            )
        )

    def end_within(self, limit_s: float) -> None:
        """Request a stop (TimeIsOver) some time before `limit_s` seconds have passed."""
        margin_s = min(limit_s * MARGIN_SHARE, LONGEST_MARGIN_S)
        self._ends_s = self.monotonic_s() + max(limit_s - margin_s, SHORTEST_S)
        self._arm()

    def cpu_s(self) -> float:
        """CPU seconds of this process."""
        return time.process_time()

    def sleep(self, seconds: float) -> None:
        """Sleep. Inside `stoppable()`, a stop request, even an earlier one, raises Interrupted."""
        if self.stop_requested and self._on_request is _OnRequest.RAISE:
            raise self.interruption()
        if seconds:
            time.sleep(seconds)

    @contextlib.contextmanager
    def stoppable(self) -> Iterator[None]:
        """A stretch in which a stop request raises Interrupted at once."""
        with self._during(_OnRequest.RAISE):
            if self.stop_requested:
                raise self.interruption()
            yield

    def undisturbed(self) -> contextlib.AbstractContextManager[None]:
        """A stretch inside `stoppable()` that a stop request does not interrupt."""
        return self._during(_OnRequest.REMEMBER)

    @contextlib.contextmanager
    def reluctant(self) -> Iterator[None]:
        """A stretch that a stop request interrupts after GRACE_S."""
        with self._during(_OnRequest.RAISE_LATER):
            try:
                yield
            finally:
                self._arm()

    @contextlib.contextmanager
    def _during(self, on_request: _OnRequest) -> Iterator[None]:
        before, self._on_request = self._on_request, on_request
        try:
            yield
        finally:
            self._on_request = before

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        if self.stop_requested:
            return  # a second signal: CUPS signals both the supervisor and the worker
        self.stop_requested = True
        if self._on_request is _OnRequest.RAISE:
            raise self.interruption()
        if self._on_request is _OnRequest.RAISE_LATER:
            signal.setitimer(signal.ITIMER_REAL, GRACE_S)

    def _on_alarm(self, number: int, frame: FrameType | None) -> None:
        if not self.stop_requested and self.monotonic_s() >= self._ends_s:
            self._is_over = True
            self._on_stop(number, frame)
        elif self.stop_requested and self._on_request is _OnRequest.RAISE_LATER:
            raise self.interruption()

    def _arm(self) -> None:
        """Set the alarm to the end of the run's time."""
        left_s = self._ends_s - self.monotonic_s()
        signal.setitimer(signal.ITIMER_REAL, 0 if math.isinf(left_s) else max(left_s, 0.01))
