"""Writer of the backend's status lines on standard error, and its exit codes (backend(7)).

A message takes one line, in the language of the job (CUPS passes it as LANG), and is for the person
who printed. Messages for the administrator are in English, for the log. CUPS keeps the first ERROR
line on the job, so a run writes only one. A failed write never fails the job.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Mapping
from typing import BinaryIO

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import CirrusError, Disposition
from cirrus_bridge.base.text import fitting
from cirrus_bridge.base.translation import english, joined, translated

# backend(7), cups/backend.h
EXIT_CODES: Mapping[Disposition, int] = {
    Disposition.DONE: 0,  # CUPS_BACKEND_OK
    Disposition.FAIL: 1,  # CUPS_BACKEND_FAILED
    Disposition.HOLD: 3,  # CUPS_BACKEND_HOLD
    Disposition.WAIT: 3,
    Disposition.STOP_QUEUE: 4,  # CUPS_BACKEND_STOP
    Disposition.CANCEL: 5,  # CUPS_BACKEND_CANCEL
    Disposition.RETRY_LATER: 6,  # CUPS_BACKEND_RETRY
    Disposition.RUN_AGAIN: 7,  # CUPS_BACKEND_RETRY_CURRENT
}
READ_WAIT_S = 2.0
LINE_BYTES = 1000  # cupsd reads status lines into a buffer of 2,048 bytes (scheduler/statbuf.h)


class CupsReport:
    """Writes messages to standard error (`stream`) in CUPS's form."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._connecting = False
        self._progress = -1

    def debug(self, text: str) -> None:
        """Write to the log at debug level, in English."""
        self._line("DEBUG", english(text))

    def info(self, text: str) -> None:
        """Tell people: shown on the job while it runs."""
        self._line("INFO", text)

    def lasting(self, text: str) -> None:
        """Tell people: shown on the job while it runs and after its end."""
        self._line("WARNING", text)

    def fault(self, text: str) -> None:
        """Report a fault that is not a CirrusError, or does not belong to a job (discovery)."""
        self._line("ERROR", text)

    def progress(self, percent: int) -> None:
        """Set job-media-progress (0 to 100)."""
        if percent != self._progress:
            self._progress = percent
            self._line("ATTR", f"job-media-progress={percent}")

    def pages(self, total: int) -> None:
        """Tell CUPS the number of pages of the job so far. CUPS ignores a number below its own."""
        self._line("PAGE", f"total {total}")

    def server_away(self, text: str) -> None:
        """Tell people why the server cannot be used, and set the reason `connecting-to-device`."""
        if not self._connecting:
            self._connecting = True
            self._line("STATE", "+connecting-to-device")
        self.info(text)

    def server_back(self) -> None:
        """Remove `connecting-to-device` if it was set."""
        if self._connecting:
            self._connecting = False
            self._line("STATE", "-connecting-to-device")

    def error(self, error: CirrusError) -> int:
        """Report an error and return its exit code.

        CUPS shows the ERROR line on the job, and logs the WARNING line, too, whatever the queue's
        LogLevel is (`warn` by default). The last of all lines is the message of the queue, where
        everyone would read for ever what became of one person's job.
        """
        self.server_back()  # the poller tells at the queue that jobs wait
        if error.detail:
            self.debug(error.detail)
        for_person = _joined(error.for_person, error.consequence, f"({error.code})")
        told = _joined(error.text, error.afterwards, error.consequence, f"({error.code})")
        self._line("ERROR", for_person)
        self._line("WARNING", english(told))
        is_of_queue = error.disposition is Disposition.STOP_QUEUE
        self._line("INFO", for_person if is_of_queue else "")
        return EXIT_CODES[error.disposition]

    def _line(self, kind: str, text: str) -> None:
        said = fitting(translated(text), LINE_BYTES)
        with contextlib.suppress(OSError, ValueError):  # the reader is gone
            self._stream.write(f"{kind}: {said}\n".encode())
            self._stream.flush()


def _joined(*texts: str) -> str:
    return joined(" ", filter(None, texts))


def wait_until_read(pipe: int, clock: Clock) -> None:
    """Wait until CUPS has read the pipe, for at most READ_WAIT_S.

    Unread lines may be lost: cups-deviced of CUPS 2.4 stops reading when the last backend ends.
    """
    from fcntl import ioctl
    from termios import FIONREAD

    unread = bytearray(4)
    deadline_s = clock.monotonic_s() + READ_WAIT_S
    with contextlib.suppress(OSError):  # no pipe
        while stat.S_ISFIFO(os.fstat(pipe).st_mode) and clock.monotonic_s() < deadline_s:
            ioctl(pipe, FIONREAD, unread)
            if not any(unread) or clock.stop_requested:
                return
            clock.sleep(0.005)
