"""Programs of this repository that start without their imports, which take most of a start.

A process that has imported them forks one for each start. Such a program is a process as usual,
with its own environment, session, signals and exit status. The everyday tier runs programs so; the
complete tier starts each by its command.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import IO

from programs import STOP_TIMEOUT_S

CLOUDLET = "cirrus_cloudlet.cli.main"
CIRRUSCTL = "cirrus_bridge.cirrusctl.main"
_COMMANDS = {
    "cirrus_cloudlet.cli": ("accounts", "audit", "inventory", "jobs", "keys", "serve"),
    "cirrus_bridge.cirrusctl.commands": (
        *("setup", "apply", "servers", "devices", "queues", "printers"),
        *("jobs", "job", "test", "doctor", "explain"),
    ),
}
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    [
        *("forked", CLOUDLET, CIRRUSCTL, "cirrus_cloudlet.server"),
        "pydantic.type_adapter",  # typer imports it late
        *(f"{package}.{name}" for package, names in _COMMANDS.items() for name in names),
    ]
)
_is_in_use = False


def use(is_wanted: bool) -> None:
    """Let programs fork from now on, or not."""
    global _is_in_use
    _is_in_use = is_wanted


def is_in_use() -> bool:
    """Whether programs are to be forked."""
    return _is_in_use


class Forked:
    """A running program, with what tests use of `subprocess.Popen`.

    Args:
        module: the program, which has a function `run`.
        output: a descriptor for its standard output; with None, `stdout` is a pipe.
        errors: a descriptor for its standard error.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        output: int | None,
        errors: int,
    ) -> None:
        self.stdout: IO[str] | None = None
        if output is None:
            read, write = os.pipe()
            self.stdout = os.fdopen(read)
        else:
            write = os.dup(output)
        # these carry a descriptor to the other process
        with Connection(write) as said, Connection(os.dup(errors)) as complained:
            self._process: BaseProcess = _SERVER.Process(
                target=_perform, args=(module, list(arguments), dict(environ), said, complained)
            )
            self._process.start()

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self._process.pid is not None
        return self._process.pid

    def wait(self, limit_s: float) -> int:
        """Wait for the end; return the exit status.

        Raises:
            subprocess.TimeoutExpired: the program still runs.
        """
        self._process.join(limit_s)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self._process.name, limit_s)
        return self._process.exitcode

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()

    def end(self, limit_s: float = STOP_TIMEOUT_S) -> int:
        """Send SIGTERM, and SIGKILL after a while; return the exit status."""
        self._process.terminate()
        try:
            status = self.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
            status = self.wait(limit_s)
        if self.stdout:
            self.stdout.close()
        return status


def run(
    module: str, arguments: Sequence[str], environ: Mapping[str, str], limit_s: float
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, as subprocess.run() does.

    Raises:
        subprocess.TimeoutExpired: the program ran for too long, and was killed.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        program = Forked(module, arguments, environ, output.fileno(), errors.fileno())
        try:
            status = program.wait(limit_s)
        finally:
            program.end()
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess([module, *arguments], status, *texts)


def _perform(
    module: str,
    arguments: list[str],
    environ: dict[str, str],
    output: Connection,
    errors: Connection,
) -> None:
    """Run the program in a new process, as if it had been started."""
    os.setsid()
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    program = importlib.import_module(module)
    sys.argv = [str(program.__file__), *arguments]
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, output.fileno(), errors.fileno())):
        os.dup2(descriptor, number)
    os.close(nothing)
    output.close()
    errors.close()
    program.run()
