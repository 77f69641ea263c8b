"""Accepted documents on disk: the process that follows each document, and the cloud's news.

The backend follows a document until the hand-over, and the poller follows it afterwards. Hand-overs
are counted. So news are recognized as too late if the poller asked for them before a backend took
the document back. Closed documents are kept for a while, then pruned.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from cirrus_bridge.base.model import DeliveryState, DocumentKey, JobStatus, Receipt, Target
from cirrus_bridge.journal import poller_lock
from cirrus_bridge.journal.database import JournalDatabase
from cirrus_bridge.journal.lifecycle import (
    ACCEPTED,
    OVER,
    WITH_POLLER,
    Event,
    State,
    next_state,
    sql_list,
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One target of a document, with its number (from 0) and its last known status."""

    number: int
    receipt: Receipt
    status: JobStatus


@dataclass(frozen=True, slots=True)
class AcceptedDocument:
    """A document that the cloud has. Times are in seconds since the epoch.

    Attributes:
        class_name: the class through which the job came, or empty.
        device_uri: the queue URI with the options for the poller, once the poller follows the
            document.
        reprints: how often the document was submitted again because the cloud did not deliver it.
        closed_at_s: 0 while something is left to be done.
        size_bytes: the document's size; 0 if it is not known.
        sent_bytes: the size of the uploaded stream; 0 if it is not known.
        hand_overs: how often the document was handed over.
    """

    key: DocumentKey
    queue: str
    class_name: str
    user: str
    title: str
    language: str
    state: State
    device_uri: str
    accepted_at_s: float
    reprints: int
    closed_at_s: float
    deliveries: tuple[Delivery, ...]
    size_bytes: int = 0
    sent_bytes: int = 0
    hand_overs: int = 0


