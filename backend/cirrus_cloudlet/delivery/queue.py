"""The delivery worker's view of the jobs: which are due, and how each delivery ended.

Every change names the step that the job has to be in, so the worker never overwrites a person's
delete, save or retry. Order is kept per device: only its oldest ready job is due.
"""

from __future__ import annotations

import time

from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.jobs import SELECT_JOB, Job, JobState, Step, make_job, record

_BACKOFF_S = (1.0, 2.0, 5.0, 15.0)
_OLDEST_READY = (
    " WHERE job.sequence IN (SELECT min(sequence) FROM job"
    " WHERE step = 'ready' GROUP BY company, location, device)"
    " AND job.due <= ? ORDER BY job.sequence"
)
RETRY_ADVICE = "to deliver the job again, use job retry"


class DeliveryQueue:
    """The unfinished jobs of one data folder."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list_due(self) -> list[Job]:
        """List the oldest ready job of each device, unless its next attempt is later."""
        rows = self._store.execute(SELECT_JOB + _OLDEST_READY, time.time())
        return [make_job(row) for row in rows]

    def list_interrupted(self) -> list[Job]:
        """List the jobs whose delivery was running when the server ended."""
        rows = self._store.execute(SELECT_JOB + " WHERE job.step = 'running'")
        return [make_job(row) for row in rows]

    def begin(self, job: Job) -> bool:
        """Mark a job as received and its delivery as running; False if it is no longer ready."""
        with self._store.transaction() as db:
            now = time.time()
            begun = db.execute(
                "UPDATE job SET state = 1, step = 'running', attempts = attempts + 1,"
                " received = coalesce(received, ?1), updated = ?1"
                " WHERE id = ?2 AND state = ?3 AND step = 'ready' AND due <= ?1",
                (now, job.id, job.state),
            ).rowcount
            if begun and job.state is JobState.SUBMITTED:
                record(db, job.id, JobState.RECEIVED, now, "")
        return bool(begun)

    def aim(self, job: Job, target: str, path: str | None) -> None:
        """Record a delivery's target before anything is sent there."""
        self._store.execute(
            "UPDATE job SET target = ?, delivered_path = ? WHERE id = ?", target, path, job.id
        )

    def finish(self, job: Job, message: str) -> None:
        """Record that the document has arrived."""
        with self._store.transaction() as db:
            now = time.time()
            if db.execute(
                "UPDATE job SET state = 2, step = 'done', message = ?1, delivered = ?2,"
                " updated = ?2 WHERE id = ?3 AND step = 'running'",
                (message, now, job.id),
            ).rowcount:
                record(db, job.id, JobState.DELIVERED, now, message)

    def fail(self, job: Job, message: str, *, again: bool) -> None:
        """Record a failed attempt: retry the job a few times if `again`, else hold it.

        The message begins with `Error:`, as API errors do; clients tell it from a remark by that.
        """
        message = f"Error: {message}"
        if not again:
            self.rest(job, Step.HELD, message)
        elif job.attempts < len(_BACKOFF_S):
            self.rest(job, Step.READY, message, time.time() + _BACKOFF_S[job.attempts])
        else:
            message += f" (gave up after {job.attempts + 1} attempts); {RETRY_ADVICE}"
            self.rest(job, Step.HELD, message)

    def rest(self, job: Job, step: Step, message: str = "", due: float = 0.0) -> None:
        """Leave the job received: ready for another delivery, or held until a person decides."""
        with self._store.transaction() as db:
            now = time.time()
            row = db.execute(
                "SELECT message FROM job WHERE id = ? AND step = 'running'", (job.id,)
            ).fetchone()
            if row is None:
                return
            db.execute(
                "UPDATE job SET step = ?, message = ?, due = ?, updated = ? WHERE id = ?",
                (step, message, due, now, job.id),
            )
            if message != row["message"]:
                record(db, job.id, JobState.RECEIVED, now, message)
