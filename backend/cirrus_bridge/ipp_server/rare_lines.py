"""A log for lines that clients cause: a line of each kind at most once a minute."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from cirrus_bridge.base.clock import Clock

PERIOD_S = 60.0


class RareLines:
    """Logs the first line of a kind in a minute. The next one says how many were left out. Any
    thread may use it; callers limit the number of kinds."""

    def __init__(self, log: logging.Logger, now_s: Callable[[], float] | None = None) -> None:
        self._log, self._now_s = log, now_s or Clock().monotonic_s
        self._until_s: dict[str, float] = {}
        self._left_out: dict[str, int] = {}
        self._lock = threading.Lock()

    def log(self, level: int, kind: str, text: str) -> None:
        """Log a line, unless the same kind was logged in the last minute."""
        with self._lock:
            now_s = self._now_s()
            if now_s < self._until_s.get(kind, float("-inf")):
                self._left_out[kind] = self._left_out.get(kind, 0) + 1
                return
            self._until_s[kind] = now_s + PERIOD_S
            left_out = self._left_out.pop(kind, 0)
        if left_out:
            text = f"{text} ({left_out} lines like this were left out)"
        self._log.log(level, "%s", text)
