"""The poller's part of the journal: documents that were handed over, and recent failures."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from cirrus_bridge.base.model import DeliveryState, DocumentKey
from cirrus_bridge.journal import poller_lock
from cirrus_bridge.journal.deliveries import BY_KEY, KEY, AcceptedDocument, key_values
from cirrus_bridge.journal.lifecycle import ACCEPTED, WITH_POLLER, Event, State, sql_list
from cirrus_bridge.journal.orphans import OrphanJournal
from cirrus_bridge.journal.poller_lock import PollerSign
from cirrus_bridge.journal.pruning import PruningJournal
from cirrus_bridge.journal.waiting import WaitingJournal

_DELIVERIES = (  # of the outer query's document
    "SELECT 1 FROM delivery WHERE delivery.job_uuid = document.job_uuid"
    " AND delivery.job_id = document.job_id AND delivery.print_run = document.print_run"
    " AND delivery.destination = document.destination AND delivery.number = document.number"
)
_BAD = tuple(map(int, (DeliveryState.DELETED, DeliveryState.UNKNOWN, DeliveryState.MISMATCHED)))


class HandOver(NamedTuple):
    """A document that the poller follows.

    Attributes:
        hand_overs: how often the document was handed over.
        row: the number of its row, valid until the next `handed_over`.
    """

    state: State
    hand_overs: int
    row: int


class PollerJournal(OrphanJournal, WaitingJournal, PruningJournal):
    """The journal's part for the poller; use as a context manager.

    Raises (every method):
        JournalBusy: another process kept SQLite's lock for BUSY_TIMEOUT_S.
        JournalError: the journal cannot be read or written.
    """

    _version: int | None = None
    _name = ""

    def has_changed(self) -> bool:
        """Whether another process has written since the last call (PRAGMA data_version)."""
        with self._translated():
            version = int(self._db.execute("PRAGMA data_version").fetchone()[0])
        before, self._version = self._version, version
        return before != version

    def take_over(self, name: str, *, now_s: float) -> bool:
        """Become the poller for as long as the journal stays open.

        Returns:
            False while another process is the poller.
        """
        with self._translated():
            if not poller_lock.take(self._files.locks):
                return False
        self.check_current()  # others look for the lock in the file at the path
        self._name = name
        self.give_sign(now_s=now_s)
        return True

    def give_sign(self, *, now_s: float) -> None:
        """Leave a sign of life of this poller."""
        poller_lock.give_sign(self._files.locks, PollerSign(self._name, now_s))

    def leave(self) -> None:
        """Note that this poller ends normally."""
        poller_lock.erase_sign(self._files.locks)

    def last_sign(self) -> PollerSign | None:
        """The last poller's sign of life; None if that poller ended normally."""
        with self._translated():
            return poller_lock.read_sign(self._files.locks)

    def handed_over(self) -> dict[DocumentKey, HandOver]:
        """The documents that the poller follows."""
        with self._translated():
            rows = self._db.execute(
                f"SELECT {KEY}, state, hand_overs, rowid FROM document"
                f" WHERE closed_at IS NULL AND state IN {sql_list(WITH_POLLER)}"
            ).fetchall()
        return {DocumentKey(*row[:5]): HandOver(State(row[5]), *row[6:]) for row in rows}

    def documents(self, hand_overs: Iterable[HandOver]) -> list[AcceptedDocument]:
        """Those of the given documents that the poller still follows, the oldest first."""
        rows = json.dumps([each.row for each in hand_overs])
        return self._documents(
            "document.rowid IN (SELECT value FROM json_each(?)) AND closed_at IS NULL"
            f" AND document.state IN {sql_list(WITH_POLLER)}",
            (rows,),
        )

    def signs_of_life(self, *, since_s: float) -> list[tuple[str, str, float]]:
        """The locations that fetched a document while its backend followed it, after `since_s`.

        Returns:
            Destination, location, and time in seconds since the epoch.
        """
        fetched = (
            "SELECT destination, location, coalesce(final_at, received_at) AS at"
            f" FROM document JOIN delivery USING ({KEY})"
            " WHERE delivery.state IN (1, 2, 8, 9) AND at > ?1 AND "
        )
        with self._translated():
            rows = self._db.execute(
                f"SELECT destination, location, max(at) FROM ({fetched} closed_at > ?1"
                f" UNION ALL {fetched} closed_at IS NULL AND document.state = 'followed')"
                " GROUP BY destination, location",
                (since_s,),
            ).fetchall()
        return [(*row,) for row in rows]

    def is_printed_again(self, key: DocumentKey) -> bool:
        """Whether a later print of the document's job exists, to which CUPS's news then belong."""
        with self._translated():
            row = self._db.execute(
                "SELECT 1 FROM document WHERE job_uuid = ? AND job_id = ? AND print_run != ?"
                f" AND rowid > (SELECT rowid FROM document WHERE {BY_KEY})",
                (key.job_uuid, key.job_id, key.print_run, *key_values(key)),
            ).fetchone()
        return row is not None

    def is_printed_at(self, key: DocumentKey, queue: str) -> bool:
        """Whether the document's job was also printed at `queue`, to which a person moved it."""
        with self._translated():
            row = self._db.execute(
                "SELECT 1 FROM document WHERE job_uuid = ? AND job_id = ? AND queue = ?"
                f" AND state IN {sql_list(ACCEPTED)}",
                (key.job_uuid, key.job_id, queue),
            ).fetchone()
        return row is not None

    def job_is_over(self, keys: Iterable[DocumentKey], *, now_s: float) -> None:
        """Note that CUPS no longer holds the job. News of its documents then go to the queue."""
        with self._transaction():
            for key in keys:
                if self._state(key) is State.HELD:
                    self._move(key, Event.LEAVE, now_s)

    def reprint(self, keys: Iterable[DocumentKey], *, now_s: float) -> None:
        """Have the next run of the backend submit these documents again.

        Documents that a backend has taken back meanwhile are left alone.
        """
        with self._transaction():
            for key in keys:
                if self._state(key) in WITH_POLLER:
                    self._db.execute(f"DELETE FROM segment WHERE {BY_KEY}", key_values(key))
                    self._move(key, Event.FAIL, now_s, temp_file=None, submit_key="")
                    self._db.execute(
                        f"UPDATE document SET reprints = reprints + 1 WHERE {BY_KEY}",
                        key_values(key),
                    )

    def not_delivered(self, *, since_s: float) -> list[AcceptedDocument]:
        """The documents that ended undelivered after `since_s`, the newest first.

        A later delivery by the same queue removes a document from the list.
        """
        with self._translated():
            good = self._db.execute(
                "SELECT queue, max(closed_at) FROM document WHERE closed_at > ?"
                f" AND state IN {sql_list(ACCEPTED)}"
                f" AND NOT EXISTS ({_DELIVERIES} AND delivery.state NOT IN (2, 8))"
                " GROUP BY queue",
                (since_s,),
            ).fetchall()
        last_good: dict[str, float] = dict(good)
        bad = self._documents(
            f"closed_at > ? AND EXISTS ({_DELIVERIES} AND delivery.state IN (?, ?, ?))",
            (since_s, *_BAD),
        )
        left = [d for d in bad if d.closed_at_s > last_good.get(d.queue, 0.0)]
        return sorted(left, key=lambda document: -document.closed_at_s)

    def let_go(self, *, since_s: float) -> list[AcceptedDocument]:
        """The documents whose jobs CUPS canceled after `since_s`, though the cloud has them."""
        return self._documents(
            f"closed_at > ? AND EXISTS ({_DELIVERIES} AND delivery.state IN (0, 1))",
            (since_s,),
        )
