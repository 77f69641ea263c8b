"""Documents on disk after the cloud has accepted them: who follows each, and the cloud's news.

Hand-overs are counted. So news are recognized as too late if the poller asked for them before a
backend took the document back.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from cirrus_bridge.base.model import DeliveryState, DocumentKey, JobStatus
from cirrus_bridge.journal.database import JournalDatabase
from cirrus_bridge.journal.documents import (
    BY_KEY,
    DOCUMENTS,
    WITH_DELIVERIES,
    Document,
    read_documents,
)
from cirrus_bridge.journal.files import has_poller
from cirrus_bridge.journal.lifecycle import (
    ACCEPTED,
    OVER,
    WITH_POLLER,
    Event,
    State,
    next_state,
    sql_list,
)
from cirrus_bridge.journal.schema import COMPANY, KEY, UNRELEASED_SQL


class DeliveryJournal(JournalDatabase):
    """The journal's part for following documents."""

    def has_only_last_runs(self) -> bool:
        """Whether Cirrus Bridge is being removed: runs send and follow nothing."""
        return self._files.last_runs.exists()

    def documents_of(self, key: DocumentKey) -> list[Document]:
        """The accepted documents of the print that `key` belongs to, by number."""
        return self._accepted(
            "job_uuid = ? AND job_id = ? AND print_run = ? AND destination = ?", key[:4]
        )

    def state(
        self,
        key: DocumentKey,
        number: int,
        status: JobStatus,
        *,
        now_s: float,
        hand_overs: int | None = None,
    ) -> bool:
        """Note the status of a delivery; return False, and write nothing, if the caller no longer
        follows the document.

        Args:
            hand_overs: the number of hand-overs when the poller asked; None for a backend.
        """
        seen_s = now_s if status.state is not DeliveryState.SUBMITTED else None
        final_s = now_s if status.state.is_final else None
        # the poller's number of hand-overs, or None while a backend follows the document
        follower = f"iif(state IN {sql_list(WITH_POLLER)}, hand_overs, NULL)"
        with self._transaction(may_be_lost=hand_overs is None):  # the poller reports to programs
            if self._columns(key, follower) != (hand_overs,):
                return False
            self._db.execute(
                "UPDATE delivery SET state = ?, message = ?, submitted = ?, received = ?,"
                " delivered = ?, updated_at = ?, received_at = coalesce(received_at, ?),"
                " final_at = coalesce(final_at, ?), has_stopped_queue = has_stopped_queue AND ?"
                f" WHERE {BY_KEY} AND target_number = ?",
                (int(status.state), status.message, status.submitted, status.received,
                 status.delivered, now_s, seen_s, final_s, status.is_failing, *key, number),
            )  # fmt: skip
        return True

    def hand_over(
        self, keys: Iterable[DocumentKey], handover: str, device_uri: str, *, now_s: float
    ) -> None:
        """Leave these documents to the poller.

        Args:
            handover: `hold` if CUPS holds the job, `complete` if CUPS ends it.
        """
        event = Event.HOLD if handover == "hold" else Event.LEAVE
        with self._transaction():
            for key in keys:
                self._move(key, event, now_s, device_uri=device_uri, open_runs=0)
                self._count(key, "hand_overs")

    def take_back(self, keys: Iterable[DocumentKey], *, now_s: float) -> None:
        """Follow these documents in a backend again, because a person released their job."""
        taken = [key for key in keys if self._state(key) is not State.FOLLOWED]
        if taken:
            self._note(Event.TAKE_BACK, *taken, now_s=now_s, may_be_lost=True)

    def close(self, keys: Iterable[DocumentKey], *, now_s: float) -> None:
        """Note that nothing is left to be done for these documents."""
        # not if another run submits the document again
        self._note(Event.CLOSE, *keys, among=ACCEPTED, now_s=now_s, open_runs=0)

    def held_counts(self, queue: str) -> tuple[int, int]:
        """The number of jobs of a queue, and of all queues, that CUPS holds until the poller has
        seen their delivery."""
        counts: tuple[int, int] = self._row(
            "SELECT count(DISTINCT iif(queue = ?, job_uuid, NULL)), count(DISTINCT job_uuid)"
            " FROM document WHERE closed_at IS NULL AND state = 'held'",
            (queue,),
        )
        return counts

    def poller_is_alive(self) -> bool:
        """Whether a poller runs. The question does not wait, and lets a poller start."""
        with self._translated():
            return has_poller(self._files.locks)

    def quiet_since_s(self, at: str, location: str) -> float:
        """The time since which a location has fetched nothing though documents wait for it, in
        seconds since the epoch; infinite if no document waits.

        Args:
            at: the beginning of the destinations of the location's company.
        """
        (oldest_s,) = self._row(
            f"SELECT min(accepted_at) FROM delivery WHERE {COMPANY} = ? AND location = ?"
            f" AND state = 0 AND undelivered_at IS NULL AND NOT {UNRELEASED_SQL}",
            (at, location),
        )
        if oldest_s is None:
            return math.inf
        fetched = self._row(
            "SELECT fetched_at FROM place WHERE company = ? AND location = ?", (at, location)
        )
        return max(float(oldest_s), fetched[0] if fetched else 0.0)

    def _accepted(self, where: str, values: Sequence[object]) -> list[Document]:
        rows = self._rows(
            f"{WITH_DELIVERIES} document.state IN {sql_list(ACCEPTED)}"
            f" AND cloud_job_id IS NOT NULL AND {where}"
            f" ORDER BY document.accepted_at, {KEY}, target_number",
            values,
        )
        return read_documents(rows)

    def _documents(self, where: str, values: Sequence[object] = ()) -> list[Document]:
        """Documents without their deliveries."""
        return read_documents(self._rows(DOCUMENTS + where, values))

    def _of_job(self, job_uuid: str, job_id: int) -> list[Document]:
        """All documents of a job, for any destination, by print and number."""
        return self._documents(
            "job_uuid = ? AND job_id = ? ORDER BY print_run, number", (job_uuid, job_id)
        )

    def _columns(self, key: DocumentKey, columns: str) -> Any:
        """Columns of a document's row; None if the document was pruned."""
        return self._row(f"SELECT {columns} FROM document WHERE {BY_KEY}", key)

    def _state(self, key: DocumentKey) -> State | None:
        row = self._columns(key, "state")
        return State(row[0]) if row else None

    def _move(
        self, key: DocumentKey, event: Event, now_s: float, **values: str | float | None
    ) -> None:
        """Change a document's state as `lifecycle` allows, and other columns of its row."""
        state = self._state(key)
        if state is None:
            return  # pruned
        after = next_state(state, event)
        if after not in OVER:
            values["closed_at"] = None
        elif state not in OVER:
            values["closed_at"] = now_s
        self._set(key, now_s, state=after, **values)

    def _note(
        self,
        event: Event,
        *keys: DocumentKey,
        now_s: float,
        among: Collection[State | None] | None = None,
        may_be_lost: bool = False,
        **values: str | float | None,
    ) -> None:
        """Move the documents whose states are `among` these, in one transaction."""
        with self._transaction(may_be_lost=may_be_lost):
            for key in keys:
                if among is None or self._state(key) in among:
                    self._move(key, event, now_s, **values)

    def _update(self, key: DocumentKey, now_s: float, **values: str | float | None) -> None:
        with self._transaction():
            self._set(key, now_s, **values)

    def _set(self, key: DocumentKey, now_s: float, **values: str | float | None) -> None:
        columns = "".join(f"{name} = ?, " for name in values)
        self._db.execute(
            f"UPDATE document SET {columns}updated_at = ? WHERE {BY_KEY}",
            (*values.values(), now_s, *key),
        )

    def _count(self, key: DocumentKey, column: str) -> int:
        """Increase a number in a document's row, and return the sum; 0 if the row was pruned."""
        rows = self._db.execute(
            f"UPDATE document SET {column} = {column} + 1 WHERE {BY_KEY} RETURNING {column}", key
        ).fetchall()
        return int(rows[0][0]) if rows else 0
