"""A real client of a location for tests: its own process and folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from programs import Program
from restarted import Restarted

_LIMIT_S = 30.0
_WITHOUT_CUPS = {"CUPS_SERVER": "/nonexistent/cups.sock"}  # not the machine's own CUPS


class LocationClient(Restarted):
    """A client: `start`, then `stop` or `kill`; `start` again continues on the same folder.

    Attributes:
        environment: the variables of the process.
    """

    def __init__(self, folder: Path, key: str, location: str = "Office", **env: str) -> None:
        self.data = folder
        self.location = location
        self.environment = {**os.environ, **_WITHOUT_CUPS, **env}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.log = folder.with_name(f"{folder.name}.log")
        self.key_file = folder / "key"
        self.key_file.write_text(key)
        self.key_file.chmod(0o600)

    def start(self, server: str, *options: str) -> LocationClient:
        """Start the client of a server; return when it is running."""
        assert self._process is None, "it runs already"
        with self.log.open("a") as log:
            self._process = Program(
                self.command(server, "--allow-root", *options),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self.environment,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("Fetching the jobs of "), self.log.read_text()
        return self

    def command(self, server: str, *options: str) -> list[str]:
        """The command of this client, with further options."""
        return [
            *(sys.executable, "-P", "-m", "cirrus_cloudlet.cli.main", "client"),
            *("--data", str(self.data), "--server", server, "--location", self.location),
            *options,
        ]

    @property
    def delivered(self) -> Path:
        """The folder of delivered documents."""
        return self.data / "delivered"

    def find_dead(self) -> None:
        """Wait for the end of a client that is killed by something else."""
        assert self._process is not None, "it does not run"
        self._process.wait(_LIMIT_S)
        self.stop()
