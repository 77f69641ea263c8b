"""The embedded cloud of the demo: a company with one location and one device, served on loopback.

Talks to it as an administrator does, by the command `cirrus-cloudlet`. The API key is read from
that command's output and is never an argument of any process.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from programs import Program

COMPANY = "Demo"
LOCATION = "Paris"
DEVICE = "Laser1"
LISTENING = "Listening on "


class DemoCloud:
    """The server and its data below `folder`.

    Args:
        program: the command `cirrus-cloudlet`.
        delivered: the folder where the device puts its documents.
    """

    def __init__(self, program: Path, folder: Path, delivered: Path) -> None:
        self.folder = folder
        self.address = ""
        self._program = program
        self._delivered = delivered
        self._server: Program[str] | None = None

    def set_up(self) -> str:
        """Define company, location and device; returns a fresh API key."""
        self.command("company", "add", COMPANY)
        self.command("location", "add", f"{COMPANY}/{LOCATION}", "--name", "Paris office")
        self.command(
            *("device", "add", f"{COMPANY}/{LOCATION}/{DEVICE}", "--name", "Laser printer"),
            *("--type", "file", "--target", f"{self._delivered}/{{title}}.{{ext}}"),
            *("--formats", "pdf"),
        )
        return self.command("key", "add", "--company", COMPANY, "--name", "demo").strip()

    def add_account(self, name: str) -> str:
        """Let somebody in to the web page; returns a fresh password."""
        return self.command("account", "add", name, "--company", COMPANY).strip()

    def start(self) -> None:
        """Serve on a free loopback port.

        Raises:
            RuntimeError: the server ended before it listened; the text has its log.
        """
        log = self.folder.with_suffix(".log")
        with log.open("ab") as stderr:
            self._server = Program(
                [self._program, "serve", "--data", self.folder, "--listen", "127.0.0.1:0"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                start_new_session=True,
            )
        line = self._server.stdout.readline() if self._server.stdout else ""
        if not line.startswith(LISTENING):
            raise RuntimeError(f"the embedded cloud did not start:\n{log.read_text()}")
        self.address = line.removeprefix(LISTENING).strip()

    @property
    def host(self) -> str:
        """HOST:PORT, as a queue's address has it."""
        return self.address.removeprefix("http://").rstrip("/")

    def jobs(self) -> list[dict[str, Any]]:
        """All that the cloud has recorded, a dictionary for each job."""
        recorded: list[dict[str, Any]] = json.loads(self.command("job", "list", "--json"))
        return recorded

    def stop(self) -> None:
        """Stop the server if it runs."""
        if self._server is None:
            return
        self._server.end()
        self._server = None

    def command(self, *words: str) -> str:
        """Run `cirrus-cloudlet`; returns its output.

        Raises:
            RuntimeError: it failed; the text is its own.
        """
        done = subprocess.run(
            [self._program, *words, "--data", self.folder],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"cirrus-cloudlet {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout
