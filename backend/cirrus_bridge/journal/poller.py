"""The poller's side of the journal: what was handed over, and what went wrong lately."""

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

_DELIVERIES = (  # of the document at hand
    "SELECT 1 FROM delivery WHERE delivery.job_uuid = document.job_uuid"
    " AND delivery.job_id = document.job_id AND delivery.print_run = document.print_run"
    " AND delivery.destination = document.destination AND delivery.number = document.number"
)
_BAD = tuple(map(int, (DeliveryState.DELETED, DeliveryState.UNKNOWN, DeliveryState.MISMATCHED)))


class HandOver(NamedTuple):
    """A document that is the poller's: how often it was handed over, and its row's number, which
    holds until the next look."""

    state: State
    hand_overs: int
    row: int


class PollerJournal(OrphanJournal, WaitingJournal, PruningJournal):
    """The journal's part for the poller; use as a context manager.

    Raises (every method):
        JournalBusy: another process kept the lock for BUSY_TIMEOUT_S.
        JournalError: it cannot be read or written.
    """

    _version: int | None = None
    _name = ""

    def has_changed(self) -> bool:
        """Whether another process has written since this was last asked."""
        with self._translated():
            version = int(self._db.execute("PRAGMA data_version").fetchone()[0])
        before, self._version = self._version, version
        return before != version

    def take_over(self, name: str, *, now_s: float) -> bool:
        """Become the poller, for as long as the journal stays open; False while another is."""
        with self._translated():
            if not poller_lock.take(self._files.locks):
                return False
        self.check_current()  # others look for the lock in the file at the path
        self._name = name
        self.give_sign(now_s=now_s)
        return True

    def give_sign(self, *, now_s: float) -> None:
        """This poller is at work."""
        poller_lock.give_sign(self._files.locks, PollerSign(self._name, now_s))

    def leave(self) -> None:
        """This poller ends as it should."""
        poller_lock.erase_sign(self._files.locks)

    def last_sign(self) -> PollerSign | None:
        """The name of the last poller, and when it was at work; None if it ended as it should."""
        with self._translated():
            return poller_lock.read_sign(self._files.locks)

    def handed_over(self) -> dict[DocumentKey, HandOver]:
        """The documents that are the poller's to follow."""
        with self._translated():
            rows = self._db.execute(
                f"SELECT {KEY}, state, hand_overs, rowid FROM document"
                f" WHERE closed_at IS NULL AND state IN {sql_list(WITH_POLLER)}"
            ).fetchall()
        return {DocumentKey(*row[:5]): HandOver(State(row[5]), *row[6:]) for row in rows}

    def documents(self, hand_overs: Iterable[HandOver]) -> list[AcceptedDocument]:
        """Those of these documents that are still the poller's, the oldest first."""
        rows = json.dumps([each.row for each in hand_overs])
        return self._documents(
            "document.rowid IN (SELECT value FROM json_each(?)) AND closed_at IS NULL"
            f" AND document.state IN {sql_list(WITH_POLLER)}",
            (rows,),
        )

    def signs_of_life(self, *, since_s: float) -> list[tuple[str, str, float]]:
        """Which locations have fetched something since then, while its backend followed it:
        destination, location, and when."""
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
        """Whether its job was restarted later: what CUPS says of it is about that print."""
        with self._translated():
            row = self._db.execute(
                "SELECT 1 FROM document WHERE job_uuid = ? AND job_id = ? AND print_run != ?"
                f" AND rowid > (SELECT rowid FROM document WHERE {BY_KEY})",
                (key.job_uuid, key.job_id, key.print_run, *key_values(key)),
            ).fetchone()
        return row is not None

    def is_printed_at(self, key: DocumentKey, queue: str) -> bool:
        """Whether its job was printed at this queue, too, to which a person has moved it."""
        with self._translated():
            row = self._db.execute(
                "SELECT 1 FROM document WHERE job_uuid = ? AND job_id = ? AND queue = ?"
                f" AND state IN {sql_list(ACCEPTED)}",
                (key.job_uuid, key.job_id, queue),
            ).fetchone()
        return row is not None

    def job_is_over(self, keys: Iterable[DocumentKey], *, now_s: float) -> None:
        """CUPS no longer holds the job: news of its documents are for the queue from now on."""
        with self._transaction():
            for key in keys:
                if self._state(key) is State.HELD:
                    self._move(key, Event.LEAVE, now_s)

    def reprint(self, keys: Iterable[DocumentKey], *, now_s: float) -> None:
        """The next run of the backend is to submit these documents once more, unless a backend has
        taken them back meanwhile."""
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
        """The documents that ended since then without being delivered, the newest first, but for
        those of queues that have delivered something since."""
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
        """The documents whose jobs were canceled in CUPS since then, though the cloud has them."""
        return self._documents(
            f"closed_at > ? AND EXISTS ({_DELIVERIES} AND delivery.state IN (0, 1))",
            (since_s,),
        )
