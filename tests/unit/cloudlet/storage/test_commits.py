"""Transactions that are written together."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cirrus_cloudlet.storage.commits import GroupCommit
from cirrus_cloudlet.storage.engine import Connection


class Rig:
    """A database, and the threads that write to it while the test holds the first transaction."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.statements: list[str] = []
        self.errors: list[BaseException] = []
        self.commits = GroupCommit(self._connect, lambda db: db.execute("BEGIN IMMEDIATE"))
        with self.commits.transaction("") as db:
            db.execute("CREATE TABLE t (x INTEGER PRIMARY KEY ON CONFLICT FAIL)")
            db.execute("CREATE TABLE u (x REFERENCES t (x) DEFERRABLE INITIALLY DEFERRED)")
        self.statements.clear()

    def together(self, *works: Callable[[Connection], object]) -> None:
        """Run each work in a transaction and a thread of its own, all behind a first one."""
        threads = []
        with contextlib.suppress(sqlite3.Error), self.commits.transaction("first"):
            for work in works:
                threads.append(threading.Thread(target=self._run, args=(work,)))
                threads[-1].start()
                while self.commits.waiting < len(threads):
                    pass
        for thread in threads:
            thread.join()

    def rows(self) -> list[int]:
        with contextlib.closing(sqlite3.connect(self.path)) as db:
            return [x for (x,) in db.execute("SELECT x FROM t ORDER BY x")]

    def _run(self, work: Callable[[Connection], object]) -> None:
        try:
            with self.commits.transaction("company") as db:
                work(db)
        except (ValueError, OSError, sqlite3.Error) as error:
            self.errors.append(error)

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA foreign_keys = ON")
        db.set_trace_callback(self.statements.append)
        return db


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path / "db")
    yield made
    made.commits.close()


def _insert(number: int) -> Callable[[Connection], object]:
    return lambda db: db.execute("INSERT INTO t VALUES (?)", (number,))


def _fail(db: Connection) -> None:
    db.execute("INSERT INTO t VALUES (99)")
    raise ValueError("fault")


def test_one_commit_for_all(rig: Rig) -> None:
    """Threads that wait for each other need one commit."""
    rig.together(*map(_insert, range(10)))
    assert rig.rows() == list(range(10))
    assert rig.statements.count("COMMIT") == 1


def test_a_large_batch_ends(rig: Rig) -> None:
    """The first member of a long row of threads does not wait for the last one."""
    rig.together(*map(_insert, range(100)))
    assert rig.rows() == list(range(100))
    assert rig.statements.count("COMMIT") == 2


def test_a_member_that_raises_writes_nothing(rig: Rig) -> None:
    """An error in a block undoes that block only, wherever it is in the row."""
    rig.together(_fail, _insert(1), _fail, _insert(2), _fail)
    assert rig.rows() == [1, 2]
    assert [str(error) for error in rig.errors] == ["fault"] * 3
    assert rig.statements.count("COMMIT") == 1


def test_a_failed_commit_fails_all(rig: Rig) -> None:
    """If the commit fails, each member gets its error, and nothing is written."""
    rig.together(_insert(1), lambda db: db.execute("INSERT INTO u VALUES (7)"), _insert(2))
    assert rig.rows() == []
    assert [type(error) for error in rig.errors] == [sqlite3.IntegrityError] * 3
    rig.together(_insert(3))
    assert rig.rows() == [3]


def test_a_rollback_by_sqlite_fails_all(rig: Rig) -> None:
    """If SQLite undoes the transaction, as on a full disk, the members before it fail, too."""
    rig.together(
        _insert(1), lambda db: db.execute("INSERT OR ROLLBACK INTO t VALUES (1)"), _insert(2)
    )
    assert rig.rows() == [2]
    assert [type(error) for error in rig.errors] == [sqlite3.IntegrityError] * 2


def test_a_folder_that_cannot_be_written(rig: Rig, tmp_path: Path) -> None:
    """If new names in a folder cannot be written, the changes that name them are not either."""
    with pytest.raises(FileNotFoundError), rig.commits.transaction("A", tmp_path / "gone") as db:
        db.execute("INSERT INTO t VALUES (1)")
    assert rig.rows() == []
