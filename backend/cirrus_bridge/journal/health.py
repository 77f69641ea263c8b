"""How the journal is: whether it is whole, whose its files are, who is at work on it, what waits.

Reads it by a connection of its own and changes nothing.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cirrus_bridge.base.errors import JournalError
from cirrus_bridge.base.translation import tr
from cirrus_bridge.journal.deliveries import LEASE_S
from cirrus_bridge.journal.files import lock_place
from cirrus_bridge.journal.integrity import damages
from cirrus_bridge.journal.lifecycle import ACCEPTED, WAITS, WITH_POLLER, sql_list
from cirrus_bridge.journal.readonly import read_only
from cirrus_bridge.journal.schema import VERSION, View

MOST_WAITING = 50  # locations; the others would hide what else there is to be told
_FLOCK = "hhqqi"  # struct flock, fcntl(2), as 64-bit Linux has it
_UNLED = (
    "SELECT count(*) FROM document WHERE closed_at IS NULL"
    f" AND state IN {sql_list(WITH_POLLER | WAITS)}"
)
_WAITING = (
    "SELECT destination, location, count(*), min(accepted_at) FROM delivery JOIN document"
    " USING (job_uuid, job_id, print_run, destination, number)"
    f" WHERE closed_at IS NULL AND document.state IN {sql_list(ACCEPTED)}"
    " AND delivery.state = 0 GROUP BY 1, 2"
    f" ORDER BY 4 LIMIT {MOST_WAITING + 1}"
)
_POLLERS = "SELECT name, alive_until FROM poller ORDER BY alive_until DESC LIMIT 100"


@dataclass(frozen=True, slots=True)
class PollerSign:
    """A poller's last sign of life, in seconds since the epoch, and whether its process lives."""

    name: str
    at_s: float
    lives: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """Jobs that a location has not fetched; the oldest was accepted then."""

    server: str
    location: str
    count: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class Health:
    """The journal. `damage` is SQLite's list of what is wrong, empty for a sound one; `left` counts
    the documents that are a poller's to follow; `waiting` has those that wait longest, one more
    than MOST_WAITING where there are others. `trusted_since_s` is when the journal took the place
    of another, in seconds since the epoch, or 0."""

    size_bytes: int
    version: int
    damage: tuple[str, ...]
    pollers: tuple[PollerSign, ...]
    left: int
    waiting: tuple[Waiting, ...]
    trusted_since_s: float = 0.0

    @property
    def is_newer(self) -> bool:
        """It was written by a newer version of the program."""
        return self.version > VERSION


def look(folder: Path) -> Health:
    """The journal in `folder` as it is.

    Raises:
        JournalError: it can not be read.
    """
    try:
        return _look(folder)
    except OSError as error:
        raise _unreadable(folder, error) from error


def _look(folder: Path) -> Health:
    size_bytes = sum(path.stat().st_size for path in folder.glob("journal.db*"))
    with read_only(folder) as db:
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        damage = damages(db)
        if damage or version > VERSION:
            return Health(size_bytes, version, damage, (), 0, ())
        (left,) = db.execute(_UNLED).fetchone()
        waiting = tuple(
            Waiting(urlsplit(destination).netloc, *more)
            for destination, *more in db.execute(_WAITING)
        )
        pollers = tuple(_pollers(db, folder))
        since_s = 0.0  # as in a journal that nobody has upgraded yet
        if version == VERSION:
            (since_s,) = db.execute("SELECT trusted_since_s FROM meta").fetchone()
    return Health(size_bytes, version, damage, pollers, left, waiting, since_s)


def strangers_files(folder: Path) -> list[Path]:
    """The journal's files that do not belong to the folder's owner, who has to write them.

    Raises:
        JournalError: the folder can not be looked into.
    """
    try:
        owner = folder.stat().st_uid
        names = ("journal.db", "journal.db-wal", "journal.db-shm", "jobs.lock")
        there = [path for path in map(folder.joinpath, names) if path.exists()]
        return [path for path in there if path.stat().st_uid != owner]
    except OSError as error:
        raise _unreadable(folder, error) from error


def _unreadable(folder: Path, error: OSError) -> JournalError:
    return JournalError(
        tr("The journal in {path} can not be read ({error}).", path=folder, error=error.strerror)
    )


def _pollers(db: View, folder: Path) -> Iterator[PollerSign]:
    handle = os.open(folder / "jobs.lock", os.O_RDONLY)
    try:
        for name, alive_until_s in db.execute(_POLLERS):
            yield PollerSign(name, alive_until_s - LEASE_S, _is_locked(handle, lock_place(name, 0)))
    finally:
        os.close(handle)


def _is_locked(handle: int, place: int) -> bool:
    """Whether a process has this lock: each poller has its own name's as long as it lives."""
    asked = struct.pack(_FLOCK, fcntl.F_RDLCK, os.SEEK_SET, place, 1, 0)
    found = struct.unpack(_FLOCK, fcntl.fcntl(handle, fcntl.F_GETLK, asked))
    return bool(found[0] != fcntl.F_UNLCK)
