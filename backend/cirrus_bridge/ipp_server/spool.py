"""The spool: accepted jobs with their documents, on disk.

A job and its document are on the disk before the client is told that the job is accepted. The
document is deleted when the job has ended. The row stays for a while, for clients that ask.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import shutil
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.base.model import DEFAULT_PRIORITY
from cirrus_bridge.ipp.message import JobState
from cirrus_http.networks import network

VERSION = 1
SPOOL_FAULTS = (sqlite3.Error, OSError)  # such as a full disk
_SCHEMA = """
CREATE TABLE job (
    job_id INTEGER PRIMARY KEY AUTOINCREMENT,  -- an id is never given twice
    job_uuid TEXT NOT NULL UNIQUE, printer TEXT NOT NULL, queue_uri TEXT NOT NULL,
    user TEXT NOT NULL, host TEXT NOT NULL, title TEXT NOT NULL, language TEXT NOT NULL,
    attributes BLOB NOT NULL, private BLOB NOT NULL,
    priority INTEGER NOT NULL, hold_until TEXT NOT NULL,
    media_type TEXT NOT NULL, document TEXT NOT NULL, size_bytes INTEGER NOT NULL,
    state INTEGER NOT NULL, reasons TEXT NOT NULL, message TEXT NOT NULL,
    created_s REAL NOT NULL, processing_s REAL, completed_s REAL, first_run_s REAL,
    open_runs INTEGER NOT NULL
) STRICT;
CREATE INDEX job_open ON job (printer, state) WHERE state < 7;
CREATE INDEX job_ended ON job (completed_s) WHERE state >= 7;
CREATE INDEX job_of_printer ON job (printer, job_id);
"""
INCOMING = "job-incoming"  # the only reason of a job that waits for its document
_OPEN = f"state < {int(JobState.CANCELED)}"


@dataclass(frozen=True, slots=True)
class SpooledJob:
    """A job of a client. Times are seconds since the epoch; None for never.

    Attributes:
        printer: the name of the `OfferedPrinter`.
        queue_uri: the device, as the URI of a queue.
        user: who printed, by the client's word unless the service asks for a sign-in.
        language: of the client, such as "de-at" (attributes-natural-language).
        attributes: the job's attributes as the client sent them, an encoded IPP message.
        private: attributes that a run needs, and nobody may see (a PIN), until the job has ended;
            encoded as well.
        hold_until: job-hold-until; empty if the job need not be held.
        media_type: document-format, or what the document was found to be.
        document: the name of the document's file; empty before the document has come.
        reasons: job-state-reasons.
        message: job-state-message in each language of the catalogs ("": English).
        first_run_s: when the document was first about to be sent.
        open_runs: how many runs in a row were killed, counting one that is under way.
    """

    job_id: int
    job_uuid: str
    printer: str
    queue_uri: str
    user: str
    host: str
    title: str
    language: str
    attributes: bytes
    private: bytes = field(default=b"", repr=False)
    priority: int = DEFAULT_PRIORITY
    hold_until: str = ""
    media_type: str = ""
    document: str = ""
    size_bytes: int = 0
    state: JobState = JobState.PENDING
    reasons: tuple[str, ...] = ()
    message: Mapping[str, str] = field(default_factory=dict)
    created_s: float = 0.0
    processing_s: float | None = None
    completed_s: float | None = None
    first_run_s: float | None = None
    open_runs: int = 0


_NAMES = tuple(each.name for each in dataclasses.fields(SpooledJob))
_COMPARED = ("job_id", "state", "reasons", "document", "hold_until")
_SELECT = f"SELECT {', '.join(_NAMES)} FROM job WHERE "
_SELECT_BRIEFLY = _SELECT.replace(" attributes, private,", " x'', x'',")


def _free_bytes(folder: Path) -> int:
    """The bytes that this user may still write to the disk."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


class IncomingDocument:
    """A document that a client is sending. `close` deletes the file, unless a job keeps it.

    Attributes:
        job_id: its job; 0 for a new one.
        network: the client's (`cirrus_http.networks`).
    """

    def __init__(
        self, folder: Path, job_id: int, network: str, closed: Callable[[IncomingDocument], None]
    ) -> None:
        self.name = uuid.uuid4().hex
        self.size_bytes = 0
        self.job_id, self.network = job_id, network
        self._closed = closed
        self._path = folder / self.name
        self._file: BinaryIO = open(self._path, "xb", buffering=0)  # noqa: SIM115, PTH123
        self._is_kept = False

    def write(self, data: bytes) -> None:
        """Append a part. Raises OSError, such as for a full disk."""
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) or 0 :]
        self.size_bytes += len(data)

    def sync(self) -> None:
        """Bring the file to the disk."""
        os.fsync(self._file.fileno())
        to_disk(self._path.parent)

    def keep(self) -> None:
        """Keep the file: a job in the spool has its name."""
        self._is_kept = True

    def close(self) -> None:
        """End the reception."""
        if self._file.closed:
            return
        self._file.close()
        if not self._is_kept:
            self._path.unlink(missing_ok=True)
        self._closed(self)


