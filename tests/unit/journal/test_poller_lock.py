"""One poller at a time: its lock is free when it ends, and a question never takes the lock."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cirrus_bridge.base.errors import JournalError, JournalReplaced
from cirrus_bridge.journal.files import PollerSign
from cirrus_bridge.journal.health import look
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.journal.submissions import Journal
from programs import Program

POLLER = """
import sys
from pathlib import Path
from cirrus_bridge.journal.poller import PollerJournal

journal = PollerJournal(Path(sys.argv[1]))
print(journal.take_over("other:1", now_s=100.0), flush=True)
sys.stdin.read()
"""
ASKER = """
import sys
from pathlib import Path
from cirrus_bridge.journal.submissions import Journal

with Journal(Path(sys.argv[1])) as journal:
    print(flush=True)
    while True:
        journal.poller_is_alive()
"""


@contextlib.contextmanager
def running(code: str, folder: Path) -> Iterator[tuple[Program[bytes], bytes]]:
    """Run this code in another process; yield the process and its first line of output."""
    command = [sys.executable, "-c", code, str(folder)]
    with Program[bytes](command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[PollerJournal]:
    """The journal that a second poller opens."""
    with PollerJournal(tmp_path) as opened:
        yield opened


def test_a_killed_poller_frees_the_lock_at_once(tmp_path: Path, journal: PollerJournal) -> None:
    """The kernel frees the lock of a dead poller at once. The sign of life stays."""
    with Journal(tmp_path) as backend:
        assert not backend.poller_is_alive()
        with running(POLLER, tmp_path) as (first, is_taken):
            assert is_taken == b"True\n"
            assert backend.poller_is_alive()
            assert not journal.take_over("second", now_s=101.0)
            assert journal.last_sign() == PollerSign("other:1", 100.0)
            first.kill()
            first.wait(60)
            assert not backend.poller_is_alive()
            assert not look(tmp_path).poller_runs
            assert journal.last_sign() == PollerSign("other:1", 100.0)
            assert journal.take_over("second", now_s=102.0)
        assert backend.poller_is_alive()
    assert look(tmp_path).poller_runs
    assert look(tmp_path).sign == PollerSign("second", 102.0)


def test_two_at_once(tmp_path: Path, journal: PollerJournal) -> None:
    """One of several pollers that start at the same moment gets the lock."""
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(running(POLLER, tmp_path)) for _ in range(4)]
        assert sorted(is_taken for _, is_taken in started) == [b"False\n"] * 3 + [b"True\n"]
        assert not journal.take_over("late", now_s=1.0)
    assert journal.take_over("late", now_s=1.0)


def test_a_question_takes_the_lock_from_nobody(tmp_path: Path) -> None:
    """Backends that ask continuously never keep a poller from starting."""
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(running(ASKER, tmp_path))
        for _ in range(100):
            with PollerJournal(tmp_path) as journal:
                assert journal.take_over("p", now_s=1.0)


def test_another_descriptor_of_the_same_process(tmp_path: Path, journal: PollerJournal) -> None:
    """Closing another descriptor does not free the lock, as it would with lockf."""
    assert journal.take_over("p", now_s=1.0)
    with Journal(tmp_path) as backend:
        assert backend.poller_is_alive()
    (tmp_path / "jobs.lock").read_bytes()
    with running(POLLER, tmp_path) as (_, is_taken):
        assert is_taken == b"False\n"


def test_a_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    """A hook that outlives its poller does not keep the lock."""
    with PollerJournal(tmp_path) as first:
        assert first.take_over("first", now_s=1.0)
        with Program[bytes]([sys.executable, "-c", "input()"], stdin=subprocess.PIPE):
            first.__exit__()
            with PollerJournal(tmp_path) as second:
                assert second.take_over("second", now_s=1.0)


def test_a_poller_that_ends_normally(tmp_path: Path, journal: PollerJournal) -> None:
    """The sign of life is erased, so the doctor does not report a dead poller."""
    assert journal.take_over("p", now_s=1.0)
    journal.leave()
    assert journal.last_sign() is None
    assert look(tmp_path).sign is None


@pytest.mark.parametrize("record", [b"", b"x" * 86, b"p" + b" " * 64 + b"nan".ljust(21), b"\xff"])
def test_an_unreadable_sign(tmp_path: Path, journal: PollerJournal, record: bytes) -> None:
    """An unreadable sign counts as no sign. Only a message depends on it."""
    content = (tmp_path / "jobs.lock").read_bytes()
    (tmp_path / "jobs.lock").write_bytes(content.ljust(128, b"\0") + record)
    assert journal.last_sign() is None
    assert journal.take_over("p" * 100, now_s=1.5)
    assert journal.last_sign() == PollerSign("p" * 64, 1.5)


def test_the_sign_leaves_the_witness_alone(tmp_path: Path, journal: PollerJournal) -> None:
    """Sign and witness are in the same file."""
    before = (tmp_path / "jobs.lock").read_bytes()[:74]
    assert journal.take_over("p", now_s=1.0)
    assert (tmp_path / "jobs.lock").read_bytes()[:74] == before


def test_a_lock_file_that_is_deleted(tmp_path: Path, journal: PollerJournal) -> None:
    """The poller notices that the file was replaced, and stops following documents."""
    assert journal.take_over("first", now_s=1.0)
    (tmp_path / "jobs.lock").unlink()
    with PollerJournal(tmp_path) as second:
        assert second.take_over("second", now_s=2.0)
    for use in (journal.check_current, journal.handed_over, journal.poller_is_alive):
        with pytest.raises(JournalReplaced):
            use()


def test_only_the_owner_can_open_the_lock_file(tmp_path: Path) -> None:
    """Anyone who could open the file could block the poller. Links are not followed."""
    with PollerJournal(tmp_path / "state"):
        assert stat.S_IMODE((tmp_path / "state" / "jobs.lock").stat().st_mode) == 0o600
    other = tmp_path / "other"
    other.mkdir()
    (other / "jobs.lock").symlink_to(tmp_path / "target")
    with pytest.raises(JournalError), PollerJournal(other):
        pass
    assert not os.path.lexists(tmp_path / "target")


def test_a_question_does_not_wait(tmp_path: Path, journal: PollerJournal) -> None:
    """A backend waits neither for the poller nor for a database that is in use."""
    assert journal.take_over("p", now_s=1.0)
    found: list[bool] = []

    def ask() -> None:
        with Journal(tmp_path) as backend:
            found.append(backend.poller_is_alive())

    with journal._transaction():  # like a long write
        asker = threading.Thread(target=ask)
        asker.start()
        asker.join(5)
        assert found == [True]
