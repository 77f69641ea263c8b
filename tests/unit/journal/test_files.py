"""A journal that is deleted, replaced or restored is noticed and distrusted."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cirrus_bridge.base.errors import JournalReplaced
from cirrus_bridge.base.model import DocumentKey, PrintJob, Target
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.journal.schema import STEPS
from cirrus_bridge.journal.submissions import Journal
from paths import SUPPORT
from programs import Program

JOB = PrintJob(1, "urn:uuid:a", "ann", "t", 1, "q")
KEY = DocumentKey(JOB.job_uuid, JOB.job_id, 0, "cirrus://h/C/L:D", 1)
TARGETS = [Target("L", "D")]
SQLITE_FILES = ("journal.db", "journal.db-wal", "journal.db-shm")


def write(journal: Journal, job_id: int = 1) -> None:
    """Write a document that must not be lost."""
    key = DocumentKey(JOB.job_uuid, job_id, 0, KEY.destination, 1)
    journal.intent(key, JOB, TARGETS, now_s=1)
    submit(journal, key)


def submit(journal: Journal, key: DocumentKey) -> None:
    """Note that a document is about to be submitted."""
    journal.submitting(key, "ab", 9, 5, submit_key="k", submit_form="f", now_s=1)


def knows(folder: Path, job_id: int = 1) -> bool:
    """Whether the journal at this path has the document."""
    with Journal(folder) as journal:
        return bool(journal.entries(JOB.job_uuid, job_id))


def trusted_since_s(folder: Path) -> float:
    """The value that a new process finds."""
    with Journal(folder) as journal:
        return journal.trusted_since_s()


def copy_of(folder: Path) -> Path:
    """Back up the database by SQLite's own means."""
    backup = folder.with_name("backup.db")
    with (
        contextlib.closing(sqlite3.connect(folder / "journal.db")) as db,
        contextlib.closing(sqlite3.connect(backup)) as copy,
    ):
        db.backup(copy)
    return backup


def delete_database(folder: Path) -> None:
    (folder / "journal.db").unlink()


def delete_all_of_sqlite(folder: Path) -> None:
    for name in SQLITE_FILES:
        (folder / name).unlink(missing_ok=True)


def delete_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def replace_database(folder: Path) -> None:
    folder.with_name("backup.db").replace(folder / "journal.db")


def replace_all_of_sqlite(folder: Path) -> None:
    delete_all_of_sqlite(folder)
    replace_database(folder)


def delete_locks(folder: Path) -> None:
    (folder / "jobs.lock").unlink()


