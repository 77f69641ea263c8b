"""The journal's files: the database with its schema and transactions, and the locks of jobs.

SQLite in WAL mode; a transaction that has ended is on the disk. Knows nothing of what the rows
mean. A lock ends with the process that holds it, however that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Self, TypeAlias

from cirrus_bridge.clock import Clock
from cirrus_bridge.errors import JournalBusy, JournalError
from cirrus_bridge.privileges import as_owner
from cirrus_bridge.words import tr

BUSY_TIMEOUT_S = 10.0
CLOSED_FILES_S = 5.0
_PREPARING = 1 << 60  # a byte of the lock file that stands for no job
View: TypeAlias = sqlite3.Connection
# Step n makes version n + 1 of the database out of version n.
_STEPS = (
    """
CREATE TABLE document (
    job_uuid TEXT NOT NULL,
    job_id INTEGER NOT NULL,
    print_run INTEGER NOT NULL,
    destination TEXT NOT NULL,
    number INTEGER NOT NULL,
    queue TEXT NOT NULL,
    user TEXT NOT NULL,
    title TEXT NOT NULL,
    phase TEXT NOT NULL,
    pass_started INTEGER NOT NULL,
    ended INTEGER NOT NULL DEFAULT 0,
    temp_file TEXT,
    sha256 TEXT,
    size_bytes INTEGER,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    PRIMARY KEY (job_uuid, job_id, print_run, destination, number)
) STRICT;
CREATE TABLE segment (
    job_uuid TEXT NOT NULL,
    job_id INTEGER NOT NULL,
    print_run INTEGER NOT NULL,
    destination TEXT NOT NULL,
    number INTEGER NOT NULL,
    position INTEGER NOT NULL,
    length INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (job_uuid, job_id, print_run, destination, number, position),
    FOREIGN KEY (job_uuid, job_id, print_run, destination, number)
        REFERENCES document (job_uuid, job_id, print_run, destination, number) ON DELETE CASCADE
) STRICT;
CREATE TABLE delivery (
    job_uuid TEXT NOT NULL,
    job_id INTEGER NOT NULL,
    print_run INTEGER NOT NULL,
    destination TEXT NOT NULL,
    number INTEGER NOT NULL,
    target_number INTEGER NOT NULL,
    location TEXT NOT NULL,
    device TEXT NOT NULL,
    cloud_job_id TEXT,
    state INTEGER,
    message TEXT NOT NULL DEFAULT '',
    submitted TEXT NOT NULL DEFAULT '',
    received TEXT NOT NULL DEFAULT '',
    delivered TEXT NOT NULL DEFAULT '',
    updated_at REAL NOT NULL,
    PRIMARY KEY (job_uuid, job_id, print_run, destination, number, target_number),
    FOREIGN KEY (job_uuid, job_id, print_run, destination, number)
        REFERENCES document (job_uuid, job_id, print_run, destination, number) ON DELETE CASCADE
) STRICT;
""",
    """
ALTER TABLE document ADD COLUMN open_runs INTEGER NOT NULL DEFAULT 0;
ALTER TABLE document ADD COLUMN class_name TEXT NOT NULL DEFAULT '';
CREATE TABLE server (
    name TEXT PRIMARY KEY,
    one_at_a_time_since REAL NOT NULL
) STRICT;
""",
    """
ALTER TABLE document ADD COLUMN handover TEXT NOT NULL DEFAULT '';
ALTER TABLE document ADD COLUMN device_uri TEXT NOT NULL DEFAULT '';
ALTER TABLE document ADD COLUMN poller TEXT;
ALTER TABLE document ADD COLUMN accepted_at REAL;
ALTER TABLE document ADD COLUMN closed_at REAL;
ALTER TABLE document ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN received_at REAL;
ALTER TABLE delivery ADD COLUMN final_at REAL;
UPDATE document SET accepted_at = updated_at WHERE phase = 'accepted';
UPDATE document SET closed_at = updated_at WHERE phase = 'accepted' AND ended = 1;
CREATE INDEX document_open ON document (handover, poller) WHERE closed_at IS NULL;
CREATE INDEX document_closed ON document (closed_at) WHERE closed_at IS NOT NULL;
CREATE TABLE poller (
    name TEXT PRIMARY KEY,
    alive_until REAL NOT NULL
) STRICT;
""",
    """
ALTER TABLE document ADD COLUMN completed_before INTEGER NOT NULL DEFAULT 0;
UPDATE document SET completed_before = print_run;
""",
    """
ALTER TABLE document ADD COLUMN language TEXT NOT NULL DEFAULT '';
""",
    # one state in place of phase, handover, ended and pass_started (lifecycle.State)
    """
ALTER TABLE document ADD COLUMN state TEXT NOT NULL DEFAULT 'sending';
UPDATE document SET state = CASE
    WHEN phase = 'accepted' AND closed_at IS NOT NULL THEN 'closed'
    WHEN phase = 'accepted' AND handover = 'hold' THEN 'held'
    WHEN phase = 'accepted' AND handover = 'complete' THEN 'left'
    WHEN phase = 'accepted' THEN 'followed'
    WHEN phase != 'intent' AND ended = 1 THEN 'dropped'
    WHEN phase = 'intent' AND closed_at IS NOT NULL THEN 'abandoned'
    WHEN phase = 'intent' AND pass_started = -1 THEN 'reprint'
    WHEN phase = 'intent' THEN 'sending'
    WHEN closed_at IS NOT NULL THEN 'abandoned-in-doubt'
    ELSE phase END;
