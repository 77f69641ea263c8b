"""The journal's database: connection, transactions and the locks of jobs.

SQLite runs in WAL mode. A transaction is on the disk when it ends, except those that may be lost.
They survive the end of their process, but not always a power cut, because only the next transaction
that may not be lost brings them to the disk (https://sqlite.org/pragma.html#pragma_synchronous).
All transactions get there in their order, so a lost one is never followed by one that is not lost.

The kernel frees the lock of a job when its process ends, however it ends (fcntl(2)). The table
`meta` has a random id and the number of writes, which the witness (`files`) must match.
"""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import JournalBusy, JournalError, JournalReplaced
from cirrus_bridge.base.privileges import as_owner
from cirrus_bridge.base.translation import tr
from cirrus_bridge.journal.files import JournalFiles, Witness, lock_place
from cirrus_bridge.journal.run_notes import make_state_folder
from cirrus_bridge.journal.schema import VERSION, agrees, check, check_version, damaged, take_steps

BUSY_TIMEOUT_S = 10.0


class JournalDatabase:
    """`journal.db` in `folder`, created if it is missing; use as a context manager.

    Raises (every method):
        JournalBusy: another process kept SQLite's lock for BUSY_TIMEOUT_S.
        JournalReplaced: the files were deleted, replaced or restored while they were open.
        JournalDamaged: the database is damaged.
        JournalError: the journal cannot be read or written.
    """

    _db: sqlite3.Connection
    _outlives_its_folder: ClassVar[bool] = False

    def __init__(self, folder: Path) -> None:
        self._path = folder / "journal.db"
        self._is_open = self._is_replaced = False
        with self._translated():
            make_state_folder(folder)
            # All files are opened here, with the owner's rights, and stay open. So root creates no
            # file of its own, and the owner cannot mislead root by a link.
            with as_owner(str(folder)), contextlib.ExitStack() as opened:
                self._open(folder, opened)
                self._opened = opened.pop_all()
        self._is_open = True

    def _open(self, folder: Path, opened: contextlib.ExitStack) -> None:
        self._files = JournalFiles(folder)
        opened.callback(self._files.close)
        with self._files.preparing():
            self._files.make_database()
            self._db = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            opened.callback(self._db.close)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("SELECT 1 FROM sqlite_master").fetchone()  # SQLite opens its files now
            self._files.connected()
            if self._files.are_replaced():
                raise self._replaced()
            self._prepare()
            self._hear_witness()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._opened.close()

    def check_current(self) -> None:
        """Check that the open files are those at their paths, as every method does. If they are
        not, the journal now at the path is distrusted (`distrust`)."""
        with self._translated():
            pass

    def trusted_since_s(self) -> float:
        """The time since which the journal knows all jobs (seconds since the epoch; 0: always). An
        older job that is missing from the journal may have been printed already."""
        return float(self._row("SELECT trusted_since_s FROM meta")[0])

    def distrust(self, now_s: float) -> None:
        """Note that this journal has just replaced another one."""
        with self._transaction():
            self._db.execute("UPDATE meta SET trusted_since_s = max(trusted_since_s, ?)", (now_s,))

    def check(self) -> None:
        """Check the database, or of a large one what matters most (`schema.check`)."""
        with self._translated():
            damage = check(self._db).damage
        if damage:
            raise damaged(self._path, "; ".join(damage))

    def check_job(self, job_uuid: str, job_id: int) -> None:
        """Check that the indexes have all rows of a job."""
        with self._translated():
            is_whole = agrees(self._db, job_uuid, job_id)
        if not is_whole:
            raise damaged(self._path, "an index disagrees with its table")

    def claim(self, job_uuid: str, job_id: int) -> bool:
        """Take the lock of a job; return False while another process has the lock."""
        with self._translated():
            try:
                place = lock_place(job_uuid, job_id)
                fcntl.lockf(self._files.locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
            except BlockingIOError:
                return False
        self.check_current()  # others look for the lock in the file at the path
        return True

    def unclaim(self, job_uuid: str, job_id: int) -> None:
        """Free the lock of a job."""
        with self._translated():
            fcntl.lockf(self._files.locks, fcntl.LOCK_UN, 1, lock_place(job_uuid, job_id))

    def _prepare(self) -> None:
        self._db.execute("PRAGMA foreign_keys = ON")
        if check_version(self._db, self._path) < VERSION:
            with self._immediate():
                take_steps(self._db)

    def _hear_witness(self) -> None:
        """Distrust a database that is behind its witness, and give it a new id."""
        witness = self._files.witness()  # read first: the database may only be ahead of it
        known = self._identity("SELECT id, serial FROM meta")
        if witness is None:
            self._files.testify(known)
        elif witness != known and not witness.is_older_than(known):
            with self._immediate():
                self._db.execute("UPDATE meta SET trusted_since_s = ?", (Clock().wall_s(),))
                known = self._identity(
                    "UPDATE meta SET id = lower(hex(randomblob(16))) RETURNING id, serial"
                )
            self._files.testify(known)

    def _identity(self, statement: str) -> Witness:
        (row,) = self._db.execute(statement).fetchall()
        return Witness(*row)

    def _rows(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        with self._translated():
            return self._db.execute(query, values).fetchall()

    def _row(self, query: str, values: Sequence[object] = ()) -> Any:
        """The first row that a query finds, or None."""
        with self._translated():
            return self._db.execute(query, values).fetchone()

    def _exists(self, query: str, values: Sequence[object]) -> bool:
        return self._row(query, values) is not None

    @contextlib.contextmanager
    def _transaction(self, *, may_be_lost: bool = False) -> Iterator[None]:
        """Write in the context, in one transaction. It may be lost in a power cut if that only
        repeats work: an upload or a query, but no submit, and no report to CUPS or a program."""
        with self._translated():
            with self._immediate(may_be_lost=may_be_lost):
                written = self._identity("UPDATE meta SET serial = serial + 1 RETURNING id, serial")
                witness = self._files.witness()
                if witness is not None and not witness.is_older_than(written):
                    raise self._replaced()  # restored in place while it was open
                yield
            if not may_be_lost:  # the witness must not be ahead of the disk
                self._files.testify(written)

    @contextlib.contextmanager
    def _immediate(self, *, may_be_lost: bool = False) -> Iterator[None]:
        self._db.execute(f"PRAGMA synchronous = {'NORMAL' if may_be_lost else 'FULL'}")
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # a signal can raise at any line
                self._db.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            if self._is_open:
                self._check_files()
            yield
        except (sqlite3.DatabaseError, OSError) as error:
            raise self._error(error) from error

    def _check_files(self) -> None:
        if self._is_replaced:
            raise self._replaced()
        if self._db.in_transaction or not self._files.are_replaced():
            return
        if self._outlives_its_folder and not self._files.folder.exists():
            return  # no other process can open a journal there
        self._is_replaced = True
        self._db.close()
        with self._files.preparing():
            self._files.remove_leftovers()
        self._opened.close()
        with JournalDatabase(self._files.folder) as successor:
            successor.distrust(Clock().wall_s())
        raise self._replaced()

    def _replaced(self) -> JournalReplaced:
        return JournalReplaced(
            tr(
                "The journal {path} was deleted or replaced while it was in use. Cirrus Bridge now "
                "uses the new journal. Older jobs that are missing from the new journal are held.",
                path=self._path,
            ),
            tr("Look at the printer before you release these jobs."),
        )

    def _error(self, error: sqlite3.DatabaseError | OSError) -> JournalError:
        if isinstance(error, sqlite3.DatabaseError):
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)  # not UTF-8
            if code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                return JournalBusy(
                    tr(
                        "The journal {path} is in use by another program. If a job is held for "
                        "this reason, the job continues by itself when the journal is free.",
                        path=self._path,
                    ),
                    detail=str(error),
                )
            if code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                return damaged(self._path, error)
        return JournalError(
            tr(
                "The journal {path} cannot be used ({error}). Without the journal, a job could "
                "be printed twice.",
                path=self._path,
                error=error,
            ),
            tr("Check the disk space and rights there, then release the job."),
        )
