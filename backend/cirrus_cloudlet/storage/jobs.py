"""Jobs: their states and their history.

The database records each change of state or message with its time. A change that does not fit a
job's state is refused: a job that was deleted during its delivery stays deleted.
"""

from __future__ import annotations

import contextlib
import enum
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.storage.audit import Actor, record
from cirrus_cloudlet.storage.database import ALL, Store
from cirrus_cloudlet.storage.documents import Document
from cirrus_cloudlet.storage.engine import Connection, Row
from cirrus_cloudlet.storage.quotas import JOB_BYTES, Amount, Owner, rows_of

RELEASE_MESSAGE = "Waiting for release"
_NO_OWNER = "the job names no user, so only an administrator can release it"
_BATCH = 100  # jobs that one transaction removes; a document may have 1,000 of them
_ENDED = "SELECT id FROM document WHERE pruned = true"
_SELECT = (
    "SELECT job.*, document.size, document.sha256, document.format,"
    " document.charset, document.segments"
    " FROM job JOIN document ON document.id = job.document "
)


class JobState(enum.IntEnum):
    """The API's job states; saved and trashed are for browser users."""

    SUBMITTED = 0
    RECEIVED = 1
    DELIVERED = 2
    DELETED = 3
    SAVED = 8
    TRASHED = 9


# how a person may end a job → its state then, and the states from which
ENDS: Mapping[str, tuple[JobState, frozenset[JobState]]] = {
    "save": (JobState.SAVED, frozenset({JobState.RECEIVED, JobState.TRASHED})),
    "trash": (JobState.TRASHED, frozenset({JobState.RECEIVED, JobState.SAVED})),
    "delete": (JobState.DELETED, frozenset(JobState) - {JobState.DELIVERED, JobState.DELETED}),
}


class Step(enum.StrEnum):
    """The delivery worker's next step with a job."""

    READY = "ready"  # deliver the job when it is due
    RUNNING = "running"  # a delivery is running
    CLAIMED = "claimed"  # a client of the location has the job
    HELD = "held"  # wait for a person
    UNRELEASED = "unreleased"  # wait until the owner releases the job
    DONE = "done"


class Job(NamedTuple):
    """A job's row, joined with the row of its document.

    Attributes:
        key: the name of the key that submitted the job.
        bytes: what the job counts in the quota of its company and key.
        queue: the jobs of one key for one device, which are delivered in order.
        held_for: the owner of a job that waits, or has waited, for a release; empty if the job
            names no owner; None for all other jobs.
    """

    sequence: int
    id: str
    company: str
    key: str
    bytes: int
    queue: str
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
    charset: str
    segments: Sequence[int]
    held_for: str | None


class Texts(NamedTuple):
    """The texts that each job of a submit stores, and the bytes that each job counts."""

    title: str
    props: str  # a JSON object
    job_bytes: int


def measure(title: str, props: Mapping[str, str], request_bytes: int) -> Texts:
    """Prepare the texts of a job; `request_bytes` is its part of the stored request."""
    written = json.dumps(dict(props), ensure_ascii=False)
    size = JOB_BYTES + request_bytes + len(title.encode()) + len(written.encode())
    return Texts(title, written, size)


class Transition(NamedTuple):
    """One step of a job's history."""

    state: JobState
    time: float
    message: str


