"""The journal's files: private, identified by their inodes, with a witness beside the database.

Files can be deleted or replaced while they are open. SQLite then keeps using the deleted files
(https://sqlite.org/howtocorrupt.html, 1.4), so their inodes are compared with those at the paths.

The lock file begins with the witness: the journal's id and the serial number of its last write. A
database that is behind its witness was restored or recreated.

This module never opens an existing database. A process that closes any descriptor of a database
loses SQLite's locks on it (https://sqlite.org/howtocorrupt.html, 2.2).

At most one process follows the documents of a journal: the poller, which has a lock on one byte of
the lock file, until it ends in any way. F_OFD_GETLK asks for the lock without taking it, so a
question never keeps a poller from starting. The lock belongs to the open file (fcntl(2), "Open file
description locks"). So closing another descriptor does not free the lock, as it would with lockf.
The poller leaves its name and its last sign of life behind the witness, for people only.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import math
import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

_PREPARING = 1 << 60  # a byte of the lock file above those of jobs
_POLLER = _PREPARING + 1
_FLOCK = "hhqqi"  # struct flock, fcntl(2), with 64-bit offsets
_SIGN_AT, _NAME_BYTES, _SIGN_BYTES = 128, 64, 86  # the witness stands before
_RECORD_BYTES = 74
_Inode: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Witness:
    """The journal's id, and a number of writes that the journal has at least."""

    journal_id: str
    serial: int

    def is_older_than(self, journal: Witness) -> bool:
        """Whether `journal` is the same journal, with more writes."""
        return self.journal_id == journal.journal_id and self.serial < journal.serial


@dataclass(frozen=True, slots=True)
class PollerSign:
    """The name of the last poller and its last sign of life, in seconds since the epoch."""

    name: str
    at_s: float


class JournalFiles:
    """The files in `folder`; `locks` is a descriptor of the lock file.

    Raises (every method):
        OSError: a file cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "journal.db"
        self._sqlite_files = [folder / f"journal.db-{name}" for name in ("wal", "shm")]
        self._lock_file = folder / "jobs.lock"
        self.locks = _private(self._lock_file)
        self._open: dict[Path, _Inode | None] = {}

    @contextlib.contextmanager
    def preparing(self) -> Iterator[None]:
        """Use the files exclusively inside the context, because SQLite does not wait if two
        processes create a database."""
        fcntl.lockf(self.locks, fcntl.LOCK_EX, 1, _PREPARING)
        try:
            yield
        finally:
            fcntl.lockf(self.locks, fcntl.LOCK_UN, 1, _PREPARING)

    def make_database(self) -> None:
        """Create an empty database if there is none."""
        # user names and titles are private; SQLite gives the WAL files the same mode and owner
        with contextlib.suppress(FileExistsError):
            os.close(_private(self.database, os.O_EXCL))
            for path in self._sqlite_files:  # files of a deleted database
                path.unlink(missing_ok=True)
        if not stat.S_ISREG(self.database.lstat().st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        if not os.access(self.database, os.R_OK | os.W_OK, effective_ids=True):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        self._open = {self.database: _inode(self.database)}

    def connected(self) -> None:
        """Note the inodes of the files that SQLite now has open."""
        self._open |= {path: _inode(path) for path in self._sqlite_files}
        self._open[self._lock_file] = _inode(self.locks)

    def are_replaced(self) -> bool:
        """Whether one of the open files was deleted or replaced."""
        return any(_inode(path) != inode for path, inode in self._open.items())

    def remove_leftovers(self) -> None:
        """Delete files that SQLite would mistake for a part of the database now at the path: a WAL
        stays behind if only its database goes. A process that has the WAL open loses nothing."""
        if _inode(self.database) == self._open[self.database]:
            return
        for path in self._sqlite_files:
            if _inode(path) == self._open.get(path):
                path.unlink(missing_ok=True)

    def witness(self) -> Witness | None:
        """The witness; None if there is no complete one. A crash or another process may leave half
        of a witness, whose two serial numbers then differ."""
        record = os.pread(self.locks, _RECORD_BYTES, 0).split()
        if len(record) != 3 or record[1] != record[2] or not record[1].isdigit():
            return None
        return Witness(record[0].decode("ascii", "replace"), int(record[1]))

    def testify(self, witness: Witness) -> None:
        """Write the witness. The witness may be behind the database, so errors are ignored, and the
        call does not wait for the disk."""
        record = f"{witness.journal_id:32} {witness.serial:020} {witness.serial:020}"
        with contextlib.suppress(OSError):
            os.pwrite(self.locks, record.encode(), 0)

    @property
    def last_runs(self) -> Path:
        """The file that exists while each run is a job's last one (`DeliveryJournal`)."""
        return self.folder / "last-runs"

    def close(self) -> None:
        """Close the lock file, which releases all locks."""
        os.close(self.locks)


def lock_place(job_uuid: str, job_id: int) -> int:
    """The byte of the lock file that stands for a job. Such a lock needs no file to be removed."""
    digest = hashlib.sha256(f"{job_id} {job_uuid}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


def take_poller_lock(locks: int) -> bool:
    """Take the poller's lock; return False while another open file has it. Raises OSError."""
    try:
        fcntl.fcntl(locks, fcntl.F_OFD_SETLK, _flock(fcntl.F_WRLCK))
    except BlockingIOError:
        return False
    return True


def has_poller(locks: int) -> bool:
    """Whether another open file has the poller's lock. Raises OSError."""
    found = fcntl.fcntl(locks, fcntl.F_OFD_GETLK, _flock(fcntl.F_RDLCK))
    return bool(struct.unpack_from(_FLOCK, found)[0] != fcntl.F_UNLCK)


def give_sign(locks: int, sign: PollerSign | None) -> None:
    """Leave a sign of life. None erases the last sign, because the poller ends normally. Errors are
    ignored, and the call does not wait for the disk."""
    record = bytes(_SIGN_BYTES)
    if sign is not None:
        name = sign.name.encode("ascii", "replace")[:_NAME_BYTES].decode()
        record = f"{name:{_NAME_BYTES}} {sign.at_s:020.3f}\n".encode()
    with contextlib.suppress(OSError):
        os.pwrite(locks, record, _SIGN_AT)


def read_sign(locks: int) -> PollerSign | None:
    """The last sign of life; None if the last poller ended normally. Raises OSError."""
    record = os.pread(locks, _SIGN_BYTES, _SIGN_AT)
    name, _, at = record.decode("ascii", "replace").rstrip("\n").rpartition(" ")
    with contextlib.suppress(ValueError):
        if len(record) == _SIGN_BYTES and math.isfinite(float(at)):
            return PollerSign(name.strip(), float(at))
    return None


def _flock(kind: int) -> bytes:
    return struct.pack(_FLOCK, kind, os.SEEK_SET, _POLLER, 1, 0)


def _private(path: Path, flags: int = 0) -> int:
    """Open a file that only its owner can read or write."""
    return os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | flags, 0o600)


def _inode(file: Path | int) -> _Inode | None:
    try:
        status = os.stat(file)  # noqa: PTH116 - twice as fast, for each access
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_dev, status.st_ino
