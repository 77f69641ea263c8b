"""Checks that SQLite finds everything in the journal.

A damaged index hides an existing row, and the job would be printed twice. Each key is in two
places, a table and an index, so one damaged byte makes the two differ.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from cirrus_bridge.base.errors import JournalDamaged
from cirrus_bridge.base.translation import tr

_MOST_DAMAGES = 3
_KEY = "rowid, job_uuid, job_id, print_run, destination, number"
_OF_JOB = "WHERE job_uuid = ?1 AND job_id = ?2"
_TABLES = {"document": _KEY, "delivery": f"{_KEY}, target_number"}


def damages(db: sqlite3.Connection) -> tuple[str, ...]:
    """SQLite's first faults in the whole database; empty for a sound one.

    `PRAGMA quick_check` does not compare indexes with their tables
    (https://sqlite.org/pragma.html#pragma_quick_check).
    """
    said = tuple(str(row[0]) for row in db.execute(f"PRAGMA integrity_check({_MOST_DAMAGES})"))
    return () if said == ("ok",) else said


def agrees(db: sqlite3.Connection, job_uuid: str, job_id: int) -> bool:
    """Whether a job's rows by the index are the same as by a scan of the whole table.

    With 10,000 documents, the check takes about 2 ms, a fifteenth of the time of `damages`.
    """
    for table, columns in _TABLES.items():
        # one statement, because other processes write meanwhile
        rows = db.execute(
            f"SELECT 0, {columns} FROM {table} INDEXED BY sqlite_autoindex_{table}_1 {_OF_JOB}"
            f" UNION ALL SELECT 1, {columns} FROM {table} NOT INDEXED {_OF_JOB}",
            (job_uuid, job_id),
        ).fetchall()
        by_index = {row[1:] for row in rows if row[0] == 0}
        by_table = {row[1:] for row in rows if row[0] == 1}
        if by_index != by_table:
            return False
    return True


def damaged(path: Path, error: object) -> JournalDamaged:
    """The error for a damaged journal, with the next step."""
    return JournalDamaged(
        tr(
            "The journal {path} is damaged ({error}), so a job could be printed twice.",
            path=path,
            error=error,
        ),
        tr(
            "Check the disk. Then stop cirrus-statusd, move journal.db, "
            "journal.db-wal and journal.db-shm aside, and start cirrus-statusd "
            "again."
        ),
    )
