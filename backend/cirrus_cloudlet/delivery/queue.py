"""The delivery worker's view of the jobs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from cirrus_cloudlet.delivery.ways import JOB_WAITS
from cirrus_cloudlet.storage.copies import Copies
from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.engine import CommitInDoubt, ConnectionLost
from cirrus_cloudlet.storage.jobs import Job, Step, select_jobs

log = logging.getLogger(__name__)
AWAY_S = 2.0  # from one attempt to reach the database to the next
_BACKOFF_S = (1.0, 2.0, 5.0, 15.0)
# from one queue to the next by the index job_ready: the jobs behind the oldest one cost nothing
OLDEST_READY = (
    "SELECT id, company, location, device, due FROM job WHERE sequence IN ("
    " WITH RECURSIVE head (queue) AS ("
    " SELECT min(queue) FROM job WHERE step = 'ready' AND queue BETWEEN ?1 AND ?2"
    " UNION ALL"
    " SELECT (SELECT min(queue) FROM job WHERE step = 'ready'"
    " AND queue > head.queue AND queue <= ?2)"
    " FROM head WHERE head.queue IS NOT NULL)"
    " SELECT (SELECT min(sequence) FROM job WHERE step = 'ready' AND queue = head.queue)"
    " FROM head) ORDER BY sequence"
)
_LAST = "\U0010ffff"  # behind all ids


class Place(NamedTuple):
    """The ids of a device."""

    company: str
    location: str
    device: str


class Ready(NamedTuple):
    """A job that is ready, its device, and the time of its next attempt."""

    id: str
    place: Place
    due: float


class Queue:
    """The worker's view of the jobs: which are due, and how each delivery ended.

    Every change names the step that the job has to be in, so the worker never overwrites a
    person's delete, save or retry. The jobs of one key for one device are delivered in order: only
    the oldest ready job is due. So a key whose quota is full does not stop other keys.
    """

    def __init__(self, store: Store, copies: Copies) -> None:
        self._store = store
        self._copies = copies

    def watch(self) -> AbstractContextManager[Callable[[], int]]:
        """Give a function that returns another number after each change, by any process."""
        return self._store.watch()

    def list_ready(self, place: Place | None = None) -> list[Ready]:
        """List the oldest ready job of each key and device, or of each key for one device."""
        return self._list_ready(*(place or ()))

    def list_ready_at(self, company: str, location: str) -> list[Ready]:
        """List the oldest ready job of each key and device at a location, oldest first."""
        return self._list_ready(company, location)

    def _list_ready(self, *ids: str) -> list[Ready]:
        low, high = "", _LAST
        if ids:
            marks = ", ".join("?" * len(ids))
            ((text,),) = self._store.execute(f"SELECT json_array({marks})", *ids)
            low = f"{text[:-1]},"  # a queue is the same array, with more ids behind
            high = low + _LAST
        rows = self._store.execute(OLDEST_READY, low, high)
        return [Ready(row["id"], Place(*row[1:4]), row["due"]) for row in rows]

    def list_aimed(self) -> list[Job]:
        """List the jobs whose delivery into a folder was begun and is not known to be complete."""
        conditions = "WHERE job.delivered_path IS NOT NULL AND job.delivered IS NULL"
        return select_jobs(self._store, conditions)

    def list_interrupted(self) -> list[Job]:
        """List the jobs whose delivery was running when the server ended."""
        return select_jobs(self._store, "WHERE job.step = 'running'")

    def begin(self, ready: Ready) -> Job | None:
        """Mark a job as received and its delivery as running; None if it is no longer ready.

        The returned job is as it was before.
        """
        found = select_jobs(self._store, "WHERE job.id = ?", ready.id)
        try:
            begun = self._store.execute(
                "UPDATE job SET state = 1, step = 'running', attempts = attempts + 1,"
                " received = coalesce(received, ?1), updated = ?1"
                " WHERE id = ?2 AND step = 'ready' AND due <= ?1 RETURNING 1",
                *(time.time(), ready.id),
            )
        except CommitInDoubt:  # nothing was sent
            if found:
                self.rest(found[0], Step.READY)
            raise
        return found[0] if begun else None

    def aim(self, job: Job, target: str, path: str | None) -> None:
        """Record a delivery's target before anything is sent there.

        Raises:
            QuotaFull: the path is in the delivery folder, which has no room for the document.
        """
        statement = "UPDATE job SET target = ?, delivered_path = ? WHERE id = ?"
        if path is None:
            self._store.execute(statement, target, path, job.id)
        else:
            with self._copies.record(job, Path(path)) as db:
                db.execute(statement, (target, path, job.id))

    def finish(self, job: Job, message: str) -> None:
        """Record that the document has arrived."""
        self._record_end(
            "UPDATE job SET state = 2, step = 'done', message = ?1, delivered = ?2, updated = ?2"
            " WHERE id = ?3 AND step = 'running'",
            *(message, time.time(), job.id),
        )

    def fail(self, job: Job, message: str, *, again: bool) -> None:
        """Record a failed attempt: retry the job a few times if `again`, else hold it."""
        self.rest(job, *after_failure(job.attempts, message, again=again, now=time.time()))

    def wait(self, job: Job, message: str) -> None:
        """Deliver the job later; this attempt does not count."""
        self._record_end(
            "UPDATE job SET step = 'ready', message = ?, due = ?, attempts = ?, updated = ?"
            " WHERE id = ? AND step = 'running'",
            *(message, time.time() + _BACKOFF_S[-1], job.attempts, time.time(), job.id),
        )

    def rest(self, job: Job, step: Step, message: str = "", due: float = 0.0) -> None:
        """Leave the job received: ready for another delivery, or held until a person decides."""
        self._record_end(
            "UPDATE job SET step = ?, message = ?, due = ?, updated = ?"
            " WHERE id = ? AND step = 'running'",
            *(step, message, due, time.time(), job.id),
        )

    def _record_end(self, statement: str, *values: object) -> None:
        """Change a running job, however long that takes: its document may have arrived."""
        while True:
            try:
                self._store.execute(statement, *values)
                return
            except (ConnectionLost, CommitInDoubt) as fault:
                log.error("the end of a delivery waits for the database (%s)", fault)
            time.sleep(AWAY_S)


def after_failure(
    attempts: int, message: str, *, again: bool, now: float
) -> tuple[Step, str, float]:
    """What follows a failed attempt: the next step, the message, and the time of the next attempt.

    The message begins with `Error:`, like the API's errors. Clients recognize an error by that.

    Args:
        attempts: how many attempts there were before this one.
        again: whether another attempt may help.
    """
    message = f"Error: {message}"
    if not again:
        return Step.HELD, message, 0.0
    if attempts < len(_BACKOFF_S):
        return Step.READY, message, now + _BACKOFF_S[attempts]
    return Step.HELD, f"{message} (gave up after {attempts + 1} attempts); {JOB_WAITS}", 0.0
