"""A real embedded cloud for tests and the demo: its own process, data folder and free port.

The server is a process of its own. Its commands run in the test's process, because there are many.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import forked
from cirrus_cloudlet.cli.jobs import details
from cirrus_cloudlet.cli.main import run
from cirrus_cloudlet.storage.opening import choose_database
from forked import Forked
from ports import reserved_port
from programs import Program
from restarted import Restarted

_START_S = 30.0
_LOOK_AGAIN_S = 2.0
_FURNITURE = """\
[[company]]
id = "ACME"

[[location]]
company = "ACME"
id = "Office"

[[device]]
company = "ACME"
location = "Office"
id = "Folder"
type = "file"
"""


class Tls(NamedTuple):
    """Certificate and key, as PEM files."""

    certificate: Path
    key: Path


class CloudletServer(Restarted):
    """An embedded cloud: `start`, use `.url`, then `stop` or `kill`.

    `restart` keeps the address. Unless the folder has a cloudlet.toml, the first start makes a
    company `ACME` with a location `Office` and a file device `Folder`. `.key` is bound to the
    company.

    Args:
        database: the address of a database on a server; empty for the folder's own.
    """

    def __init__(self, *, announce: bool = False, database: str = "") -> None:
        self._announce = announce
        self._database = database
        self.data = Path()
        self.url = ""
        self.key = ""
        self.log = Path()
        self._tls: Tls | None = None
        self.port = reserved_port(self)

    def start(self, data_dir: Path, tls: Tls | None = None, options: Sequence[str] = ()) -> None:
        """Start on a folder, with further options of `serve`; return when it accepts connections.

        Raises:
            RuntimeError: the server ended before it listened; the text has its log.
        """
        assert self._process is None, "it runs already"
        self.data, self._tls = data_dir, tls
        self.log = data_dir.with_name(f"{data_dir.name}.log")
        if not (data_dir / "cloudlet.toml").exists():
            self._furnish()
        where = ("--data", str(data_dir), "--listen", f"127.0.0.1:{self.port}")
        arguments = ["serve", *where, *options, *(() if self._announce else ("--no-announce",))]
        if tls:
            arguments += ["--tls-cert", str(tls.certificate), "--tls-key", str(tls.key)]
        self._process = self._begin(arguments)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("Listening on "):
            self.kill()
            raise RuntimeError(f"the embedded cloud did not start:\n{self.log.read_text()}")
        self.url = line.removeprefix("Listening on ").strip().rstrip("/")

    def _begin(self, arguments: Sequence[str]) -> Program[str] | Forked:
        with self.log.open("a") as log:
            if forked.is_in_use():
                module, arguments = forked.CLOUDLET, _for_root(*arguments)
                return Forked(module, arguments, os.environ, None, log.fileno())
            return Program(
                _command(*arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    def restart(self) -> None:
        """Stop, if running, and start on the same folder and port."""
        self.close()
        self.come_back()

    def come_back(self) -> None:
        """Start on the same folder and port, after `stop` or `kill`."""
        self.start(self.data, self._tls)

    @property
    def log_text(self) -> str:
        """The server's log so far."""
        return self.log.read_text()

    def cli(self, *args: str) -> str:
        """Run `cirrus-cloudlet … --data` in this process; return its standard output.

        Raises:
            RuntimeError: the command failed; the text is the command's own.
        """
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said):
                run([*args, "--data", str(self.data)])
        except SystemExit as error:
            raise RuntimeError(error) from error
        return said.getvalue().strip()

    def cli_result(self, *args: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command that may fail, or that reads `text`; return its result."""
        return subprocess.run(
            [*_command(*args), "--data", str(self.data)],
            input=text,
            capture_output=True,
            text=True,
            timeout=_START_S,
        )

    def new_key(self, company: str, role: str = "print") -> str:
        """Add a key that is valid for one company."""
        return self.cli("key", "add", "--company", company, "--role", role)

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs, oldest first; `job list --json` has the newest first."""
        return details(self.data)[::-1]

    def wait_for_job(self, job_id: str, *states: int, message: str = "") -> dict[str, Any]:
        """Wait until the job has one of these states and a message with this text."""
        job: dict[str, Any] = {}
        for jobs in self.changing_jobs(_START_S):
            job = next(each for each in jobs if each["id"] == job_id)
            if job["state"] in states and message in job["message"]:
                return job
        raise AssertionError(f"not in {states} with {message!r}: {job}")

    def changing_jobs(self, timeout_s: float) -> Iterator[list[dict[str, Any]]]:
        """Yield the jobs, and again after each change of the database, for a limited time."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            seen, again = self._database_stamp(), time.monotonic() + _LOOK_AGAIN_S
            yield self.jobs()
            while self._database_stamp() == seen and time.monotonic() < again:
                time.sleep(0.05)

    def _database_stamp(self) -> object:
        if self._database:
            return object()  # look again at once
        files = [path for path in self.data.glob("cloudlet.db*") if path.suffix != ".db-shm"]
        found = []
        for path in sorted(files):
            with contextlib.suppress(FileNotFoundError):
                stat = path.stat()
                found.append((path.name, stat.st_mtime_ns, stat.st_size))
        return found

    def _furnish(self) -> None:
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.data / "cloudlet.toml").write_text(_FURNITURE)
        if self._database:
            choose_database(self.data, self._database)
        self.key = self.new_key("ACME")


def _command(*args: str) -> list[str]:
    # -P: the test's current folder must not provide modules
    return [sys.executable, "-P", "-m", "cirrus_cloudlet.cli.main", *_for_root(*args)]


def _for_root(*args: str) -> Sequence[str]:
    """Let `serve` run as root, because many tests do."""
    return (*args, "--allow-root") if args[:1] == ("serve",) else args


def environment_without_proxies() -> dict[str, str]:
    """The environment for clients of a loopback server."""
    return {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