class Spool:
    """The spool in `folder`, which is created if it is missing. Any thread may use a spool.

    Raises (every method): sqlite3.Error or OSError, such as for a full disk; nothing has changed
    then.
    """

    def __init__(self, folder: Path, free_bytes: Callable[[Path], int] = _free_bytes) -> None:
        self.folder = folder / "spool"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._receiving: list[IncomingDocument] = []
        self._free_bytes = free_bytes
        self._db = sqlite3.connect(
            folder / "spool.db", isolation_level=None, check_same_thread=False
        )
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA secure_delete = ON")  # nothing stays of a PIN
        with self._transaction():
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in filter(str.strip, _SCHEMA.split(";\n")):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {VERSION}")
        self._delete_strays()

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def receive(self, job_id: int = 0, host: str = "") -> IncomingDocument:
        """Begin to receive a document of a host, for a job of the spool or for a new one."""
        document = IncomingDocument(self.folder, job_id, network(host), self._received)
        with self._lock:
            self._receiving.append(document)
        return document

    def _received(self, document: IncomingDocument) -> None:
        with self._lock:
            self._receiving.remove(document)

    def is_receiving(self, job_id: int) -> bool:
        """Whether a client is sending a document for a job of the spool."""
        with self._lock:
            return any(each.job_id == job_id for each in self._receiving)

    def has_room(self, document: IncomingDocument, size_bytes: int) -> bool:
        """Whether a document may grow. The documents of one network are never larger than what they
        leave free on the disk, so they leave room for others."""
        with self._lock:
            rows = self._db.execute(
                f"SELECT host, sum(size_bytes) FROM job WHERE {_OPEN} GROUP BY host"
            ).fetchall()
            here = [each for each in self._receiving if each.network == document.network]
        stored = sum(size for host, size in rows if network(host) == document.network)
        own_bytes: int = stored + sum(each.size_bytes for each in here)
        return own_bytes + 2 * size_bytes <= self._free_bytes(self.folder)

    def path(self, job: SpooledJob) -> Path:
        """The document of a job."""
        return self.folder / job.document

    def add(self, job: SpooledJob) -> SpooledJob:
        """Add a job, whose id is chosen here; return the job with its id."""
        row = _row(job)
        del row["job_id"]
        marks = ", ".join("?" * len(row))
        with self._transaction():
            cursor = self._db.execute(
                f"INSERT INTO job ({', '.join(row)}) VALUES ({marks})",
                [*row.values()],
            )
        return dataclasses.replace(job, job_id=int(cursor.lastrowid or 0))

    def get(self, job_id: int) -> SpooledJob | None:
        """A job by its id; None if there is no such job."""
        return next(iter(self._jobs("job_id = ?", [job_id])), None)

    def open_jobs(self, printer: str = "", *, brief: bool = False) -> list[SpooledJob]:
        """The jobs that have not ended, in the order in which they are to be printed.

        Args:
            brief: leave out the attributes, which may be large.
        """
        where, values = (f"{_OPEN} AND printer = ?", [printer]) if printer else (_OPEN, [])
        select = _SELECT_BRIEFLY if brief else _SELECT
        return self._jobs(f"{where} ORDER BY priority DESC, job_id", values, select)

    def ended_jobs(self, printer: str, most: int) -> list[SpooledJob]:
        """The jobs of a printer that have ended, the last one first."""
        where = f"NOT ({_OPEN}) AND printer = ? ORDER BY job_id DESC LIMIT ?"
        return self._jobs(where, [printer, most])

    def count_open(self, printer: str = "") -> int:
        """The number of jobs that have not ended."""
        where, values = (f"{_OPEN} AND printer = ?", [printer]) if printer else (_OPEN, [])
        with self._lock:
            row = self._db.execute(f"SELECT count(*) FROM job WHERE {where}", values)
            return int(row.fetchone()[0])

    def open_counts(self) -> dict[tuple[str, str], int]:
        """The number of jobs that have not ended, by host and user."""
        with self._lock:
            rows = self._db.execute(
                f"SELECT host, user, count(*) FROM job WHERE {_OPEN} GROUP BY host, user"
            ).fetchall()
        return {(host, user): count for host, user, count in rows}

    def change(self, job_id: int, *, unless_ended: bool = True, **values: Any) -> SpooledJob | None:
        """Change a job, and return it as it is now; None if there is no such job.

        Args:
            unless_ended: change nothing if the job has ended.
            values: fields of `SpooledJob`.
        """
        self._update(job_id, _OPEN if unless_ended else "1", values)
        return self.get(job_id)

    def _update(self, job_id: int, where: str, values: Mapping[str, Any]) -> bool:
        """Change a job under a condition; whether there was such a job."""
        row = _written(values)
        columns = ", ".join(f"{name} = ?" for name in row)
        with self._transaction():
            cursor = self._db.execute(
                f"UPDATE job SET {columns} WHERE job_id = ? AND {where}",
                [*row.values(), job_id],
            )
        return cursor.rowcount > 0

    def replace(self, job: SpooledJob, **values: Any) -> SpooledJob | None:
        """Change a job that nobody has changed since `job` was read; return the job as it is now.
        None if it was changed: another thread was faster."""
        row, known = _written(values), _row(job)
        columns = ", ".join(f"{name} = ?" for name in row)
        where = " AND ".join(f"{name} = ?" for name in _COMPARED)
        with self._transaction():
            changed = self._db.execute(
                f"UPDATE job SET {columns} WHERE {where}",
                [*row.values(), *(known[name] for name in _COMPARED)],
            ).rowcount
        return self.get(job.job_id) if changed else None

    def end(self, job_id: int, state: JobState, now_s: float, **values: Any) -> SpooledJob | None:
        """End a job, if it has not ended, and delete its document; return the job as it is now."""
        before = self.get(job_id)
        job = self.change(job_id, state=state, completed_s=now_s, private=b"", **values)
        if before is not None and b"job-password" in before.private:
            with self._lock:  # the write-ahead log still has the PIN
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if job is not None and job.document:
            self.path(job).unlink(missing_ok=True)
            converted_path(self.path(job)).unlink(missing_ok=True)
        return job

    def prune(self, before_s: float, most: int) -> None:
        """Forget the jobs that ended before a time, and all but the last `most` that ended."""
        with self._transaction():
            self._db.execute(
                f"DELETE FROM job WHERE NOT ({_OPEN}) AND (completed_s < ?1 OR job_id <="
                f" (SELECT job_id FROM job WHERE NOT ({_OPEN})"
                " ORDER BY job_id DESC LIMIT 1 OFFSET ?2))",
                (before_s, most),
            )

    def _jobs(
        self, where: str, values: Sequence[object], select: str = _SELECT
    ) -> list[SpooledJob]:
        with self._lock:
            rows = self._db.execute(select + where, values).fetchall()
        return [_job(row) for row in rows]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _delete_strays(self) -> None:
        """Delete documents that no open job has: the service was killed while one came or ended."""
        kept = {job.document for job in self.open_jobs(brief=True)}
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name.partition(".")[0] not in kept:
                path.unlink()


