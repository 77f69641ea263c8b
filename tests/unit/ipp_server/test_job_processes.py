"""The processes for runs: how long they live, and what the service hears of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paths import SUPPORT
from print_site import eventually
from processes import children
from programs import Program

LONG_S = 600.0


class Runs:
    """The program whose runs a test starts and stops."""

    def __init__(self, program: Program[str]) -> None:
        self.program = program
        eventually(lambda: bool(children(program.pid)))
        (self.starter,) = children(program.pid)

    def ask(self, what: str, job_id: int) -> None:
        """Start or stop a run."""
        assert self.program.stdin
        self.program.stdin.write(f"{what} {job_id}\n")
        self.program.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """The next news."""
        assert self.program.stdout
        news: dict[str, Any] = json.loads(self.program.stdout.readline())
        return news

    def run(self, job_id: int) -> int:
        """Run a job that ends; return its process."""
        self.ask("start", job_id)
        process: int = self.hear()["process"]
        assert self.hear() == {"ended": job_id, "signal": 0}
        return process

    def close(self) -> list[dict[str, Any]]:
        """End the program; return the last news."""
        output, _ = self.program.communicate(timeout=30)
        assert self.program.returncode == 0
        return [json.loads(line) for line in output.splitlines()]


@contextlib.contextmanager
def running(rest_s: float = LONG_S, idle_s: float = LONG_S) -> Iterator[Runs]:
    command: list[str | Path] = [sys.executable, SUPPORT / "stub_runs.py"]
    command += [str(rest_s), str(idle_s)]
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    with Program[str](command, stdin=pipe, stdout=pipe, stderr=nothing, text=True) as program:
        yield Runs(program)


@pytest.fixture
def runs() -> Iterator[Runs]:
    with running() as made:
        yield made


def _has_gone(process: int) -> bool:
    """Whether a process has ended, perhaps without a parent that has noticed."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return text.rpartition(")")[2].split()[0] == "Z"


def test_one_job_after_another(runs: Runs) -> None:
    """They use one process, until a job does not want that."""
    first = runs.run(1)
    assert runs.run(2) == first
    assert runs.run(100) == first
    second = runs.run(3)
    assert second != first
    assert children(runs.starter) == [second]


def test_jobs_at_once(runs: Runs) -> None:
    """Each has a process of its own."""
    processes = set()
    for job_id in (200, 201):
        runs.ask("start", job_id)
        processes.add(runs.hear()["process"])
    assert len(processes) == 2
    assert runs.run(1) not in processes


def test_a_job_that_is_stopped(runs: Runs) -> None:
    """It ends by itself, and so does its process. Other jobs are not stopped."""
    idle = runs.run(1)
    runs.ask("start", 200)
    assert runs.hear()["process"] == idle
    runs.ask("stop", 7)  # has ended
    runs.ask("stop", 200)
    assert runs.hear() == {"job": 200, "stopped": True}
    assert runs.hear() == {"ended": 200, "signal": 0}
    assert runs.run(2) != idle


def test_a_process_that_is_killed(runs: Runs) -> None:
    """The service hears the signal. The next job gets another process."""
    runs.ask("start", 300)
    killed = runs.hear()["process"]
    assert runs.hear() == {"ended": 300, "signal": signal.SIGKILL}
    assert runs.run(1) != killed


def test_an_idle_process() -> None:
    """Its worker rests, and later the process ends, without news of a job."""
    with running(rest_s=0.05, idle_s=0.1) as runs:
        process = runs.run(1)
        assert runs.hear() == {"rests": process}
        eventually(lambda: _has_gone(process))
        assert runs.close() == []


def test_the_end_of_the_service(runs: Runs) -> None:
    """Runs are stopped, and tell that. No process is left, be it idle or not."""
    runs.ask("start", 200)
    busy = runs.hear()["process"]
    idle = runs.run(1)
    assert runs.close() == [{"job": 200, "stopped": True}, {"ended": 200, "signal": 0}]
    assert _has_gone(busy)
    assert _has_gone(idle)


def test_the_starter_is_killed(runs: Runs) -> None:
    """No run goes on without it, and the program notices."""
    runs.ask("start", 200)
    process = runs.hear()["process"]
    os.kill(runs.starter, signal.SIGKILL)
    eventually(lambda: _has_gone(process))
    assert runs.program.wait(30) != 0
