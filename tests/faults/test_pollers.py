"""Several processes of cirrus-statusd for one journal: one works, and the next takes over."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cirrus_bridge.journal.submissions import Journal
from programs import Program

STATUSD = Path(sys.executable).with_name("cirrus-statusd")
LIMIT_S = 60.0


class Pollers:
    """Pollers of a machine without CUPS and servers, and their logs."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self.folder = folder
        self.state = folder / "state"
        self._stack = stack
        self._logs: dict[int, Path] = {}

    def start(self, *arguments: str) -> Program[str]:
        log = self.folder / f"{len(self._logs)}.log"
        environ = {
            "CIRRUS_BRIDGE_CONFIG": str(self.folder),
            "CIRRUS_BRIDGE_STATE": str(self.state),
            "CUPS_SERVER": str(self.folder / "no.sock"),
        }
        with log.open("w") as file:
            program = Program[str]([STATUSD, *arguments], env=os.environ | environ, stderr=file)
        self._logs[program.pid] = log
        return self._stack.enter_context(program)

    def said(self, poller: Program[str], word: str) -> bool:
        return f"event={word}" in self._logs[poller.pid].read_text()

    def wait_for(self, poller: Program[str], word: str) -> str:
        """Wait until the poller has logged an event; return its log."""
        eventually(lambda: self.said(poller, word))
        return self._logs[poller.pid].read_text()

    def is_alive(self) -> bool:
        """Whether a backend sees a poller."""
        with Journal(self.state) as journal:
            return journal.poller_is_alive()


def eventually(is_so: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
    deadline_s = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


@pytest.fixture
def pollers(tmp_path: Path) -> Iterator[Pollers]:
    with contextlib.ExitStack() as stack:
        yield Pollers(tmp_path, stack)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_second_waits_for_the_end_of_the_first(pollers: Pollers, number: int) -> None:
    """The second works after any end of the first; one line names the first."""
    first = pollers.start()
    pollers.wait_for(first, "started")
    second = pollers.start()
    log = pollers.wait_for(second, "second")
    assert log.count("\n") == 1 and f":{first.pid})" in log
    time.sleep(1)
    assert not pollers.said(second, "started") and pollers.is_alive()
    first.send_signal(number)
    first.wait(LIMIT_S)
    ended_s = time.monotonic()
    pollers.wait_for(second, "started")
    assert time.monotonic() - ended_s < 5
    assert pollers.is_alive()


def test_a_restart(pollers: Pollers) -> None:
    """The next poller works at once, and does not mention the ended one."""
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        poller = pollers.start()
        assert "event=second" not in pollers.wait_for(poller, "started")
        poller.send_signal(number)
        poller.wait(LIMIT_S)
        assert not pollers.is_alive()


def test_two_at_once(pollers: Pollers) -> None:
    """One of the pollers works, and the other waits until the first has ended."""
    both = [pollers.start(), pollers.start()]
    eventually(lambda: any(pollers.said(poller, "started") for poller in both))
    first, second = sorted(both, key=lambda poller: not pollers.said(poller, "started"))
    pollers.wait_for(second, "second")
    assert not pollers.said(second, "started")
    first.kill()
    pollers.wait_for(second, "started")


def test_one_that_waits_ends_at_once(pollers: Pollers) -> None:
    """SIGTERM ends the waiting poller, and the first works on."""
    first = pollers.start()
    pollers.wait_for(first, "started")
    second = pollers.start()
    pollers.wait_for(second, "second")
    second.send_signal(signal.SIGTERM)
    assert second.wait(5) == 0
    assert first.poll() is None and pollers.is_alive()


def test_one_round_beside_another_poller(pollers: Pollers) -> None:
    """`--once` ends at once with a line that names the other poller."""
    first = pollers.start()
    pollers.wait_for(first, "started")
    once = pollers.start("--once")
    assert once.wait(LIMIT_S) == 0
    log = pollers.wait_for(once, "second")
    assert log.count("\n") == 1 and f":{first.pid})" in log
    assert pollers.is_alive()


def test_one_round_alone(pollers: Pollers) -> None:
    """After `--once` without another poller, no poller is left."""
    once = pollers.start("--once")
    assert once.wait(LIMIT_S) == 0
    pollers.wait_for(once, "ended")
    assert not pollers.is_alive()


def test_a_lock_file_that_is_deleted(pollers: Pollers) -> None:
    """The poller locks the new file; two pollers never work at the same time."""
    first = pollers.start()
    pollers.wait_for(first, "started")
    (pollers.state / "jobs.lock").unlink()
    pollers.wait_for(first, "journal-replaced")
    eventually(pollers.is_alive)
    second = pollers.start()
    assert f":{first.pid})" in pollers.wait_for(second, "second")


def test_a_stopped_poller(pollers: Pollers) -> None:
    """A stopped poller keeps its lock, because it may resume and then speaks for all jobs."""
    first = pollers.start()
    pollers.wait_for(first, "started")
    first.send_signal(signal.SIGSTOP)
    second = pollers.start()
    pollers.wait_for(second, "second")
    assert pollers.is_alive()
    first.send_signal(signal.SIGKILL)
    pollers.wait_for(second, "started")
