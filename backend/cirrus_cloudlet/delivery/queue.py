"""The delivery worker's side of the jobs: what is due, and how each delivery ended.

Every change names the step a job has to be in, so that a person's delete, save or retry and the
worker never overwrite each other. Order is kept per device: only its oldest ready job is due.
"""

from __future__ import annotations

import time

from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.jobs import SELECT_JOB, Job, JobState, Step, job_of, record

_BACKOFF_S = (1.0, 2.0, 5.0, 15.0)
_OLDEST_READY = (
    " WHERE job.sequence IN (SELECT min(sequence) FROM job"
    " WHERE step = 'ready' GROUP BY company, location, device)"
    " AND job.due <= ? ORDER BY job.sequence"
)
HELD = "have it delivered again (job retry)"


class DeliveryQueue:
    """The unfinished jobs of one data folder."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def due(self) -> list[Job]:
        """The oldest ready job of each device, unless it still waits for its next attempt."""
        with self._store.reading() as db:
            rows = db.execute(
                SELECT_JOB + _OLDEST_READY,
                (time.time(),),
            ).fetchall()
        return [job_of(row) for row in rows]

    def interrupted(self) -> list[Job]:
        """Jobs whose delivery was under way when the server last ended."""
        with self._store.reading() as db:
            rows = db.execute(SELECT_JOB + " WHERE job.step = 'running'").fetchall()
        return [job_of(row) for row in rows]

    def begin(self, job: Job) -> bool:
        """The job is received, and its delivery begins; False if it is ready no more."""
        with self._store.transaction() as db:
            now = time.time()
            row = db.execute(
                "SELECT state FROM job WHERE id = ? AND step = 'ready' AND due <= ?",
                (job.id, now),
            ).fetchone()
            if row is None:
                return False
            db.execute(
                "UPDATE job SET state = 1, step = 'running', attempts = attempts + 1,"
                " received = coalesce(received, ?1), updated = ?1 WHERE id = ?2",
                (now, job.id),
            )
            if row["state"] == JobState.SUBMITTED:
                record(db, job.id, JobState.RECEIVED, now, "")
        return True

    def aim(self, job: Job, target: str, path: str | None) -> None:
        """Note where a delivery is about to go, before it goes there."""
        with self._store.transaction() as db:
            db.execute(
                "UPDATE job SET target = ?, delivered_path = ? WHERE id = ?",
                (target, path, job.id),
            )

    def delivered(self, job: Job, message: str) -> None:
        """It has arrived."""
        with self._store.transaction() as db:
            now = time.time()
            if db.execute(
                "UPDATE job SET state = 2, step = 'done', message = ?1, delivered = ?2,"
                " updated = ?2 WHERE id = ?3 AND step = 'running'",
                (message, now, job.id),
            ).rowcount:
                record(db, job.id, JobState.DELIVERED, now, message)

    def failed(self, job: Job, message: str, *, again: bool) -> None:
        """It has not arrived; it is tried again later, a few times, or waits for a person. The
        message is marked as the API marks errors, so that clients can tell it from a remark."""
        message = f"Error: {message}"
        attempts = job.attempts + 1
        if again and attempts <= len(_BACKOFF_S):
            due = time.time() + _BACKOFF_S[attempts - 1]
            self._rest(job, Step.READY, message, due)
        elif again:
            self._rest(job, Step.HELD, f"{message} (given up after {attempts} attempts; {HELD})")
        else:
            self._rest(job, Step.HELD, message)

    def repeat(self, job: Job) -> None:
        """Have an interrupted delivery made again."""
        self._rest(job, Step.READY, "")

    def hold(self, job: Job) -> None:
        """Leave it received until a person decides."""
        self._rest(job, Step.HELD, "")

    def _rest(self, job: Job, step: Step, message: str, due: float = 0.0) -> None:
        with self._store.transaction() as db:
            now = time.time()
            row = db.execute(
                "SELECT message FROM job WHERE id = ? AND step = 'running'", (job.id,)
            ).fetchone()
            if row is None:
                return
            db.execute(
                "UPDATE job SET step = ?, message = ?, due = ?, updated = ? WHERE id = ?",
                (step.value, message, due, now, job.id),
            )
            if message != row["message"]:
                record(db, job.id, JobState.RECEIVED, now, message)
