"""Programs that run for a while, and are ended for sure."""

from __future__ import annotations

import contextlib
import subprocess
from typing import AnyStr

STOP_TIMEOUT_S = 20.0


class Program(subprocess.Popen[AnyStr]):
    """As a context manager it ends with the context, whatever happens in that. `Popen` waits there
    without a limit for a program that nothing has ended."""

    def end(self, limit_s: float = STOP_TIMEOUT_S) -> int:
        """Ask it to end (SIGTERM), and kill it if it takes too long; its exit status."""
        self.terminate()
        try:
            self.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
            self.wait(limit_s)
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream:
                with contextlib.suppress(BrokenPipeError):  # what it has not read
                    stream.close()
        return self.returncode

    def __exit__(self, *exc_info: object) -> None:
        self.end()