CHANGES = [
    delete_database,
    delete_all_of_sqlite,
    replace_database,
    replace_all_of_sqlite,
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the journal, which does not exist yet."""
    return tmp_path / "state"


@pytest.fixture
def used(folder: Path) -> Iterator[Journal]:
    """An open journal that knows document 2, with a backup that does not."""
    with Journal(folder) as journal:
        write(journal)
        copy_of(folder)
        write(journal, 2)
        yield journal


def test_a_fresh_journal_is_trusted(folder: Path) -> None:
    """Nothing was printed before the journal was created."""
    assert trusted_since_s(folder) == 0
    with Journal(folder) as one, Journal(folder) as other:
        for number in range(5):
            write(one, number)
            write(other, number)
    assert trusted_since_s(folder) == 0


@pytest.mark.parametrize("change", [*CHANGES, delete_locks])
def test_an_open_journal_notices(
    folder: Path, used: Journal, change: Callable[[Path], None]
) -> None:
    """An open journal neither reads, writes nor locks files that are no longer at the path."""
    change(folder)
    for use in (
        lambda: write(used, 3),
        lambda: used.entries(JOB.job_uuid, 2),
        lambda: used.claim(JOB.job_uuid, 2),
        used.check_current,
    ):
        with pytest.raises(JournalReplaced, match=r"journal\.db"):
            use()
    assert trusted_since_s(folder) > 1e9
    assert not knows(folder, 3)


@pytest.mark.parametrize("change", CHANGES)
def test_the_new_journal_is_used(
    folder: Path, used: Journal, change: Callable[[Path], None]
) -> None:
    """Nothing of the old file gets into the new one, and new writes stay."""
    change(folder)
    with pytest.raises(JournalReplaced):
        used.check_current()
    with Journal(folder) as journal:
        assert not journal.entries(JOB.job_uuid, 2)
        assert bool(journal.entries(JOB.job_uuid, 1)) is ("replace" in change.__name__)
        journal.check()
        write(journal, 4)
    used.__exit__()
    assert knows(folder, 4)


def test_a_job_outlives_a_purge(folder: Path, used: Journal) -> None:
    """A running job continues to write after the folder is deleted. Its writes are not kept."""
    delete_folder(folder)
    write(used, 3)
    assert used.entries(JOB.job_uuid, 2) and used.entries(JOB.job_uuid, 3)
    used.check_current()
    assert not folder.exists()


def test_a_journal_after_a_purge_ends_the_old_one(folder: Path, used: Journal) -> None:
    """Two journals at a time would print a job twice, if the package is installed again."""
    delete_folder(folder)
    assert not knows(folder, 2)
    with pytest.raises(JournalReplaced, match=r"journal\.db"):
        write(used, 3)
    assert not knows(folder, 3)


def test_the_poller_notices_a_purge(folder: Path, used: Journal) -> None:
    """The poller does not continue in a journal that was deleted."""
    with PollerJournal(folder) as poller:
        delete_folder(folder)
        with pytest.raises(JournalReplaced, match=r"journal\.db"):
            poller.check_current()


def test_deleted_while_another_process_has_it(folder: Path) -> None:
    """Files of the old database, which the other process still uses, do not become a part of the
    new one."""
    code = (
        f"import sys, pathlib; sys.path.append({str(SUPPORT)!r})\n"
        "from test_files import *\n"
        "journal = Journal(pathlib.Path(sys.argv[1])); write(journal); print('open', flush=True)\n"
        "input()\n"
        "with contextlib.suppress(JournalReplaced): write(journal, 2)"
    )
    command = [sys.executable, "-c", code, str(folder)]
    with Program[bytes](
        command, cwd=Path(__file__).parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        delete_database(folder)
        with Journal(folder) as journal:
            assert not journal.entries(JOB.job_uuid, 1)
            write(journal, 3)
            other.communicate(b"\n", timeout=30)
            assert other.returncode == 0
            write(journal, 4)
    assert knows(folder, 3) and knows(folder, 4) and not knows(folder, 2)


@pytest.mark.parametrize("change", CHANGES)
def test_replaced_while_nobody_looks(folder: Path, change: Callable[[Path], None]) -> None:
    """A database that is behind its witness was restored or created again."""
    with Journal(folder) as journal:
        write(journal)
        copy_of(folder)
        write(journal, 2)
    assert trusted_since_s(folder) == 0
    change(folder)
    since_s = trusted_since_s(folder)
    assert since_s > 1e9
    assert trusted_since_s(folder) == since_s
    assert not knows(folder, 2)


def test_restored_without_what_came_last(folder: Path) -> None:
    """A complete copy is trusted; a copy without the last write is not."""
    with Journal(folder) as journal:
        write(journal)
        write(journal, 2)
    copy_of(folder)
    replace_database(folder)
    assert trusted_since_s(folder) == 0
    copy_of(folder)
    with Journal(folder) as journal:
        write(journal, 3)
    replace_database(folder)
    assert trusted_since_s(folder) > 1e9


def test_restored_in_place(folder: Path, used: Journal) -> None:
    """A restore by SQLite keeps the file. A process that has the file open writes nothing to it."""
    with (
        contextlib.closing(sqlite3.connect(folder.with_name("backup.db"))) as backup,
        contextlib.closing(sqlite3.connect(folder / "journal.db")) as db,
    ):
        backup.backup(db)
    with pytest.raises(JournalReplaced):
        write(used, 3)
    assert trusted_since_s(folder) > 1e9
    assert not knows(folder, 3)


def test_restored_in_place_before_the_submit(folder: Path, used: Journal) -> None:
    """The witness does not know the intent, because a power cut may take it. The document is not
    submitted without its row."""
    copy_of(folder)
    key = DocumentKey(JOB.job_uuid, 3, 0, KEY.destination, 1)
    used.intent(key, JOB, TARGETS, now_s=1)
    with (
        contextlib.closing(sqlite3.connect(folder.with_name("backup.db"))) as backup,
        contextlib.closing(sqlite3.connect(folder / "journal.db")) as db,
    ):
        backup.backup(db)
    with pytest.raises(JournalReplaced):
        submit(used, key)
    assert not knows(folder, 3)


def test_writes_that_a_damaged_wal_has_lost(folder: Path) -> None:
    """SQLite silently drops frames of the WAL that follow a damaged one."""
    code = (
        f"import sys, os, pathlib; sys.path.append({str(SUPPORT)!r})\n"
        "from test_files import *\n"
        "journal = Journal(pathlib.Path(sys.argv[1])); write(journal, 7)\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], cwd=Path(__file__).parent)
    wal = folder / "journal.db-wal"
    content = bytearray(wal.read_bytes())
    frame_bytes = 24 + 4096  # https://sqlite.org/fileformat2.html#walformat
    content[-5 * frame_bytes] ^= 1  # in the intent, the last write but one
    wal.write_bytes(content)
    assert trusted_since_s(folder) > 1e9
    assert not knows(folder, 7)


def test_journal_of_the_version_before(folder: Path) -> None:
    """An older journal is trusted, unless it replaces another one."""
    folder.mkdir()
    with contextlib.closing(sqlite3.connect(folder / "journal.db")) as db, db:
        for step in STEPS[:5]:
            for statement in filter(str.strip, step.split(";")):
                db.execute(statement)
        db.execute("PRAGMA user_version = 5")
    (folder / "jobs.lock").touch()
    shutil.copy(folder / "journal.db", folder.with_name("backup.db"))
    assert trusted_since_s(folder) == 0
    replace_database(folder)
    assert trusted_since_s(folder) > 1e9


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 74, b"x" * 200, b"\xff y y", b"%032d %020d %020d" % (1, 2, 3)]
)
def test_half_a_witness(folder: Path, content: bytes) -> None:
    """An unreadable witness, which a crash may leave, does not cast doubt on the journal."""
    with Journal(folder) as journal:
        write(journal)
    (folder / "jobs.lock").write_bytes(content)
    assert trusted_since_s(folder) == 0
    copy_of(folder)
    with Journal(folder) as journal:
        write(journal, 2)
    replace_database(folder)
    assert trusted_since_s(folder) > 1e9


def test_processes_that_write_at_once(folder: Path) -> None:
    """Writes of other processes do not look like a replaced journal."""
    code = (
        f"import sys, pathlib; sys.path.append({str(SUPPORT)!r})\n"
        "from test_files import *\n"
        "for i in range(15):\n"
        "    with Journal(pathlib.Path(sys.argv[1])) as journal:\n"
        "        for n in range(10): write(journal, n)"
    )
    command = [sys.executable, "-c", code, str(folder)]
    started = [Program(command, cwd=Path(__file__).parent) for _ in range(4)]
    assert [process.wait(60) for process in started] == [0] * 4
    assert trusted_since_s(folder) == 0
