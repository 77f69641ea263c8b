"""Jobs that wait for their owners: who sees and releases them, and when they expire.

A job that has ever waited for a release is private: only its owner and the administrators of its
company see it, also after its release. All other jobs are seen by the accounts of their company or
location.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.storage.audit import Actor, record
from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.jobs import Job, Step, select_jobs

if TYPE_CHECKING:
    from cirrus_cloudlet.storage.access import Account

_BATCH = 100  # jobs that one transaction deletes
_SET_READY = (
    "UPDATE job SET step = 'ready', message = '', updated = ? WHERE step = 'unreleased' AND"
)
_EXPIRE = (
    "UPDATE job SET state = 3, step = 'done', message = ?, updated = ? WHERE sequence IN"
    " (SELECT sequence FROM job WHERE step = 'unreleased' AND submitted < ? LIMIT ?) RETURNING 1"
)


class Viewer(NamedTuple):
    """A person who looks at the jobs of a company.

    Attributes:
        location: None if the person sees the jobs of all locations.
        person: the user name by which the person prints; empty if it is not known.
    """

    company: str
    location: str | None
    person: str
    is_administrator: bool

    def sees(self, job: Job) -> bool:
        """Tell whether the person may see a job."""
        if job.company != self.company:
            return False
        if job.held_for is None:
            return self.location in (None, job.location)
        return self.is_administrator or self.owns(job)

    def owns(self, job: Job) -> bool:
        """Tell whether a job waits, or has waited, for the person."""
        return bool(self.person) and (job.company, job.held_for) == (self.company, self.person)

    def may_release(self, job: Job) -> bool:
        """Tell whether the person may release a job now."""
        return job.step is Step.UNRELEASED and self.sees(job)


def viewer_of(account: Account) -> Viewer:
    """The person of an account."""
    # the provider's name for a person need not be the user name of the same person
    person = account.person or ("" if account.provider else account.name)
    return Viewer(account.company, account.location, person, account.is_administrator)


def waiting_query(viewer: Viewer, place: tuple[str, str] | None) -> tuple[str, list[str]]:
    """The query for the sequences of the jobs that a person may release, and its values.

    The index is named, because the planner does not know that few jobs wait for a release.
    """
    index = "job_held_at" if place else "job_held_for"
    conditions, values = ["step = 'unreleased'", "company = ?"], [viewer.company]
    if not viewer.is_administrator:
        conditions.append("held_for = ?")
        values.append(viewer.person)
    if place:
        conditions += ["location = ?", "device = ?"]
        values += place
    which = f"SELECT sequence FROM job INDEXED BY {index} WHERE {' AND '.join(conditions)}"  # noqa: S608
    return f"{which} ORDER BY sequence", values


class Releases:
    """The jobs of one data folder that wait for a release."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def waiting(
        self, viewer: Viewer, count: int, place: tuple[str, str] | None = None
    ) -> list[Job]:
        """List the oldest jobs that a person may release, at most `count`.

        Args:
            place: only the jobs for the device with these ids of its location and itself.
        """
        if not (viewer.person or viewer.is_administrator):
            return []
        which, values = waiting_query(viewer, place)
        return select_jobs(
            self._store,
            f"WHERE job.sequence IN ({which} LIMIT ?) ORDER BY job.sequence",
            *(*values, count),
        )

    def release(self, job_id: str, by: Actor) -> None:
        """Schedule a job that waits for its owner's release; this is on disk when it returns.

        Raises:
            SettingsError: there is no such job, or the job does not wait for a release.
        """
        with self._store.transaction() as db:
            values = (time.time(), job_id)
            row = db.execute(f"{_SET_READY} id = ? RETURNING company", values).fetchone()
            if row is None:
                raise SettingsError(f"job {job_id} is not waiting for a release")
            record(db, by, "job release", job_id, row["company"])

    def release_all(self, viewer: Viewer, place: tuple[str, str], by: Actor) -> int:
        """Schedule all of a person's own jobs for a device; return their number."""
        if not viewer.person:
            return 0
        with self._store.transaction() as db:
            rows = db.execute(
                f"{_SET_READY} company = ? AND held_for = ? AND location = ? AND device = ?"
                " RETURNING id",
                (time.time(), viewer.company, viewer.person, *place),
            ).fetchall()
            for row in rows:
                record(db, by, "job release", row["id"], viewer.company)
        return len(rows)

    def expire(self, age_s: float) -> None:
        """Delete the jobs that have waited for their release for more than `age_s` seconds."""
        now = time.time()
        message = f"Not released within {age_s / 3600:g} hours."
        while self._store.execute(_EXPIRE, message, now, now - age_s, _BATCH):
            pass
