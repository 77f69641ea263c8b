"""The journal keeps its documents over restarts, readable only by its owner."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cirrus_bridge.base.errors import JournalBusy, JournalError, JournalNewer
from cirrus_bridge.base.model import (
    DeliveryState,
    DocumentKey,
    JobStatus,
    PrintJob,
    Receipt,
    Target,
)
from cirrus_bridge.base.privileges import make_folder
from cirrus_bridge.journal import database as journal_database
from cirrus_bridge.journal.health import look
from cirrus_bridge.journal.history import recent_documents
from cirrus_bridge.journal.lifecycle import State
from cirrus_bridge.journal.readonly import read_only
from cirrus_bridge.journal.schema import STEPS, VERSION
from cirrus_bridge.journal.statistics import StatisticsReader
from cirrus_bridge.journal.submissions import Journal
from programs import Program

TARGETS = [Target("Paris", "A"), Target("Lyon", "B")]
RECEIPTS = [Receipt(TARGETS[0], "1-1"), Receipt(TARGETS[1], "1-2")]
JOB = PrintJob(1, "urn:uuid:a", "ann", "t", 1, "q")
KEY = DocumentKey(JOB.job_uuid, JOB.job_id, 0, "cirrus://h/C/L:D", 1)


def _state(folder: Path) -> State:
    with Journal(folder) as journal:
        return journal.entries(JOB.job_uuid, JOB.job_id)[0].state


def _submitting(journal: Journal, now_s: float) -> None:
    journal.submitting(KEY, "ab", 9, 5, submit_key="k", submit_form="f", now_s=now_s)


def test_the_order_of_effects_survives(tmp_path: Path) -> None:
    """A new process finds exactly the last step."""
    steps: list[tuple[Callable[[Journal], object], State]] = [
        (lambda j: j.intent(KEY, JOB, TARGETS, now_s=1), State.SENDING),
        (lambda j: j.uploading(KEY, "t", "s", now_s=2), State.SENDING),
        (
            lambda j: j.confirmed(KEY, position=0, length=5, sha256="ab", now_s=2),
            State.SENDING,
        ),
        (lambda j: _submitting(j, 3), State.SUBMITTING),
        (lambda j: j.not_submitted(KEY, now_s=4), State.SENDING),
        (lambda j: _submitting(j, 5), State.SUBMITTING),
        (lambda j: j.unanswered(KEY, now_s=5), State.UNANSWERED),
        (lambda j: j.intent(KEY, JOB, TARGETS, now_s=6), State.SENDING),
        (lambda j: _submitting(j, 6), State.SUBMITTING),
        (lambda j: j.accepted(KEY, RECEIPTS, now_s=6), State.FOLLOWED),
    ]
    for step, state in steps:
        with Journal(tmp_path) as journal:
            step(journal)
        assert _state(tmp_path) is state
    with Journal(tmp_path) as journal:
        (document,) = journal.documents_of(KEY)
        assert [delivery.receipt for delivery in document.deliveries] == RECEIPTS


def test_prints_and_documents_are_told_apart(tmp_path: Path) -> None:
    """Another print run, destination or number is another document."""
    with Journal(tmp_path) as journal:
        journal.intent(KEY, JOB, TARGETS, now_s=1)
        for other in (
            DocumentKey(JOB.job_uuid, JOB.job_id, 0, "cirrus://h/C/L:E", 1),
            DocumentKey(JOB.job_uuid, JOB.job_id, 0, KEY.destination, 2),
            DocumentKey(JOB.job_uuid, JOB.job_id, 99, KEY.destination, 1),
        ):
            journal.intent(other, JOB, TARGETS, now_s=3)
        entries = journal.entries(JOB.job_uuid, JOB.job_id)
    assert [e.key.number for e in entries] == [1, 1, 2, 1]
    assert [e.key.print_run for e in entries] == [0, 0, 0, 99]


def test_one_row_a_target_with_its_state(tmp_path: Path) -> None:
    """Each target has its own row with state, message and times."""
    status = JobStatus(DeliveryState.RECEIVED, message="warming up", received="now")
    with Journal(tmp_path) as journal:
        journal.intent(KEY, JOB, TARGETS, now_s=1)
        _submitting(journal, 2)
        journal.accepted(KEY, RECEIPTS, now_s=2)
        journal.state(KEY, 1, status, now_s=3)
    with sqlite3.connect(tmp_path / "journal.db") as db:
        rows = db.execute(
            "SELECT location, cloud_job_id, state, message, received FROM delivery ORDER BY 1 DESC"
        ).fetchall()
    db.close()
    assert rows == [("Paris", "1-1", 0, "", ""), ("Lyon", "1-2", 1, "warming up", "now")]


def test_only_the_owner_can_read_the_journal(tmp_path: Path) -> None:
    """All files of the journal have mode 0600, because titles and users are private."""
    with Journal(tmp_path / "state") as journal:
        journal.intent(KEY, JOB, TARGETS, now_s=1)
        files = [path for path in (tmp_path / "state").iterdir() if path.is_file()]
        assert len(files) == 4
        assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}


def test_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock of another process leads to an error that asks for a retry."""
    monkeypatch.setattr(journal_database, "BUSY_TIMEOUT_S", 0.1)
    with Journal(tmp_path) as journal:
        other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalBusy):
            journal.intent(KEY, JOB, TARGETS, now_s=1)
        other.close()


