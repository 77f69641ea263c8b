"""The log of the server: no more lines than a person can read.

Requests of clients cause lines, so a limit keeps clients from filling the disk.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

_WINDOW_S = 60.0
_LINES_OF_A_KIND = 20
_LINES = 200


def start_log() -> None:
    """Log the whole process to standard error, with a limit on the lines of each minute."""
    handler = logging.StreamHandler()
    handler.addFilter(LineLimit(time.monotonic))
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, handlers=[handler]
    )


def describe(error: BaseException) -> str:
    """Describe an unexpected error in one line by its type and its place in the code.

    The error's text is left out, because it may contain what a client sent.
    """
    places = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{Path(place.filename).name}:{place.lineno}" for place in places[::-1])
    return f"{type(error).__name__} at {where}"


class LineLimit(logging.Filter):
    """Limits the lines of a minute: of each kind, and in all.

    The kind of a line is its text before its arguments are filled in.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        super().__init__()
        self._now_s = now_s
        self._lock = threading.Lock()
        self._until = now_s() + _WINDOW_S
        self._lines: Counter[tuple[str, str]] = Counter()
        self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether to log a line; the next minute's first line counts those left out."""
        kind = (record.name, str(record.msg))
        with self._lock:
            if self._now_s() >= self._until:
                self._until = self._now_s() + _WINDOW_S
                self._lines.clear()
                if self._left_out:
                    record.msg = f"{record.getMessage()} [{self._left_out} earlier lines left out]"
                    record.args = None
                    self._left_out = 0
            if self._lines[kind] >= _LINES_OF_A_KIND or self._lines.total() >= _LINES:
                self._left_out += 1
                return False
            self._lines[kind] += 1
        return True
