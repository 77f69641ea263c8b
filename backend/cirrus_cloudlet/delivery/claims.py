"""Claims: the jobs that the clients of a location have fetched, and what they report of them.

A claim is on disk before the client gets the job. A device has one active claim at a time, so its
jobs come in order, and two clients never deliver the same job. A client begins a delivery only
after the server has confirmed that the claim is still active. So a claim that was not begun can
be taken from a silent client. If the claim was begun, the job may have been printed: then the job
is held until a person decides, or until the client reports after all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import NamedTuple

from cirrus_cloudlet.delivery.queue import Queue, after_failure
from cirrus_cloudlet.delivery.ways import JOB_WAITS
from cirrus_cloudlet.storage.clients import SILENT_S, ClientName
from cirrus_cloudlet.storage.credentials import new_secret
from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.engine import Connection, Row
from cirrus_cloudlet.storage.jobs import Job, JobState, Step, select_jobs

# a client whose line is down for this long may have printed what it has received
_LOST_S = 3600.0
_ACTIVE = (
    "SELECT job, token FROM claim WHERE active = 1 AND company = ? AND location = ? AND client = ?"
)
_SILENT = (
    "SELECT claim.job, claim.token, claim.begun, client.name, client.heard FROM claim"
    " JOIN client ON client.company = claim.company AND client.location = claim.location"
    " AND client.id = claim.client WHERE claim.active = 1 AND client.heard < ?"
)


class Claim(NamedTuple):
    """A job that a client has; the token proves it."""

    token: str
    job: Job


class Claims:
    """The claims of all clients. `now` is the time by the clock of this server."""

    def __init__(self, store: Store, queue: Queue, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._queue = queue
        self._now = now

    def claim(self, client: ClientName, room: int, takes: Callable[[Job], bool]) -> None:
        """Claim up to `room` jobs that are due, at devices without a claim.

        Args:
            takes: tells whether the client can deliver a job.
        """
        now = self._now()
        self._forget_ended(client)
        for ready in self._queue.list_ready_at(client.company, client.location):
            if room <= 0:
                return
            if ready.due > now:
                continue
            found = select_jobs(self._store, "WHERE job.id = ?", ready.id)
            if found and takes(found[0]) and self._claim(client, found[0], now):
                room -= 1

    def list_active(self, client: ClientName) -> list[Claim]:
        """List the jobs that a client has."""
        found = []
        for row in self._store.execute(_ACTIVE, *client):
            jobs = select_jobs(self._store, "WHERE job.id = ? AND job.step = 'claimed'", row["job"])
            found += [Claim(row["token"], job) for job in jobs]
        return found

    def find(self, company: str, location: str, job_id: str, token: str) -> Job | None:
        """Find the job of an active claim at a location; None if the claim is over."""
        rows = self._store.execute(
            "SELECT 1 FROM claim WHERE job = ? AND token = ? AND active = 1"
            " AND company = ? AND location = ?",
            *(job_id, token, company, location),
        )
        where = "WHERE job.id = ? AND job.step = 'claimed'"
        found = select_jobs(self._store, where, job_id) if rows else []
        return found[0] if found else None

    def begin(self, job: Job, token: str) -> bool:
        """Note that the client has a job's document and is about to deliver it.

        Return False if the claim is over, so that the client must not deliver. It is safe to
        repeat.
        """
        now = self._now()
        with self._store.transaction() as db:
            row = _find_claim(db, job.id, token)
            if row is None or not row["active"]:
                return False
            attempts = job.attempts if row["begun"] else job.attempts + 1
            begun = db.execute(
                "UPDATE job SET state = 1, attempts = ?, message = '',"
                " received = coalesce(received, ?), updated = ? WHERE id = ? AND step = 'claimed'",
                (attempts, now, now, job.id),
            ).rowcount
            if begun:
                db.execute(
                    "UPDATE claim SET begun = coalesce(begun, ?) WHERE job = ?", (now, job.id)
                )
            else:
                _forget(db, job.id)
        return bool(begun)

    def note_progress(self, job: Job, message: str) -> None:
        """Show how far the client is."""
        self._store.execute(
            "UPDATE job SET message = ?, updated = ? WHERE id = ? AND step = 'claimed'",
            *(message, self._now(), job.id),
        )

    def finish(self, job_id: str, token: str, target: str, message: str, age_s: float) -> bool:
        """Note that a client has delivered a job, `age_s` seconds ago.

        A late report counts, too: unless another client has the job meanwhile, the job is not
        delivered again. Return False if the claim is over.
        """
        now = self._now()
        with self._store.transaction() as db:
            row = _find_claim(db, job_id, token)
            if row is None:
                return False
            db.execute(
                "UPDATE job SET state = 2, step = 'done', target = ?, message = ?, updated = ?,"
                " received = coalesce(received, ?), delivered = ? WHERE id = ? AND state IN (0, 1)",
                (target, message, now, now, _delivered_at(row["begun"], age_s, now), job_id),
            )
            _forget(db, job_id)
        return True

    def fail(self, job: Job, token: str, message: str, *, again: bool) -> bool:
        """Note that a delivery failed: schedule the job again if `again`, else hold it.

        Return False if the claim is over.
        """
        now = self._now()
        with self._store.transaction() as db:
            row = _find_claim(db, job.id, token)
            if row is None:
                return False
            # an attempt that was begun counts already; a job that was not begun is still in the
            # state 0, from which nobody could retry it
            before = job.attempts - 1 if row["begun"] else job.attempts
            step, said, due = after_failure(before, message, again=again, now=now)
            if not row["active"]:  # held already, because the client was silent
                step, due = Step.HELD, 0.0
            db.execute(
                "UPDATE job SET state = 1, attempts = ?, received = coalesce(received, ?),"
                " step = ?, message = ?, due = ?, updated = ?"
                " WHERE id = ? AND step IN ('claimed', 'held') AND state IN (0, 1)",
                (before + 1, now, step, said, due, now, job.id),
            )
            _forget(db, job.id)
        return True

    def release_silent(self) -> None:
        """Take the jobs of silent clients back, or hold those that may have been printed."""
        now = self._now()
        for row in self._store.execute(_SILENT, now - SILENT_S):
            if row["begun"] is None:
                self._give_back(row["job"], row["token"], now)
            elif row["heard"] < now - _LOST_S:
                self._hold(row["job"], row["token"], row["name"], now)

    def _forget_ended(self, client: ClientName) -> None:
        """Free the devices whose claimed jobs were deleted by a person."""
        ended = self._store.execute(
            "SELECT claim.job FROM claim JOIN job ON job.id = claim.job WHERE claim.active = 1"
            " AND claim.company = ? AND claim.location = ? AND job.step != 'claimed'",
            *(client.company, client.location),
        )
        if ended:
            with self._store.transaction(client.company) as db:
                for row in ended:
                    _forget(db, row["job"])

    def _claim(self, client: ClientName, job: Job, now: float) -> bool:
        with self._store.transaction(client.company) as db:
            db.execute("DELETE FROM claim WHERE job = ? AND active = 0", (job.id,))
            has_claimed = db.execute(
                "INSERT INTO claim (job, company, location, device, client, token)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (job.id, client.company, client.location, job.device, client.id, new_secret()),
            ).rowcount
            if not has_claimed:
                return False
            is_ready = db.execute(
                "UPDATE job SET step = 'claimed', updated = ? WHERE id = ? AND step = 'ready'",
                (now, job.id),
            ).rowcount
            if not is_ready:
                _forget(db, job.id)
        return bool(is_ready)

    def _give_back(self, job_id: str, token: str, now: float) -> None:
        with self._store.transaction() as db:
            gone = db.execute(
                "DELETE FROM claim WHERE job = ? AND token = ? AND begun IS NULL", (job_id, token)
            ).rowcount
            if gone:
                db.execute(
                    "UPDATE job SET step = 'ready', message = '', updated = ?"
                    " WHERE id = ? AND step = 'claimed'",
                    (now, job_id),
                )

    def _hold(self, job_id: str, token: str, name: str, now: float) -> None:
        message = (
            f"Error: the client {name or 'of the location'} has not been heard since it received"
            f" the job, which may be printed already; {JOB_WAITS}"
        )
        with self._store.transaction() as db:
            db.execute("UPDATE claim SET active = 0 WHERE job = ? AND token = ?", (job_id, token))
            db.execute(
                "UPDATE job SET step = ?, message = ?, updated = ?"
                " WHERE id = ? AND step = 'claimed' AND state = ?",
                (Step.HELD, message, now, job_id, JobState.RECEIVED),
            )


def find_ended(claims: Collection[Claim], tokens: Collection[str]) -> list[str]:
    """Find which of a client's tokens belong to no active claim any longer."""
    active = {claim.token for claim in claims}
    return [token for token in tokens if token not in active]


def _find_claim(db: Connection, job_id: str, token: str) -> Row | None:
    row: Row | None = db.execute(
        "SELECT active, begun FROM claim WHERE job = ? AND token = ?", (job_id, token)
    ).fetchone()
    return row


def _delivered_at(begun: float | None, age_s: float, now: float) -> float:
    """The time of a delivery by the server's clock; clients tell only how long ago it was."""
    return min(max(now - age_s, begun or 0.0), now)


def _forget(db: Connection, job_id: str) -> None:
    db.execute("DELETE FROM claim WHERE job = ?", (job_id,))