UPDATE document SET closed_at = updated_at WHERE state = 'dropped' AND closed_at IS NULL;
DROP INDEX document_open;
ALTER TABLE document DROP COLUMN phase;
ALTER TABLE document DROP COLUMN handover;
ALTER TABLE document DROP COLUMN ended;
ALTER TABLE document DROP COLUMN pass_started;
ALTER TABLE document RENAME COLUMN completed_before TO completed_at;
ALTER TABLE document RENAME COLUMN attempt TO reprints;
ALTER TABLE document ADD COLUMN waits_for TEXT NOT NULL DEFAULT '';
ALTER TABLE document ADD COLUMN trying_since REAL;
ALTER TABLE document ADD COLUMN give_up_at REAL;
ALTER TABLE document ADD COLUMN submit_key TEXT NOT NULL DEFAULT '';
ALTER TABLE document ADD COLUMN submit_form TEXT NOT NULL DEFAULT '';
CREATE INDEX document_open ON document (state, poller) WHERE closed_at IS NULL;
""",
)
VERSION = len(_STEPS)


class JournalDatabase:
    """`journal.db` in `folder`, made if there is none; use as a context manager.

    Raises (every method):
        JournalBusy: another process kept the lock for BUSY_TIMEOUT_S.
        JournalError: it can not be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "journal.db"
        with self._translated():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._open(folder)

    def _open(self, folder: Path) -> None:
        # all files are opened here, and stay open: a poller that is root goes where no link leads
        with as_owner(str(folder)):
            self._locks = _private(folder / "jobs.lock")
            # user names and titles are nobody else's business; WAL files take over mode and owner
            os.close(_private(self._path))
            # SQLite does not wait when two make a new database at once
            fcntl.lockf(self._locks, fcntl.LOCK_EX, 1, _PREPARING)
            try:
                self._db = self._connected()
                self._prepare()
            finally:
                fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, _PREPARING)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._db.close()
        os.close(self._locks)

    def claim(self, job_uuid: str, job_id: int) -> bool:
        """Take the lock of a job; False while another process has it."""
        try:
            place = lock_place(job_uuid, job_id)
            fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except BlockingIOError:
            return False
        except OSError as error:
            raise self._broken(error) from error
        return True

    def unclaim(self, job_uuid: str, job_id: int) -> None:
        """Give the lock of a job back."""
        with self._translated():
            fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, lock_place(job_uuid, job_id))

    def _connected(self) -> sqlite3.Connection:
        # when root looks into it first, SQLite makes the WAL's files root's, and gives them to the
        # journal's owner a moment later: whoever opens them then can not, or can only read for good
        clock = Clock()
        until_s = clock.monotonic_s() + CLOSED_FILES_S
        while True:
            db = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            try:
                db.execute("PRAGMA journal_mode = WAL")
                _check_writable(db)
            except sqlite3.Error as error:
                db.close()
                code = getattr(error, "sqlite_errorcode", 0) & 0xFF
                closed = code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
                if not closed or clock.monotonic_s() > until_s:
                    raise
            else:
                return db
            clock.sleep(0.01)

    def _prepare(self) -> None:
        version = self._user_version()
        self._db.execute("PRAGMA synchronous = FULL")  # what is returned from is on the disk
        self._db.execute("PRAGMA foreign_keys = ON")
        if version > VERSION:
            raise JournalError(
                tr(
                    "The journal {path} was written by a newer version of Cirrus Bridge. Update "
                    "this machine's cirrus-bridge, then release the job.",
                    path=self._path,
                )
            )
        if version < VERSION:
            self._upgrade()

    def _upgrade(self) -> None:
        with self._transaction():
            take_steps(self._db, self._user_version())  # another was quicker?

    def _user_version(self) -> int:
        version: int = self._db.execute("PRAGMA user_version").fetchone()[0]
        return version

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._translated():
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a signal may come between any two lines
                    self._db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise JournalBusy(
                    tr(
                        "The journal {path} is in use; CUPS tries the job again soon.",
                        path=self._path,
                    ),
                    detail=str(error),
                ) from error
            raise self._broken(error) from error
        except (sqlite3.DatabaseError, OSError) as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> JournalError:
        return JournalError(
            tr(
                "The journal {path} can not be used ({error}), and without it a job could be "
                "printed twice. Check the disk space and rights there, then release the job.",
                path=self._path,
                error=error,
            )
        )


def _check_writable(db: View) -> None:
    """A database that is busy is known to be writable, and not waited for."""
    db.execute("PRAGMA busy_timeout = 0")
    try:
        db.execute("BEGIN IMMEDIATE")
        db.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
    db.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000:.0f}")


def take_steps(db: View, version: int) -> None:
    """Make VERSION of the database out of an older one, inside a transaction; 0 is an empty one."""
    for step in _STEPS[version:]:
        for statement in filter(str.strip, step.split(";")):
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {VERSION}")


def _private(path: Path) -> int:
    """Open a file of the folder's owner, whoever is at work: root makes none that only root can
    open."""
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    owner = path.parent.stat().st_uid
    if os.geteuid() == 0 != owner:
        os.fchown(handle, owner, -1)
    return handle


def lock_place(job_uuid: str, job_id: int) -> int:
    """One byte of a file stands for a job: nothing is left behind that had to be cleaned up."""
    digest = hashlib.sha256(f"{job_id} {job_uuid}".encode()).digest()
    return int.from_bytes(digest[:7], "big")
