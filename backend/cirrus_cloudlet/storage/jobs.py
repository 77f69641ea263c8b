"""Jobs: their states and their history.

Each change of state or message is recorded with its time in the same transaction. A change that
does not fit a job's state is refused: a job that was deleted during its delivery stays deleted.
"""

from __future__ import annotations

import enum
import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.inventory.ids import Target
from cirrus_cloudlet.storage.database import Store


class JobState(enum.IntEnum):
    """The API's job states; saved and trashed are for browser users."""

    SUBMITTED = 0
    RECEIVED = 1
    DELIVERED = 2
    DELETED = 3
    SAVED = 8
    TRASHED = 9


# how a person may end a job → from which states
ENDS: Mapping[JobState, frozenset[JobState]] = {
    JobState.DELETED: frozenset(
        {JobState.SUBMITTED, JobState.RECEIVED, JobState.SAVED, JobState.TRASHED}
    ),
    JobState.SAVED: frozenset({JobState.RECEIVED, JobState.TRASHED}),
    JobState.TRASHED: frozenset({JobState.RECEIVED, JobState.SAVED}),
}


class Step(enum.Enum):
    """The delivery worker's next step with a job."""

    READY = "ready"  # deliver the job when it is due
    RUNNING = "running"  # a delivery is running
    HELD = "held"  # wait for a person
    DONE = "done"


class Job(NamedTuple):
    """A job's row, joined with the row of its document."""

    sequence: int
    id: str
    company: str
    location: str
    device: str
    title: str
    document: str
    props: Mapping[str, str]
    state: JobState
    step: Step
    attempts: int
    due: float
    message: str
    target: str
    delivered_path: str | None
    submitted: float
    received: float | None
    delivered: float | None
    updated: float
    size: int
    sha256: str
    format: str
    segments: Sequence[int]


class Transition(NamedTuple):
    """One step of a job's history."""

    state: JobState
    time: float
    message: str


class Jobs:
    """The jobs of one data folder."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def insert(
        self,
        db: sqlite3.Connection,
        company: str,
        targets: Sequence[Target],
        title: str,
        props: Mapping[str, str],
        document_id: str,
    ) -> list[str]:
        """Make one job for each target; return their ids in the same order."""
        now = time.time()
        second = time.strftime("%Y%m%d%H%M%S", time.gmtime(now))
        # counted from stored ids, so that a restart within the second repeats no id
        taken = [
            int(row["id"].partition("-")[2])
            for row in db.execute("SELECT id FROM job WHERE id GLOB ?", (f"{second}-*",))
        ]
        ids = [f"{second}-{max(taken, default=0) + n}" for n in range(1, len(targets) + 1)]
        for job_id, target in zip(ids, targets, strict=True):
            db.execute(
                "INSERT INTO job (id, company, location, device, title, document, props, state,"
                " step, submitted, updated) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (job_id, company, target.location, target.device, title, document_id,
                 json.dumps(dict(props), ensure_ascii=False),
                 JobState.SUBMITTED.value, Step.READY.value, now, now),
            )  # fmt: skip
            record(db, job_id, JobState.SUBMITTED, now, "")
        return ids

    def find(self, job_id: str) -> Job | None:
        """Find a job by its id; None if it is unknown."""
        with self._store.reading() as db:
            row = db.execute(SELECT_JOB + " WHERE job.id = ?", (job_id,)).fetchone()
        return make_job(row) if row else None

    def newest(self, company: str | None, location: str | None, count: int) -> list[Job]:
        """List the newest jobs first: all, or those of one company or location."""
        with self._store.reading() as db:
            rows = db.execute(
                SELECT_JOB + " WHERE (?1 IS NULL OR job.company = ?1)"
                " AND (?2 IS NULL OR job.location = ?2) ORDER BY job.sequence DESC LIMIT ?3",
                (company, location, count),
            ).fetchall()
        return [make_job(row) for row in rows]

    def history(self, job_id: str) -> list[Transition]:
        """List every step of a job, oldest first."""
        with self._store.reading() as db:
            rows = db.execute(
                "SELECT state, time, message FROM transition WHERE job = ? ORDER BY number",
                (job_id,),
            ).fetchall()
        return [Transition(JobState(state), at, message) for state, at, message in rows]

    def end(self, job_id: str, state: JobState) -> None:
        """End a job as a person chose.

        Raises:
            SettingsError: there is no such job, or its state does not allow this end.
        """
        with self._store.transaction() as db:
            row = _find_state(db, job_id)
            if row["state"] not in ENDS[state]:
                name = JobState(row["state"]).name.lower()
                raise SettingsError(f"job {job_id} is {name} and cannot be {state.name.lower()}")
            now = time.time()
            db.execute(
                "UPDATE job SET state = ?, step = 'done', message = '', updated = ? WHERE id = ?",
                (state.value, now, job_id),
            )
            record(db, job_id, state, now, "")

    def retry(self, job_id: str) -> None:
        """Schedule a held job again.

        Raises:
            SettingsError: there is no such job, or it is not held.
        """
        with self._store.transaction() as db:
            row = _find_state(db, job_id)
            if not can_retry(JobState(row["state"]), Step(row["step"])):
                raise SettingsError(f"job {job_id} is not waiting for a retry")
            db.execute(
                "UPDATE job SET step = 'ready', attempts = 0, due = 0 WHERE id = ?", (job_id,)
            )


def can_retry(state: JobState, step: Step) -> bool:
    """Tell whether a delivery was begun and is not running now."""
    return state is JobState.RECEIVED and step is not Step.RUNNING


SELECT_JOB = (
    "SELECT job.*, document.size, document.sha256, document.format, document.segments"
    " FROM job JOIN document ON document.id = job.document"
)


def make_job(row: sqlite3.Row) -> Job:
    """Make a job of a row of SELECT_JOB."""
    fields = dict(row)
    fields["state"] = JobState(row["state"])
    fields["step"] = Step(row["step"])
    fields["props"] = json.loads(row["props"])
    fields["segments"] = json.loads(row["segments"])
    return Job(**fields)


def record(db: sqlite3.Connection, job_id: str, state: JobState, now: float, message: str) -> None:
    """Add a step to a job's history, in the transaction that makes it."""
    db.execute(
        "INSERT INTO transition (job, state, time, message) VALUES (?, ?, ?, ?)",
        (job_id, state.value, now, message),
    )


def _find_state(db: sqlite3.Connection, job_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute(
        "SELECT state, step FROM job WHERE id = ?", (job_id,)
    ).fetchone()
    if row is None:
        raise SettingsError(f"there is no job {job_id!r}")
    return row
