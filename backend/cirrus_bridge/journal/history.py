"""The history of jobs for people: what has happened to each document.

The journal is read by a connection of its own. A missing journal is not created.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from cirrus_bridge.base.translation import tr
from cirrus_bridge.journal.documents import WITH_DELIVERIES, Document, read_documents
from cirrus_bridge.journal.readonly import read_only, unreadable
from cirrus_bridge.journal.schema import KEY

_NEWEST_FIRST = f"created_at DESC, {KEY.replace(',', ' DESC,')} DESC, target_number DESC"
MOST_ROWS = 10_000  # a document has a row for each target


class Past(NamedTuple):
    """Documents, the oldest first. If `is_all` is false, older documents were left out."""

    documents: list[Document]
    is_all: bool


def documents_of_jobs(folder: Path, job_ids: Iterable[int]) -> Past:
    """The documents of the CUPS jobs with these ids.

    Raises:
        JournalError: the journal cannot be read.
    """
    listed = json.dumps(list(job_ids))  # SQLite limits the number of parameters
    return _documents(folder, "job_id IN (SELECT value FROM json_each(?))", (listed,))


def recent_documents(folder: Path, closed: int) -> Past:
    """The documents for which something is left to be done, and the last `closed` of the others.

    Raises:
        JournalError: the journal cannot be read.
    """
    last = "SELECT rowid FROM document WHERE closed_at IS NOT NULL ORDER BY closed_at DESC LIMIT ?"
    return _documents(folder, f"closed_at IS NULL OR document.rowid IN ({last})", (closed,))


def _documents(folder: Path, where: str, values: Sequence[object]) -> Past:
    try:
        (folder / "journal.db").stat()
    except FileNotFoundError:
        return Past([], is_all=True)  # nothing was printed yet
    except OSError as error:
        raise unreadable(folder, error, tr("Run this command as root.")) from error
    with read_only(folder) as db:
        rows = db.execute(
            f"{WITH_DELIVERIES} {where} ORDER BY {_NEWEST_FIRST} LIMIT {MOST_ROWS + 1}", values
        ).fetchall()
    return Past(read_documents(rows[MOST_ROWS - 1 :: -1]), is_all=len(rows) <= MOST_ROWS)
