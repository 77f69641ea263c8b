"""The condition of the journal: damage, owners of its files, its poller, and waiting documents.

The journal is read by a connection of its own, and nothing is changed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cirrus_bridge.base.privileges import as_owner
from cirrus_bridge.journal.files import PollerSign, has_poller, read_sign
from cirrus_bridge.journal.lifecycle import WAITS, WITH_POLLER, sql_list
from cirrus_bridge.journal.readonly import read_only, unreadable
from cirrus_bridge.journal.schema import COMPANY, UNRELEASED_SQL, VERSION, check

MOST_WAITING = 50  # locations; a longer list would hide other findings
_UNLED = (
    "SELECT count(*) FROM document WHERE closed_at IS NULL"
    f" AND state IN {sql_list(WITH_POLLER | WAITS)}"
)
_WAITING = (
    f"SELECT {COMPANY}, location, count(*), min(accepted_at) FROM delivery"
    f" WHERE state = 0 AND undelivered_at IS NULL AND NOT {UNRELEASED_SQL} GROUP BY 1, 2"
    f" ORDER BY 4 LIMIT {MOST_WAITING + 1}"
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Jobs that a location has not fetched; the oldest was accepted at `oldest_s` (seconds since
    the epoch)."""

    server: str
    location: str
    count: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class Health:
    """The condition of the journal.

    Attributes:
        size_bytes: the size of all its files.
        damage: SQLite's list of faults, empty for a sound journal.
        checked: the number of the newest documents that were checked for damage; None if all were.
        left: the number of documents that the poller has to follow.
        waiting: the locations whose jobs wait longest. One more than MOST_WAITING shows that there
            are others.
        sign: the last poller's sign of life; None if that poller ended normally.
        trusted_since_s: when the journal replaced another one, in seconds since the epoch, or 0.
    """

    size_bytes: int = 0
    damage: tuple[str, ...] = ()
    checked: int | None = None
    left: int = 0
    waiting: tuple[Waiting, ...] = ()
    poller_runs: bool = False
    sign: PollerSign | None = None
    trusted_since_s: float = 0.0


def look(folder: Path) -> Health:
    """The condition of the journal in `folder`.

    Raises:
        JournalError: the journal cannot be read.
    """
    try:
        size_bytes = sum(path.stat().st_size for path in folder.glob("journal.db*"))
        with read_only(folder) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            damage, checked = check(db)
            if damage:
                return Health(size_bytes, damage, checked)
            (left,) = db.execute(_UNLED).fetchone()
            waiting, since_s = tuple[Waiting, ...](), 0.0
            if version == VERSION:  # it was upgraded already
                waiting = tuple(
                    Waiting(urlsplit(company).netloc, *more)
                    for company, *more in db.execute(_WAITING)
                )
                (since_s,) = db.execute("SELECT trusted_since_s FROM meta").fetchone()
        return Health(size_bytes, (), checked, left, waiting, *poller(folder), since_s)
    except OSError as error:
        raise unreadable(folder, error) from error


def strangers_files(folder: Path) -> list[Path]:
    """The journal's files that do not belong to the folder's owner, who must be able to write them.

    Raises:
        JournalError: the folder cannot be read.
    """
    try:
        owner = folder.stat().st_uid
        names = ("journal.db", "journal.db-wal", "journal.db-shm", "jobs.lock")
        there = filter(Path.exists, map(folder.joinpath, names))
        return [path for path in there if path.stat().st_uid != owner]
    except OSError as error:
        raise unreadable(folder, error) from error


def poller(folder: Path) -> tuple[bool, PollerSign | None]:
    """Whether a poller runs, and the last one's sign of life. Raises OSError."""
    with as_owner(str(folder)):
        locks = os.open(folder / "jobs.lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        return has_poller(locks), read_sign(locks)
    finally:
        os.close(locks)
