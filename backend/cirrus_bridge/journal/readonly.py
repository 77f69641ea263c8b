"""A read-only connection to the journal, bounded in time and size.

The owner of the folder can replace the journal by anything. So root reads with the owner's rights,
and the files that SQLite creates while reading belong to the owner.
"""

from __future__ import annotations

import contextlib
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import JournalError
from cirrus_bridge.base.privileges import as_owner
from cirrus_bridge.base.translation import tr
from cirrus_bridge.journal.schema import check_version, damaged, take_steps

LOOK_S = 10.0
LONGEST_VALUE_BYTES = 1 << 20
LARGEST_WAL_BYTES = 1 << 30  # SQLite reads the whole file before the first answer
_STEPS_BETWEEN_LOOKS = 10_000  # virtual machine instructions: about a millisecond


@contextlib.contextmanager
def read_only(folder: Path, *, beside_poller: bool = False) -> Iterator[sqlite3.Connection]:
    """Read one snapshot of the journal in `folder`, for LOOK_S at most.

    Args:
        beside_poller: whether another thread has the journal open. The rights of the process then
            stay unchanged, because threads cannot have different users. SQLite creates no files,
            because they exist.

    Raises:
        JournalDamaged: the database is damaged.
        JournalNewer: a newer version of this program has written the database.
        JournalError: the journal cannot be read, or not in time.
    """
    path = folder.absolute() / "journal.db"
    with contextlib.ExitStack() as opened:
        db = opened.enter_context(snapshot(path, as_owner_of_folder=not beside_poller))
        if check_version(db, path) == 0:  # it is being created
            db = opened.enter_context(_connected(":memory:"))
            take_steps(db)
        yield db


@contextlib.contextmanager
def snapshot(path: Path, *, as_owner_of_folder: bool = True) -> Iterator[sqlite3.Connection]:
    """Read one snapshot of a database, for LOOK_S at most. Raises JournalDamaged or JournalError if
    the database is damaged, or cannot be read in time."""
    clock = Clock()
    end_s = clock.monotonic_s() + LOOK_S
    try:
        with contextlib.ExitStack() as opened:
            if as_owner_of_folder:
                opened.enter_context(as_owner(str(path.parent)))
            _check_kind(path)
            db = opened.enter_context(_connected(f"{path.as_uri()}?mode=ro", uri=True))
            db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE_BYTES)
            db.set_progress_handler(lambda: clock.monotonic_s() > end_s, _STEPS_BETWEEN_LOOKS)
            db.execute("BEGIN")
            yield db
    except OSError as error:
        raise _unreadable(path, error.strerror) from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0)
        if code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise damaged(path, error) from error
        if code != sqlite3.SQLITE_INTERRUPT:
            raise _unreadable(path, error) from error
        raise JournalError(
            tr(
                "The journal {path} cannot be read within {seconds} s. The journal is too large "
                "or damaged.",
                path=path,
                seconds=format(LOOK_S, "g"),
            ),
            tr(
                "Lower keep_days and keep_documents below [journal] in bridge.toml, or move the "
                "journal aside."
            ),
        ) from error


def _check_kind(path: Path) -> None:
    """Refuse a file that is not regular, such as a FIFO, because opening it could block."""
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        with contextlib.suppress(FileNotFoundError):
            status = path.with_name(name).stat()
            is_too_large = name.endswith("-wal") and status.st_size > LARGEST_WAL_BYTES
            if is_too_large or not stat.S_ISREG(status.st_mode):
                raise JournalError(
                    tr(
                        "The journal {path} cannot be read: {name} is too large, or not a regular "
                        "file.",
                        path=path,
                        name=name,
                    )
                )


def unreadable(folder: Path, error: OSError, hint: str = "") -> JournalError:
    """The error for a folder whose files cannot be read."""
    return JournalError(
        tr("The journal in {path} cannot be read ({error}).", path=folder, error=error.strerror),
        hint,
    )


def _unreadable(path: Path, error: object) -> JournalError:
    return JournalError(tr("The journal {path} cannot be read ({error}).", path=path, error=error))


def _connected(name: str, *, uri: bool = False) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(sqlite3.connect(name, uri=uri, isolation_level=None))