@pytest.mark.parametrize("content", [b"not a database, but long enough to be taken for one" * 9])
def test_broken(tmp_path: Path, content: bytes) -> None:
    """A file that is not a database is an error that names the file."""
    (tmp_path / "journal.db").write_bytes(content)
    with pytest.raises(JournalError, match=r"journal\.db"), Journal(tmp_path):
        pass


def test_newer_version(tmp_path: Path) -> None:
    """A journal of a newer version is not changed."""
    with Journal(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "journal.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = (tmp_path / "journal.db").read_bytes()
    with pytest.raises(JournalNewer, match=rf"format 99; .* up to {VERSION}"):
        Journal(tmp_path)
    with pytest.raises(JournalNewer, match="cirrusctl explain CB-506"), read_only(tmp_path):
        pass
    assert (tmp_path / "journal.db").read_bytes() == before


def test_journal_of_the_first_version(tmp_path: Path) -> None:
    """The oldest journal is upgraded, and keeps its documents."""
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
        for statement in filter(str.strip, STEPS[0].split(";")):
            db.execute(statement)
        db.execute(
            "INSERT INTO document (job_uuid, job_id, print_run, destination, number, queue, user,"
            " title, phase, pass_started, created_at, updated_at)"
            " VALUES ('u', 1, 0, 'd', 1, 'q', 'ann', 't', 'accepted', 5, 1, 1)"
        )
        db.execute("PRAGMA user_version = 1")
    with Journal(tmp_path) as journal:
        (entry,) = journal.entries("u", 1)
        assert (entry.state, entry.open_runs, entry.class_name) == (State.FOLLOWED, 0, "")
        assert not journal.takes_one_at_a_time("h", now_s=1)


def test_a_job_that_was_renamed_before_it_was_sent(tmp_path: Path) -> None:
    """The journal has the title that was sent to the server."""
    with Journal(tmp_path) as journal:
        for title in ("before", "after"):
            job = dataclasses.replace(JOB, title=title)
            journal.intent(KEY, job, TARGETS, now_s=1)
        _submitting(journal, 2)
        journal.accepted(KEY, RECEIPTS, now_s=2)
        (document,) = journal.documents_of(KEY)
    assert document.title == "after"


def test_journal_that_is_being_made(tmp_path: Path) -> None:
    """A reader finds no documents while the file has no tables yet."""
    for name in ("jobs.lock", "journal.db"):
        (tmp_path / name).touch()
    assert recent_documents(tmp_path, 10).documents == []
    assert StatisticsReader(tmp_path).look(0.0).open_documents == 0
    assert look(tmp_path).damage == ()
    with Journal(tmp_path) as journal:
        assert journal.entries(JOB.job_uuid, JOB.job_id) == []


def test_lock_of_a_job_ends_with_its_holder(tmp_path: Path) -> None:
    """The lock of a job is free as soon as the process that has it is killed."""
    code = "import sys; from pathlib import Path\n"
    code += "from cirrus_bridge.journal.submissions import Journal\n"
    code += "j = Journal(Path(sys.argv[1])); print(j.claim('u', 1), flush=True); input()"
    command = [sys.executable, "-c", code, str(tmp_path)]
    with Program[bytes](command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"True\n"
        with Journal(tmp_path) as journal:
            assert not journal.claim("u", 1)
            assert journal.claim("u", 2)
            other.kill()
            other.wait(60)
            assert journal.claim("u", 1)


def test_many_open_a_new_journal_at_once(tmp_path: Path) -> None:
    """Backends and poller of a new machine do not find the database locked."""
    program = (
        "import sys, pathlib, cirrus_bridge.journal.submissions as j\n"
        "print('ready', flush=True)\n"
        "for line in sys.stdin:\n"
        "    with j.Journal(pathlib.Path(line.strip())): print('opened', flush=True)"
    )
    pipe = subprocess.PIPE
    with contextlib.ExitStack() as stack:
        started = [
            stack.enter_context(
                Program([sys.executable, "-c", program], stdin=pipe, stdout=pipe, text=True)
            )
            for _ in range(6)
        ]
        for said in ("ready\n", *["opened\n"] * 5):
            for process in started:
                assert process.stdout and process.stdout.readline() == said
            folder = tempfile.mkdtemp(dir=tmp_path) + "/state"
            for process in started:
                assert process.stdin
                process.stdin.write(f"{folder}\n")
                process.stdin.flush()


def test_root_opens_what_the_owner_may_open() -> None:
    """A root process creates and opens files with the owner's rights."""
    with tempfile.TemporaryDirectory(dir="/tmp") as above:
        Path(above).chmod(0o755)  # pytest's own folder is closed to the user of the journal
        folder = Path(above) / "state"
        make_folder(folder, 0o700)
        with Journal(folder):
            assert {path.stat().st_uid for path in folder.iterdir()} == {folder.stat().st_uid}
        (folder / "journal.db").unlink()
        (folder / "journal.db").touch(0)
        with pytest.raises(JournalError, match="Permission denied"):
            Journal(folder)
