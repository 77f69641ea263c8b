"""The private cupsd of the end-to-end tests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from private_cups import PrivateCups, private_cups
from private_cups_layout import socket_path

SLOW_BACKEND = """
[ $# -eq 0 ] && exit
echo $$ >"$PID_FILE"
exec sleep 60
"""


def backend(folder: Path, script: str) -> Path:
    """Write a CUPS backend that is a small shell script."""
    program = folder / "backend"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


@pytest.fixture
def cups(tmp_path: Path) -> Iterator[PrivateCups]:
    """A private cupsd whose backend does not end."""
    environment = {"PID_FILE": str(tmp_path / "pid")}
    with private_cups([backend(tmp_path, SLOW_BACKEND)], environment) as server:
        server.add_queue("slow", "cirrus://cloud.test/C/L:D")
        yield server


def eventually(path: Path) -> int:
    """Wait for a file, and return the number in it."""
    deadline = time.monotonic() + 20
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return int(path.read_text())


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; zombies do not count."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_no_backend_is_left_running(cups: PrivateCups, tmp_path: Path, way: str) -> None:
    """A stopped or killed scheduler leaves no running backend."""
    cups.lp("slow", data=b"text\n")
    pid = eventually(tmp_path / "pid")
    assert is_alive(pid)
    getattr(cups, way)()
    deadline = time.monotonic() + 5
    while is_alive(pid):  # killed processes take a moment to be gone
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "not running" in cups.run("lpstat", "-r")


def test_a_job_survives_a_restart(cups: PrivateCups) -> None:
    """A queued job has the same number after a restart."""
    job_id = cups.lp("slow", "-H", "hold", data=b"text\n")
    cups.restart()
    assert cups.wait_job(job_id, "held")["job-id"] == job_id


def test_clients_ignore_settings_of_the_user(cups: PrivateCups) -> None:
    """Clients of the private cupsd ignore ~/.cups/lpoptions and PRINTER."""
    assert Path(cups.env["HOME"]).is_relative_to(cups.root)
    assert "PRINTER" not in cups.env
    assert cups.run("lpstat", "-e").split() == ["slow"]


def test_a_cupsd_that_cannot_start(tmp_path: Path) -> None:
    """The error has cupsd's own message."""
    program = backend(tmp_path, "")
    with (
        pytest.raises(RuntimeError, match="Unknown Location directive"),
        private_cups([program], {}, directives=["<Location /unfinished>"]),
    ):
        pass


def test_a_folder_with_a_long_name_is_refused(tmp_path: Path) -> None:
    """A path that is too long for a socket gets a clear error; cupsd's own is not clear."""
    with pytest.raises(ValueError, match="too long for a socket"):
        socket_path(tmp_path / ("x" * 100))
