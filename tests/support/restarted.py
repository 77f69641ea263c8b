"""A program that a test starts, ends and starts again."""

from __future__ import annotations

from forked import Forked
from programs import Program


class Restarted:
    """The base of a rig, whose own method starts `_process`."""

    _process: Program[str] | Forked | None = None

    @property
    def pid(self) -> int:
        """The id of the running process."""
        assert self._process is not None, "it does not run"
        return self._process.pid

    def stop(self) -> int:
        """Send SIGTERM; return the exit status."""
        assert self._process is not None, "it does not run"
        status = self._process.end()
        self._process = None
        return status

    def kill(self) -> None:
        """Send SIGKILL, to simulate a crash."""
        assert self._process is not None, "it does not run"
        self._process.kill()
        self.stop()

    def close(self) -> None:
        """Stop, if running."""
        if self._process is not None:
            self.stop()