@contextlib.contextmanager
def only_service(folder: Path) -> Iterator[None]:
    """Keep other services away from a folder. The kernel ends this with the process.

    Raises:
        BadConfiguration: another service has the folder.
    """
    with (folder / "service.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadConfiguration(f"Another cirrus-printers uses {folder}.") from None
        yield


def read_spooled(folder: Path, job_id: int) -> SpooledJob | None:
    """A job of the spool in `folder`, for a run in a process of its own; None if there is no such
    job. Raises sqlite3.Error."""
    with contextlib.closing(sqlite3.connect(folder / "spool.db", timeout=10.0)) as db:
        rows = db.execute(_SELECT + "job_id = ?", [job_id]).fetchall()
    return next(map(_job, rows), None)


def converted_path(document: Path) -> Path:
    """The file that a device gets instead of a document, kept for the next run."""
    return document.with_name(f"{document.name}.converted")


def _written(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as columns."""
    row = dict(values)
    if "state" in row:
        row["state"] = int(row["state"])
    if "reasons" in row:
        row["reasons"] = " ".join(row["reasons"])
    if "message" in row:
        row["message"] = json.dumps(dict(row["message"]))
    return row


def _row(job: SpooledJob) -> dict[str, Any]:
    return _written({name: getattr(job, name) for name in _NAMES})


def _job(row: Sequence[Any]) -> SpooledJob:
    values = dict(zip(_NAMES, row, strict=True))
    values["state"] = JobState(values["state"])
    values["reasons"] = tuple(values["reasons"].split())
    values["message"] = json.loads(values["message"])
    return SpooledJob(**values)


def to_disk(path: Path) -> None:
    """Bring a file, or the names of a folder's files, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
