"""The hook's command: its environment, its failures, and its thread.

The thread handles changes in order, within bounds, and with few lines in the log.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.delivery.events import Change
from cirrus_bridge.statusd.notify.hook import (
    LONGEST,
    MOST_WAITING,
    BackgroundWorker,
    Complaint,
    run_hook,
)
from print_site import eventually

RECORD = """
import os, sys
with open(sys.argv[1], "ab") as record:
    for name in sorted(os.environb):
        if name.startswith(b"CIRRUS_"):
            record.write(name + b"=" + repr(os.environb[name]).encode() + b"\\n")
    record.write(repr(sys.argv[2:]).encode() + b"\\n")
"""


def _hook(*command: str, limit_s: float = 30.0) -> tuple[Callable[[Change], None], list[Change]]:
    log: list[Change] = []
    environ = dict(os.environ) | {"CIRRUS_USER": "left over"}
    failed = Complaint("hook-failed", log.append, Clock())
    return functools.partial(run_hook, command, environ, failed, limit_s=limit_s), log


def _recorded(folder: Path, change: Change) -> list[str]:
    record = folder / "record"
    hook, log = _hook(sys.executable, "-c", RECORD, str(record), "$HOME; --")
    hook(change)
    assert not log
    return record.read_text().splitlines()


def test_all_is_in_the_environment(tmp_path: Path) -> None:
    """Each field has its variable, if only an empty one, and the arguments stay as configured."""
    change = Change(
        "delivered", "Delivered", 6, "q1", 7, "", "Report", "Paris:Laser1", "20260101000000-1"
    )
    assert _recorded(tmp_path, change) == [
        "CIRRUS_CLOUD_JOB=b'20260101000000-1'",
        "CIRRUS_EVENT=b'delivered'",
        "CIRRUS_JOB=b'7'",
        "CIRRUS_MESSAGE=b'Delivered'",
        "CIRRUS_QUEUE=b'q1'",
        "CIRRUS_TARGET=b'Paris:Laser1'",
        "CIRRUS_TITLE=b'Report'",
        "CIRRUS_USER=b''",
        "['$HOME; --']",
    ]


@pytest.mark.attacker("local account")
def test_what_a_hook_inherits() -> None:
    """Look for keys through the variables that a hook inherits: no variable leads to a key."""
    told: list[Change] = []
    environ = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "CIRRUS_BRIDGE_STATE": "/s"}
    secret = {"CREDENTIALS_DIRECTORY": "/run/credentials/x", "LD_PRELOAD": "", "NOTIFY_SOCKET": "x"}
    names = "CREDENTIALS_DIRECTORY LD_PRELOAD NOTIFY_SOCKET"
    command = f'test "$PATH$LC_ALL$CIRRUS_BRIDGE_STATE" = "{"".join(environ.values())}" || exit 1'
    command += f"; for name in {names}; do if printenv $name; then exit 2; fi; done"
    failed = Complaint("hook-failed", told.append, Clock())
    run_hook(("/bin/sh", "-c", command), environ | secret, failed, Change("x", ""))
    assert told == []


@pytest.mark.parametrize(
    ("title", "told"),
    [
        ("a\nCIRRUS_EVENT=b'lost'\r", b"a\nCIRRUS_EVENT=b'lost'\r"),
        ("a\0b", b"ab"),
        ("$(touch x); `touch x` && %s {}", b"$(touch x); `touch x` && %s {}"),
        ("--help", b"--help"),
        ("Größe 用紙 \U0001f5a8", "Größe 用紙 \U0001f5a8".encode()),
        ("odd \udcff\ud800", b"odd ??"),
        ("x" * 1_000_000, b"x" * LONGEST),
        ("=", b"="),
    ],
)
def test_hostile_titles(tmp_path: Path, title: str, told: bytes) -> None:
    """A title is only data, whatever its characters."""
    assert f"CIRRUS_TITLE={told!r}" in _recorded(tmp_path, Change("x", "", title=title))


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("/nowhere/told",), "No such file or directory"),
        (("/etc/passwd",), "Permission denied"),
        (("/bin/\0",), "null"),
        (("/bin/sh", "-c", "exit 3"), "exit status 3"),
        (("/bin/sh", "-c", "kill -9 $$"), "signal 9"),
    ],
)
def test_failure_is_one_line(command: tuple[str, ...], why: str) -> None:
    """A hook that always fails is logged once, not for each change."""
    hook, log = _hook(*command)
    for number in range(20):
        hook(Change("x", str(number)))
    assert [change.event for change in log] == ["hook-failed"]
    assert command[0] in log[0].text and why in log[0].text


def test_a_slow_hook_is_ended(tmp_path: Path) -> None:
    """The hook and its children are killed."""
    pids = tmp_path / "pids"
    hook, log = _hook("/bin/sh", "-c", f"sleep 1000 & echo $$ $! >{pids}; wait", limit_s=1.0)
    hook(Change("x", ""))
    assert "took more than 1 s" in log[0].text
    own, child = pids.read_text().split()
    assert not Path("/proc", own).exists()  # reaped
    eventually(lambda: not _is_alive(child))


def _is_alive(pid: str) -> bool:
    try:
        state = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # init reaps the process


def test_order_is_kept() -> None:
    """The first change is handled first, and all are handled by the end."""
    told: list[Change] = []
    aside = BackgroundWorker(told.append, told.append, Clock())
    changes = [Change("x", str(number)) for number in range(100)]
    for change in changes:
        aside(change)
    aside.close(10)
    assert told == changes


def test_the_oldest_are_dropped() -> None:
    """A stuck sink costs bounded memory and one line in the log; the newest changes are handled."""
    told: list[str] = []
    log: list[Change] = []
    at_work, go_on = threading.Event(), threading.Event()

    def act(change: Change) -> None:
        at_work.set()
        go_on.wait(60)
        told.append(change.text)

    aside = BackgroundWorker(act, log.append, Clock())
    aside(Change("x", "first"))
    at_work.wait(60)
    for number in range(MOST_WAITING + 5):
        aside(Change("x", str(number)))
    go_on.set()
    aside.close(10)
    assert told == ["first", *(str(number) for number in range(5, MOST_WAITING + 5))]
    assert [(change.event, "dropped" in change.text) for change in log] == [("hook-late", True)]


def test_a_fault_is_not_the_end() -> None:
    """A change that breaks the sink is logged, and the next one is handled."""
    told: list[str] = []
    log: list[Change] = []

    def act(change: Change) -> None:
        told.append(change.text)
        if len(told) < 3:
            raise ZeroDivisionError

    aside = BackgroundWorker(act, log.append, Clock())
    for text in ("a", "b", "c"):
        aside(Change("x", text))
    aside.close(10)
    assert told == ["a", "b", "c"]
    assert len(log) == 1 and "ZeroDivisionError" in log[0].text


def test_a_stuck_sink_does_not_keep_the_program() -> None:
    """The sink is abandoned at the end, with a line in the log."""
    log: list[Change] = []
    go_on = threading.Event()

    def act(change: Change) -> None:
        go_on.wait(60)

    aside = BackgroundWorker(act, log.append, Clock())
    aside(Change("x", ""))
    aside.close(0.01)
    go_on.set()
    assert [change.event for change in log] == ["hook-late"]
