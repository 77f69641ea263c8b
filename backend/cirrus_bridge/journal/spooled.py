"""The spool of `cirrus-printers`, as other programs read it: the jobs of clients.

The service alone writes the spool (`ipp_server/spool`). The spool has jobs of which the journal
does not know yet, and what clients are told about each job.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cirrus_bridge.base.translation import Words, stored
from cirrus_bridge.journal.readonly import snapshot, unreadable

_ENDED = 7  # the first job-state of jobs that have ended (RFC 8011, 5.3.7)
_COLUMNS = (
    "job_id, job_uuid, printer, user, host, title, state, message, size_bytes,"
    " created_s, coalesce(processing_s, 0.0), coalesce(completed_s, 0.0)"
)
_RECENT = (
    f"SELECT {_COLUMNS} FROM job WHERE state < {_ENDED} UNION ALL SELECT * FROM"
    f" (SELECT {_COLUMNS} FROM job WHERE state >= {_ENDED} ORDER BY completed_s DESC LIMIT ?)"
)
_OF_IDS = f"SELECT {_COLUMNS} FROM job WHERE job_id IN (SELECT value FROM json_each(?))"
_OPEN = f"SELECT printer, count(*) FROM job WHERE state < {_ENDED} GROUP BY printer"
_NAME = "spool.db"


@dataclass(frozen=True, slots=True)
class ClientJob:
    """A job that a client has sent by IPP. Times are in seconds since the epoch; 0 for never.

    Attributes:
        printer: the printer's name, the last part of its URI.
        host: the client's address.
        state: IPP's job-state.
        message: job-state-message.
    """

    job_id: int
    job_uuid: str
    printer: str
    user: str
    host: str
    title: str
    state: int
    message: Words
    size_bytes: int
    created_s: float
    processing_s: float
    completed_s: float

    @property
    def has_ended(self) -> bool:
        """Whether the job has ended."""
        return self.state >= _ENDED


def recent_jobs(folder: Path, ended: int) -> list[ClientJob]:
    """The jobs that have not ended, and the last `ended` of the others. Raises JournalError if the
    spool cannot be read."""
    return [_job(row) for row in _rows(folder, _RECENT, ended)]


def jobs_of_ids(folder: Path, job_ids: list[int]) -> list[ClientJob]:
    """The jobs with these ids. Raises JournalError if the spool cannot be read."""
    return [_job(row) for row in _rows(folder, _OF_IDS, json.dumps(job_ids))]


def open_jobs(folder: Path) -> Mapping[str, int]:
    """The number of jobs that have not ended, by printer. Raises JournalError if the spool cannot
    be read."""
    return Counter(dict(_rows(folder, _OPEN)))


def _rows(folder: Path, query: str, *values: object) -> list[Any]:
    path = folder.absolute() / _NAME
    try:
        path.stat()
    except FileNotFoundError:
        return []  # the service has not run
    except OSError as error:
        raise unreadable(folder, error) from error
    with snapshot(path) as db:
        if db.execute("PRAGMA user_version").fetchone()[0] == 0:
            return []  # it is being created
        return db.execute(query, values).fetchall()


def _job(row: tuple[Any, ...]) -> ClientJob:
    job_id, job_uuid, printer, user, host, title, state, message, *rest = row
    said = stored(json.loads(message))
    return ClientJob(job_id, job_uuid, printer, user, host, title, state, said, *rest)
