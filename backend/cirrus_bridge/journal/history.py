"""The history of jobs for people: what has happened to each document.

The journal is read by a connection of its own. A missing journal is not created.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from cirrus_bridge.base.translation import tr
from cirrus_bridge.journal.documents import WITH_DELIVERIES, Document, read_documents
from cirrus_bridge.journal.readonly import read_only, unreadable
from cirrus_bridge.journal.schema import KEY

MOST_ROWS = 10_000  # a document has a row for each target
_NEWEST_FIRST = (
    f"ORDER BY created_at DESC, {KEY.replace(',', ' DESC,')} DESC, target_number DESC"
    f" LIMIT {MOST_ROWS + 1}"
)
_OPEN = (  # the + keeps SQLite from reading all documents in the order of rowid
    "SELECT rowid FROM (SELECT rowid FROM document WHERE closed_at IS NULL"
    f" ORDER BY +rowid DESC LIMIT {MOST_ROWS + 1})"
)
_CLOSED = (
    "SELECT rowid FROM (SELECT rowid FROM document WHERE closed_at < ?"
    " ORDER BY closed_at DESC LIMIT ?)"
)
OF_JOBS = f"{WITH_DELIVERIES} job_id IN (SELECT value FROM json_each(?)) {_NEWEST_FIRST}"
RECENT = f"{WITH_DELIVERIES} document.rowid IN ({_OPEN} UNION ALL {_CLOSED}) {_NEWEST_FIRST}"
CLOSED = f"{WITH_DELIVERIES} document.rowid IN ({_CLOSED}) {_NEWEST_FIRST}"


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
    return _documents(folder, OF_JOBS, listed)


def recent_documents(folder: Path, closed: int) -> Past:
    """The documents for which something is left to be done, and the last `closed` of the others.

    Raises:
        JournalError: the journal cannot be read.
    """
    return _documents(folder, RECENT, math.inf, closed)


def closed_documents(folder: Path, before_s: float, most: int) -> Past:
    """The last `most` documents that were closed before `before_s` (seconds since the epoch).

    Raises:
        JournalError: the journal cannot be read.
    """
    return _documents(folder, CLOSED, before_s, most)


def _documents(folder: Path, query: str, *values: object) -> Past:
    try:
        (folder / "journal.db").stat()
    except FileNotFoundError:
        return Past([], is_all=True)  # nothing was printed yet
    except OSError as error:
        raise unreadable(folder, error, tr("Run this command as root.")) from error
    with read_only(folder) as db:
        rows = db.execute(query, values).fetchall()
    return Past(read_documents(rows[MOST_ROWS - 1 :: -1]), is_all=len(rows) <= MOST_ROWS)
