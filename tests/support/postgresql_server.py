"""A private PostgreSQL of Debian's package: its own folder, a socket there, and no TCP port."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

_PROGRAMS = Path("/usr/lib/postgresql")
_USER = "postgres"  # of the package; PostgreSQL refuses to run as root
_START_S = 60


class PostgresqlServer:
    """A database server: `start`, make databases with `new_database`, and `close`."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="cirrus-pg-", dir="/tmp"))  # a short path
        self._programs = max(_PROGRAMS.glob("*/bin"), key=lambda path: int(path.parent.name))
        self._numbers = itertools.count(1)
        self._user = _USER if os.geteuid() == 0 else ""
        self._data = self._folder / "data"

    def start(self) -> None:
        """Start; at the first time, make the cluster."""
        if not self._data.exists():
            if self._user:
                shutil.chown(self._folder, self._user)
            # tests end the server's processes, but no test cuts the power
            self._run("initdb", "-A", "trust", "-U", _USER, "-E", "UTF8", "--locale=C", "--no-sync",
                      "-D", str(self._data))  # fmt: skip
            with (self._data / "postgresql.conf").open("a") as file:
                file.write(
                    f"listen_addresses = ''\nunix_socket_directories = '{self._folder}'\n"
                    "fsync = off\nmax_connections = 100\nsynchronous_commit = off\n"
                )
        self._control("start", "-l", str(self._folder / "log"))

    def stop(self, mode: str = "fast") -> None:
        """Stop; with the mode `immediate`, as a crash would."""
        self._control("stop", "-m", mode)

    def close(self) -> None:
        """Stop, and remove all files."""
        self.stop("immediate")
        shutil.rmtree(self._folder)

    def new_database(self, template: str = "template0") -> str:
        """Make a database; return its name."""
        name = f"cloud{next(self._numbers)}"
        self.sql("postgres", f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def url(self, database: str) -> str:
        """The address of a database for `--database`."""
        return f"postgresql://{_USER}@/{database}?host={quote(str(self._folder), safe='')}"

    def sql(self, database: str, statement: str) -> str:
        """Execute statements with psql; return their rows, with | between columns."""
        return self._run("psql", "-h", str(self._folder), "-U", _USER, "-d", database, "-XAtq",
                         "-v", "ON_ERROR_STOP=1", text=statement)  # fmt: skip

    def configure(self, setting: str) -> None:
        """Change a setting while the server runs."""
        self.sql("postgres", f"ALTER SYSTEM SET {setting}")
        self._control("reload")

    @contextlib.contextmanager
    def plans(self, database: str) -> Iterator[list[list[str]]]:
        """Give a list, to which the end of the block adds the lines of each statement's plan.

        The planner avoids to read whole tables, so it does so only where no index helps.
        """
        for setting in ("session_preload_libraries = auto_explain", "enable_seqscan = off",
                        "auto_explain.log_min_duration = 0",
                        "auto_explain.log_nested_statements = on"):  # fmt: skip
            self.sql("postgres", f"ALTER DATABASE {database} SET {setting}")
        log = self._folder / "log"
        begin = log.stat().st_size
        found: list[list[str]] = []
        yield found
        for entry in log.read_bytes()[begin:].decode().split("  plan:\n")[1:]:
            lines = itertools.takewhile(lambda line: line.startswith("\t"), entry.splitlines())
            found.append([*lines, ""])

    def _control(self, *args: str) -> None:
        # its output goes to a file, because the server keeps it open
        with (self._folder / "pg_ctl.log").open("a") as log:
            command = self._command("pg_ctl", "-D", str(self._data), "-w", "-t", str(_START_S))
            subprocess.run([*command, *args], stdout=log, stderr=log, check=True, cwd="/")

    def _run(self, *args: str, text: str = "") -> str:
        found = subprocess.run(
            self._command(*args), input=text, capture_output=True, text=True, cwd="/"
        )
        if found.returncode:
            raise RuntimeError(f"{args[0]}: {found.stderr}")
        return found.stdout.strip()

    def _command(self, program: str, *args: str) -> Sequence[str]:
        as_user = ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--init-groups"]
        return [*(as_user if self._user else []), str(self._programs / program), *args]
