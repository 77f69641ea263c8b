"""The journal's part for orphans: documents that no run has finished and nobody follows."""

from __future__ import annotations

from dataclasses import dataclass

from cirrus_bridge.base.model import DocumentKey
from cirrus_bridge.journal.deliveries import BY_KEY, KEY, DeliveryJournal, key_values
from cirrus_bridge.journal.lifecycle import (
    ACCEPTED,
    IN_DOUBT,
    TRANSITIONS,
    WITH_POLLER,
    Event,
    State,
    sql_list,
)


@dataclass(frozen=True, slots=True)
class Orphan:
    """A document that no run has finished and nobody follows.

    Attributes:
        was_killed: whether its last run was killed.
        is_elsewhere: whether the same document was accepted for another destination.
        may_be_printed: whether a submit may have been accepted.
    """

    key: DocumentKey
    state: State
    queue: str
    user: str
    title: str
    was_killed: bool
    is_elsewhere: bool
    may_be_printed: bool


class OrphanJournal(DeliveryJournal):
    """The journal's part for orphans; use as a context manager.

    Raises (every method):
        JournalBusy: another process kept SQLite's lock for BUSY_TIMEOUT_S.
        JournalError: the journal cannot be read or written.
    """

    def orphans(self, key: DocumentKey | None = None) -> list[Orphan]:
        """The documents that only a backend can finish, now or when their jobs are released.

        `is_at_work` tells whether a backend is at work on the job of a document. With `key`, the
        list has at most this document.
        """
        one = f" AND {BY_KEY}" if key else ""
        with self._translated():
            rows = self._db.execute(
                f"SELECT {KEY}, state, queue, user, title,"
                " open_runs > 0, EXISTS (SELECT 1 FROM document o WHERE "
                "o.job_uuid = document.job_uuid AND o.job_id = document.job_id AND o.number = "
                "document.number AND o.print_run >= document.print_run"
                f" AND o.state IN {sql_list(ACCEPTED)}),"
                f" was_in_doubt OR state IN {sql_list(IN_DOUBT)} FROM document"
                f" WHERE closed_at IS NULL AND state NOT IN {sql_list(WITH_POLLER)}{one}",
                key_values(key) if key else (),
            ).fetchall()
        return [
            Orphan(DocumentKey(*row[:5]), State(row[5]), *row[6:9], *map(bool, row[9:]))
            for row in rows
        ]

    def is_at_work(self, job_uuid: str, job_id: int) -> bool:
        """Whether a backend is working on this job."""
        if not self.claim(job_uuid, job_id):
            return True
        self.unclaim(job_uuid, job_id)
        return False

    def restarted(self, key: DocumentKey, *, now_s: float) -> None:
        """Note that CUPS was asked to run this orphan's job again.

        A killed run leads to one such request. The next run may be another program's, which writes
        nothing here.
        """
        with self._transaction():
            state = self._state(key)
            if state is State.REPRINT:
                self._move(key, Event.RUN, now_s)
            self._set(key, now_s, open_runs=0)

    def abandon(self, key: DocumentKey, *, now_s: float) -> None:
        """Note that CUPS ended the document's job before the server accepted the document."""
        with self._transaction():
            if self._state(key) in TRANSITIONS[Event.ABANDON]:
                self._move(key, Event.ABANDON, now_s, open_runs=0)

    def goes_on(self, job_uuid: str, job_id: int, completed: int, *, now_s: float) -> None:
        """Note that CUPS has completed the job, though its print is not finished.

        Args:
            completed: when CUPS completed the job, in seconds since the epoch.
        """
        with self._transaction():
            self._db.execute(
                "UPDATE document SET completed_at = ?3, updated_at = ?4"
                " WHERE job_uuid = ?1 AND job_id = ?2 AND print_run = (SELECT max(print_run)"
                " FROM document WHERE job_uuid = ?1 AND job_id = ?2)",
                (job_uuid, job_id, completed, now_s),
            )

    def accepted_count(self, job_uuid: str, job_id: int) -> int:
        """The number of documents of the job's last print that the cloud has."""
        with self._translated():
            row = self._db.execute(
                "SELECT count(DISTINCT number) FROM document WHERE job_uuid = ?1 AND job_id = ?2"
                f" AND state IN {sql_list(ACCEPTED)} AND print_run ="
                " (SELECT max(print_run) FROM document WHERE job_uuid = ?1 AND job_id = ?2)",
                (job_uuid, job_id),
            ).fetchone()
        return int(row[0])
