"""Programs that run for a while and always end."""

from __future__ import annotations

import contextlib
import subprocess
from typing import AnyStr

STOP_TIMEOUT_S = 20.0


class Program(subprocess.Popen[AnyStr]):
    """A program that ends with its context, even after an exception.

    `Popen` would wait there forever for a program that nothing has ended.
    """

    def end(self, limit_s: float = STOP_TIMEOUT_S) -> int:
        """Send SIGTERM, and SIGKILL after a while; return the exit status."""
        self.terminate()
        try:
            self.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
            self.wait(limit_s)
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream:
                with contextlib.suppress(BrokenPipeError):  # the program did not read everything
                    stream.close()
        return self.returncode

    def __exit__(self, *exc_info: object) -> None:
        self.end()
