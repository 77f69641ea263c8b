"""The poller's part of the journal: documents that were handed over or wait for a server, orphans,
recent failures, and pruning.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cirrus_bridge.base.model import DocumentKey
from cirrus_bridge.base.privileges import as_owner
from cirrus_bridge.journal.deliveries import DeliveryJournal
from cirrus_bridge.journal.documents import BY_KEY, Document
from cirrus_bridge.journal.files import (
    PollerSign,
    give_sign,
    read_sign,
    take_poller_lock,
)
from cirrus_bridge.journal.lifecycle import (
    ACCEPTED,
    OVER,
    TRANSITIONS,
    WAITS,
    WITH_POLLER,
    Event,
    State,
    sql_list,
)
from cirrus_bridge.journal.schema import CHANGED_AT, FETCHED, KEY

PRUNED_AT_ONCE = 200  # so that neither a backend nor the poller's work waits long


class HandOver(NamedTuple):
    """A document that was handed over, and perhaps taken back since; its row number is valid until
    the next look."""

    state: State
    hand_overs: int
    row: int


class PollerJournal(DeliveryJournal):
    """The journal's part for the poller; use as a context manager."""

    _version: int | None = None
    _serial: int | None = None
    _name = ""

    def has_changed(self) -> bool:
        """Whether another process has written since the last call (PRAGMA data_version)."""
        before, self._version = self._version, self._row("PRAGMA data_version")[0]
        return before != self._version

    def take_over(self, name: str, *, now_s: float) -> bool:
        """Become the poller for as long as the journal stays open; return False while another
        process is the poller."""
        with self._translated():
            if not take_poller_lock(self._files.locks):
                return False
        self.check_current()  # others look for the lock in the file at the path
        self._name = name
        self.give_sign(now_s=now_s)
        return True

    def give_sign(self, *, now_s: float) -> None:
        """Leave a sign of life of this poller."""
        give_sign(self._files.locks, PollerSign(self._name, now_s))

    def leave(self) -> None:
        """Note that this poller ends normally."""
        give_sign(self._files.locks, None)

    def let_runs_be_last(self, *, are_last: bool) -> None:
        """Announce that Cirrus Bridge is being removed, or that it is back."""
        with self._translated(), as_owner(str(self._files.folder)):
            if are_last:
                self._files.last_runs.touch(mode=0o600)
            else:
                self._files.last_runs.unlink(missing_ok=True)

    def all_of_job(self, job_uuid: str, job_id: int) -> list[Document]:
        """All documents of a job, for any destination."""
        return self._of_job(job_uuid, job_id)

    def last_sign(self) -> PollerSign | None:
        """The last poller's sign of life; None if that poller ended normally."""
        with self._translated():
            return read_sign(self._files.locks)

    def handed_over(self) -> dict[DocumentKey, HandOver]:
        """The documents that the poller follows."""
        return self._hand_overs(f"closed_at IS NULL AND state IN {sql_list(WITH_POLLER)}")

    def hand_over_changes(self) -> dict[DocumentKey, HandOver]:
        """The documents that were handed over, taken back or closed since the last call; at the
        first call, those that the poller follows."""
        before, self._serial = self._serial, self._row("SELECT serial FROM meta")[0]
        if before is None:
            return self.handed_over()
        return self._hand_overs("poller_serial >= ?", (before,))

    def _hand_overs(self, where: str, values: Sequence[object] = ()) -> dict[DocumentKey, HandOver]:
        rows = self._rows(
            f"SELECT {KEY}, state, hand_overs, rowid FROM document WHERE {where}", values
        )
        return {DocumentKey(*row[:5]): HandOver(State(row[5]), *row[6:]) for row in rows}

    def documents(self, hand_overs: Iterable[HandOver]) -> list[Document]:
        """Those of the given documents that the poller still follows, the oldest first."""
        # the + keeps SQLite from reading all open documents (https://sqlite.org/optoverview.html)
        return self._accepted(
            "document.rowid IN (SELECT value FROM json_each(?)) AND +closed_at IS NULL"
            f" AND document.state IN {sql_list(WITH_POLLER)}",
            (json.dumps([each.row for each in hand_overs]),),
        )

    def waiting(self) -> list[Document]:
        """The documents whose jobs CUPS holds until their server works, in the order of jobs."""
        return self._documents(
            f"closed_at IS NULL AND state IN {sql_list(WAITS)} ORDER BY job_id, number"
        )

    def orphans(self, key: DocumentKey | None = None) -> list[Document]:
        """The documents that only a backend can finish, now or when their jobs are released. With
        `key`, the list has at most this document."""
        return self._documents(
            f"closed_at IS NULL AND state IN {sql_list(frozenset(State) - OVER - WITH_POLLER)}"
            + (f" AND {BY_KEY}" if key else ""),
            key or (),
        )

    def is_elsewhere(self, key: DocumentKey) -> bool:
        """Whether the same document, or a later print, was accepted for another destination."""
        return any(
            each.key.number == key.number and each.key.print_run >= key.print_run
            for each in self._of_job(key.job_uuid, key.job_id)
            if each.state in ACCEPTED
        )

    def is_at_work(self, job_uuid: str, job_id: int) -> bool:
        """Whether a backend is working on this job."""
        if not self.claim(job_uuid, job_id):
            return True
        self.unclaim(job_uuid, job_id)
        return False

    def restarted(self, key: DocumentKey, *, now_s: float) -> None:
        """Note that CUPS was asked to run this orphan's job again, once for a killed run. The next
        run may be another program's, which writes nothing here."""
        with self._transaction():
            if self._state(key) is State.REPRINT:
                self._move(key, Event.RUN, now_s)
            self._set(key, now_s, open_runs=0)

    def abandon(self, key: DocumentKey, *, now_s: float) -> None:
        """Note that CUPS ended the document's job before the server accepted the document."""
        self._note(Event.ABANDON, key, among=TRANSITIONS[Event.ABANDON], now_s=now_s, open_runs=0)

    def goes_on(self, job_uuid: str, job_id: int, completed: int, *, now_s: float) -> None:
        """Note that CUPS has completed the job at `completed` (seconds since the epoch), though its
        print is not finished."""
        with self._transaction():
            self._db.execute(
                "UPDATE document SET completed_at = ?3, updated_at = ?4"
                " WHERE job_uuid = ?1 AND job_id = ?2 AND print_run = (SELECT max(print_run)"
                " FROM document WHERE job_uuid = ?1 AND job_id = ?2)",
                (job_uuid, job_id, completed, now_s),
            )

    def accepted_count(self, job_uuid: str, job_id: int) -> int:
        """The number of documents of the job's last print that the cloud has."""
        of_job = self._of_job(job_uuid, job_id)
        of_last = [each for each in of_job if each.key.print_run == of_job[-1].key.print_run]
        return len({each.key.number for each in of_last if each.state in ACCEPTED})

    def signs_of_life(self, *, since_s: float) -> list[tuple[str, str, float]]:
        """The locations that fetched a document while its backend followed it, after `since_s`:
        destination, location, and time in seconds since the epoch."""
        return self._rows(
            f"SELECT destination, location, max({CHANGED_AT}) FROM delivery"
            f" INDEXED BY delivery_changed CROSS JOIN document USING ({KEY})"
            f" WHERE received_at IS NOT NULL AND {CHANGED_AT} > ?1 AND delivery.state IN {FETCHED}"
            " AND (closed_at > ?1 OR (closed_at IS NULL AND document.state = 'followed'))"
            " GROUP BY destination, location",
            (since_s,),
        )

    def is_printed_again(self, key: DocumentKey) -> bool:
        """Whether a later print of the document's job exists, to which CUPS's news then belong."""
        return self._exists(
            "SELECT 1 FROM document WHERE job_uuid = ? AND job_id = ? AND print_run != ?"
            f" AND rowid > (SELECT rowid FROM document WHERE {BY_KEY})",
            (*key[:3], *key),
        )

    def is_printed_at(self, key: DocumentKey, queue: str) -> bool:
        """Whether the document's job was also printed at `queue`, to which a person moved it."""
        of_job = self._of_job(key.job_uuid, key.job_id)
        return any(each.queue == queue and each.state in ACCEPTED for each in of_job)

    def job_is_over(self, keys: Iterable[DocumentKey], *, now_s: float) -> None:
        """Note that CUPS no longer holds the job. News of its documents then go to the queue."""
        self._note(Event.LEAVE, *keys, among={State.HELD}, now_s=now_s)

    def reprint(self, keys: Iterable[DocumentKey], *, now_s: float) -> None:
        """Have the next run of the backend submit these documents again, except those that a
        backend has taken back meanwhile."""
        with self._transaction():
            for key in keys:
                if self._state(key) in WITH_POLLER:
                    self._db.execute(f"DELETE FROM segment WHERE {BY_KEY}", key)
                    self._move(key, Event.FAIL, now_s, temp_file=None, submit_key="")
                    self._count(key, "reprints")

    def stopped_queue(self, key: DocumentKey) -> None:
        """Note that the document's queue was stopped for the errors that its locations report."""
        with self._transaction():
            self._db.execute(f"UPDATE delivery SET has_stopped_queue = 1 WHERE {BY_KEY}", key)

    def pruned_until_s(self, *, before_s: float, most: int) -> float:
        """The time until which closed documents are to be pruned: `before_s` (seconds since the
        epoch), or a later time if more than `most` were closed since then."""
        row = self._row(
            "SELECT closed_at FROM document WHERE closed_at > ?"
            " ORDER BY closed_at DESC LIMIT 1 OFFSET ?",
            (before_s, most),
        )
        return float(row[0]) if row else before_s

    def prune(self, until_s: float) -> bool:
        """Delete some of the documents that were closed until `until_s` (seconds since the epoch),
        the oldest first. Return whether others are left."""
        with self._transaction():
            gone = self._db.execute(
                "DELETE FROM document WHERE rowid IN (SELECT rowid FROM document"
                " WHERE closed_at <= ? ORDER BY closed_at LIMIT ?)",
                (until_s, PRUNED_AT_ONCE),
            ).rowcount
        return gone == PRUNED_AT_ONCE