class Jobs:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._last_id = ("", 0)  # second and number; only the serving process makes jobs

    def prune(self, age_s: float) -> list[tuple[Owner, Amount]]:
        """Remove the jobs that ended more than `age_s` seconds ago and whose documents were pruned.

        Return what the removed jobs counted.
        """
        removed, before = [], time.time() - age_s
        while found := self._remove("AND ended < ?", before):
            removed += found
        return removed

    def make_room(self, company: str, key: str | None) -> list[tuple[Owner, Amount]]:
        """Remove a company's, or a key's, oldest jobs that ended and whose documents were pruned.

        Return what the removed jobs counted.
        """
        where, values = rows_of(company, key)
        return self._remove(f"AND {where} AND ended IS NOT NULL", *values)

    def _remove(self, which: str, *values: object) -> list[tuple[Owner, Amount]]:
        removed: list[tuple[Owner, Amount]] = []
        with self._store.transaction() as db:
            rows = db.execute(f"{_ENDED} {which} ORDER BY ended LIMIT ?", (*values, _BATCH))
            for document in rows.fetchall():
                removed += _remove_jobs(db, document["id"])
                if len(removed) >= _BATCH:
                    break
        return removed

    def insert(
        self,
        db: Connection,
        document: Document,
        targets: Sequence[tuple[str, str]],
        texts: Texts,
        held_for: Sequence[str | None],
    ) -> list[str]:
        """Make one job of a document for each target; return their ids in the same order.

        Args:
            held_for: for each target, whose release the job waits for; None for no release.
        """
        now = time.time()
        second = time.strftime("%Y%m%d%H%M%S", time.gmtime(now))
        first = self._last_number(db, second) + 1
        ids = []
        for number, ((location, device), owner) in enumerate(
            zip(targets, held_for, strict=True), first
        ):
            step = Step.READY if owner is None else Step.UNRELEASED
            ids.append(f"{second}-{number}")
            db.execute(
                "INSERT INTO job (id, company, key, location, device, title, document, props,"
                " bytes, state, step, submitted, updated, held_for, message)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (ids[-1], *document.owner, location, device, texts.title, document.id,
                 texts.props, texts.job_bytes, JobState.SUBMITTED, step, now, now, owner,
                 release_message(owner)),
            )  # fmt: skip
        self._last_id = (second, first + len(ids) - 1)
        return ids

    def _last_number(self, db: Connection, second: str) -> int:
        if self._last_id[0] != second:
            # read once in a second, so that a restart within the second repeats no id
            taken = [
                int(row["id"].partition("-")[2])
                for row in db.execute(
                    "SELECT id FROM job WHERE id > ? AND id < ?", (f"{second}-", f"{second}.")
                )
            ]
            self._last_id = (second, max(taken, default=0))
        return self._last_id[1]

    def find(self, job_id: str) -> Job | None:
        """Find a job by its id; None if it is unknown."""
        found = select_jobs(self._store, "WHERE job.id = ?", job_id)
        return found[0] if found else None

    def newest(
        self, company: str | None = None, location: str | None = None, count: int = ALL
    ) -> list[Job]:
        """List the newest jobs, newest first: of all companies, of one, or of one of its locations.

        Without a `count`, list all of them.
        """
        order = "ORDER BY job.sequence DESC LIMIT ?"
        if company is None:
            return select_jobs(self._store, order, count)
        if location is None:
            return select_jobs(self._store, f"WHERE job.company = ? {order}", company, count)
        where = "WHERE job.company = ? AND job.location = ?"
        return select_jobs(self._store, f"{where} {order}", company, location, count)

    def history(self, job_id: str) -> list[Transition]:
        """List every step of a job, oldest first."""
        rows = self._store.execute(
            "SELECT state, time, message FROM transition WHERE job = ? ORDER BY number", job_id
        )
        return [Transition(JobState(state), at, message) for state, at, message in rows]

    def end(self, job_id: str, verb: str, by: Actor) -> None:
        """End a job by a verb of ENDS.

        Raises:
            SettingsError: there is no such job, or its state does not allow this end.
        """
        with self._store.transaction() as db:
            _end(db, job_id, verb, by)

    def retry(self, job_id: str, by: Actor) -> None:
        """Schedule a held job again.

        Raises:
            SettingsError: there is no such job, or the job is not held.
        """
        with self._store.transaction() as db:
            _retry(db, job_id, by)

    def change_all(self, job_ids: Iterable[str], verb: str, by: Actor) -> list[str]:
        """Retry jobs, or end them by a verb of ENDS, in one transaction.

        Return the jobs that were changed; the state of others does not allow the change.
        """
        changed = []
        with self._store.transaction() as db:
            for job_id in job_ids:
                with contextlib.suppress(SettingsError):
                    if verb == "retry":
                        _retry(db, job_id, by)
                    else:
                        _end(db, job_id, verb, by)
                    changed.append(job_id)
        return changed


def release_message(held_for: str | None) -> str:
    """The message of a job that waits for the release by an owner; clients recognize its beginning.

    The message is empty for None, which means that the job does not wait.
    """
    if held_for is None:
        return ""
    return RELEASE_MESSAGE if held_for else f"{RELEASE_MESSAGE}: {_NO_OWNER}"


def can_retry(state: JobState, step: Step) -> bool:
    """Tell whether a delivery was begun and is not running now."""
    return state is JobState.RECEIVED and step not in (Step.RUNNING, Step.CLAIMED)


def select_jobs(store: Store, conditions: str, *values: object) -> list[Job]:
    """Read the jobs that meet the conditions of a query, such as `WHERE job.id = ?`."""
    return [_make_job(row) for row in store.execute(_SELECT + conditions, *values)]


def _make_job(row: Row) -> Job:
    changed = {
        "state": JobState(row["state"]),
        "step": Step(row["step"]),
        "props": json.loads(row["props"]),
        "segments": json.loads(row["segments"]),
    }
    return Job(**{**dict(row), **changed})


def _remove_jobs(db: Connection, document: str) -> list[tuple[Owner, Amount]]:
    """Remove a document's row and its jobs."""
    jobs = db.execute("SELECT id, company, key, bytes FROM job WHERE document = ?", (document,))
    removed = []
    for job_id, company, key, size in jobs.fetchall():
        db.execute("DELETE FROM transition WHERE job = ?", (job_id,))
        db.execute("DELETE FROM job WHERE id = ?", (job_id,))
        removed.append((Owner(company, key), Amount(bytes=size, jobs=1)))
    db.execute("DELETE FROM document WHERE id = ?", (document,))
    return removed


def _end(db: Connection, job_id: str, verb: str, by: Actor) -> None:
    state, allowed = ENDS[verb]
    before, _, company = _find_state(db, job_id)
    if before not in allowed:
        raise SettingsError(
            f"job {job_id} is {before.name.lower()} and cannot be {state.name.lower()}"
        )
    db.execute(
        "UPDATE job SET state = ?, step = 'done', message = '', updated = ? WHERE id = ?",
        (state, time.time(), job_id),
    )
    record(db, by, f"job {verb}", job_id, company)


def _retry(db: Connection, job_id: str, by: Actor) -> None:
    state, step, company = _find_state(db, job_id)
    if not can_retry(state, step):
        raise SettingsError(f"job {job_id} is not waiting for a retry")
    db.execute("UPDATE job SET step = 'ready', attempts = 0, due = 0 WHERE id = ?", (job_id,))
    record(db, by, "job retry", job_id, company)


def _find_state(db: Connection, job_id: str) -> tuple[JobState, Step, str]:
    row = db.execute("SELECT state, step, company FROM job WHERE id = ?", (job_id,)).fetchone()
    if row is None:
        raise SettingsError(f"there is no job {job_id!r}")
    return JobState(row["state"]), Step(row["step"]), row["company"]