class DeliveryJournal(JournalDatabase):
    """The journal's part for following documents; use as a context manager.

    Raises (every method):
        JournalBusy: another process kept SQLite's lock for BUSY_TIMEOUT_S.
        JournalError: the journal cannot be read or written.
    """

    def documents_of(self, key: DocumentKey) -> list[AcceptedDocument]:
        """The accepted documents of the print that `key` belongs to, by number."""
        return self._documents(
            "job_uuid = ? AND job_id = ? AND print_run = ? AND destination = ?", key_values(key)[:4]
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
        """Note the status of a delivery.

        Args:
            number: the number of the target, from 0.
            hand_overs: the number of hand-overs when the poller asked; None for a backend.

        Returns:
            False if the caller no longer follows the document. Nothing is written then.
        """
        seen_s = now_s if status.state is not DeliveryState.SUBMITTED else None
        final_s = now_s if status.state.is_final else None
        with self._transaction():
            if self._hand_over(key) != hand_overs:
                return False
            self._db.execute(
                "UPDATE delivery SET state = ?, message = ?, submitted = ?, received = ?,"
                " delivered = ?, updated_at = ?, received_at = coalesce(received_at, ?),"
                f" final_at = coalesce(final_at, ?) WHERE {BY_KEY} AND target_number = ?",
                (int(status.state), status.message, status.submitted, status.received,
                 status.delivered, now_s, seen_s, final_s, *key_values(key), number),
            )  # fmt: skip
        return True

    def hand_over(
        self, keys: Iterable[DocumentKey], handover: str, device_uri: str, *, now_s: float
    ) -> None:
        """Leave these documents to the poller.

        Args:
            handover: `hold` if CUPS holds the job, `complete` if CUPS ends it.
            device_uri: the queue URI with the options for the poller.
        """
        event = Event.HOLD if handover == "hold" else Event.LEAVE
        with self._transaction():
            for key in keys:
                self._move(key, event, now_s, device_uri=device_uri, open_runs=0)
                self._db.execute(
                    f"UPDATE document SET hand_overs = hand_overs + 1 WHERE {BY_KEY}",
                    key_values(key),
                )

    def take_back(self, keys: Iterable[DocumentKey], *, now_s: float) -> None:
        """Follow these documents in a backend again, because a person released their job."""
        with self._transaction():
            for key in keys:
                self._move(key, Event.TAKE_BACK, now_s)

    def close(self, keys: Iterable[DocumentKey], *, now_s: float) -> None:
        """Note that nothing is left to be done for these documents."""
        with self._transaction():
            for key in keys:
                if self._state(key) in ACCEPTED:  # not if another run submits the document again
                    self._move(key, Event.CLOSE, now_s, open_runs=0)

    def held_counts(self, queue: str) -> tuple[int, int]:
        """The number of jobs of a queue, and of all queues, that CUPS holds until the poller has
        seen their delivery."""
        with self._translated():
            row = self._db.execute(
                "SELECT count(DISTINCT iif(queue = ?, job_uuid, NULL)), count(DISTINCT job_uuid)"
                " FROM document WHERE closed_at IS NULL AND state = 'held'",
                (queue,),
            ).fetchone()
        return int(row[0]), int(row[1])

    def poller_is_alive(self) -> bool:
        """Whether a poller runs. The question does not wait, and lets a poller start."""
        with self._translated():
            return poller_lock.is_taken(self._files.locks)

    def quiet_since_s(self, at: str, location: str) -> float:
        """The time since which a location has fetched nothing though documents wait for it.

        Args:
            at: the beginning of the destinations of the location's company.

        Returns:
            Seconds since the epoch; infinite if no document waits.
        """
        here = (
            f" FROM document JOIN delivery USING ({KEY})"
            " WHERE location = ?1 AND substr(destination, 1, length(?2)) = ?2"
        )
        with self._translated():
            (oldest_s,) = self._db.execute(
                f"SELECT min(accepted_at){here} AND closed_at IS NULL AND delivery.state = 0",
                (location, at),
            ).fetchone()
            if oldest_s is None:
                return math.inf
            (fetched_s,) = self._db.execute(
                f"SELECT max(coalesce(final_at, received_at)){here}"
                " AND coalesce(closed_at, ?3) >= ?3 AND delivery.state IN (1, 2, 8, 9)",
                (location, at, oldest_s),
            ).fetchone()
        return max(float(oldest_s), fetched_s or 0.0)

    def _documents(self, where: str, values: Sequence[object]) -> list[AcceptedDocument]:
        with self._translated():
            rows = self._db.execute(
                f"SELECT {_COLUMNS} FROM document JOIN delivery"
                f" USING ({KEY})"
                f" WHERE document.state IN {sql_list(ACCEPTED)} AND cloud_job_id IS NOT NULL"
                f" AND {where}"
                " ORDER BY accepted_at, job_uuid, job_id, print_run, destination, number,"
                " target_number",
                values,
            ).fetchall()
        return list(_accepted(rows))

    def _hand_over(self, key: DocumentKey) -> int | None:
        """The number of hand-overs of a document that the poller follows; None if a backend follows
        the document, -1 if it was pruned."""
        row = self._db.execute(
            f"SELECT iif(state IN {sql_list(WITH_POLLER)}, hand_overs, NULL) FROM document"
            f" WHERE {BY_KEY}",
            key_values(key),
        ).fetchone()
        return row[0] if row else -1

    def _state(self, key: DocumentKey) -> State | None:
        row = self._db.execute(
            f"SELECT state FROM document WHERE {BY_KEY}", key_values(key)
        ).fetchone()
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

    def _update(self, key: DocumentKey, now_s: float, **values: str | float | None) -> None:
        with self._transaction():
            self._set(key, now_s, **values)

    def _set(self, key: DocumentKey, now_s: float, **values: str | float | None) -> None:
        columns = "".join(f"{name} = ?, " for name in values)
        self._db.execute(
            f"UPDATE document SET {columns}updated_at = ? WHERE {BY_KEY}",
            (*values.values(), now_s, *key_values(key)),
        )


KEY = "job_uuid, job_id, print_run, destination, number"
BY_KEY = "job_uuid = ? AND job_id = ? AND print_run = ? AND destination = ? AND number = ?"
_COLUMNS = (
    f"{KEY}, queue, class_name, user, title, language, "
    "document.state, device_uri, accepted_at, reprints, coalesce(closed_at, 0.0), "
    "coalesce(size_bytes, 0), coalesce(sent_bytes, 0), hand_overs, target_number, "
    "location, device, cloud_job_id, delivery.state, message, submitted, received, delivered"
)
_OF_KEY, _OF_DOCUMENT = 5, 18
_ABOUT = (
    *("queue", "class_name", "user", "title", "language", "state", "device_uri"),
    *("accepted_at_s", "reprints", "closed_at_s", "size_bytes", "sent_bytes"),
    "hand_overs",
)


def key_values(key: DocumentKey) -> tuple[str, int, int, str, int]:
    """A key as the values for BY_KEY."""
    return (key.job_uuid, key.job_id, key.print_run, key.destination, key.number)


def _accepted(rows: Iterable[Sequence[Any]]) -> Iterator[AcceptedDocument]:
    for head, group in groupby(rows, key=lambda row: tuple(row[:_OF_DOCUMENT])):
        deliveries = tuple(_delivery(*row[_OF_DOCUMENT:]) for row in group)
        key, about = head[:_OF_KEY], dict(zip(_ABOUT, head[_OF_KEY:], strict=True))
        about["state"] = State(about["state"])
        yield AcceptedDocument(DocumentKey(*key), deliveries=deliveries, **about)


def _delivery(
    number: int,
    location: str,
    device: str,
    cloud_job_id: str,
    state: int,
    message: str,
    submitted: str,
    received: str,
    delivered: str,
) -> Delivery:
    status = JobStatus(
        DeliveryState(state),
        message=message,
        submitted=submitted,
        received=received,
        delivered=delivered,
    )
    return Delivery(number, Receipt(Target(location, device), cloud_job_id), status)
