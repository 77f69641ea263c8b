"""The poller's side of the journal: leases, and what went wrong lately.

A lease is a poller's name in a document's row; it holds while that poller gives signs of life. Of
several living pollers the one that came first leads, and takes all documents: what it tells of a
queue is the whole of it. The others stand by.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable

from cirrus_bridge.base.errors import JournalBusy
from cirrus_bridge.base.model import DeliveryState, DocumentKey
from cirrus_bridge.journal.deliveries import BY_KEY, KEY, LEASE_S, Accepted, key_values
from cirrus_bridge.journal.lifecycle import ACCEPTED, WITH_POLLER, Event, State, sql_list
from cirrus_bridge.journal.orphans import OrphanJournal
from cirrus_bridge.journal.pruning import PruningJournal
from cirrus_bridge.journal.waiting import WaitingJournal

_LEAVING_MS = 300
# a sign of life from the future was given before the clock was set back: its poller may be dead
_IS_ALIVE = f"alive_until > ?1 AND alive_until <= ?1 + {LEASE_S}"
_ALIVE = f"SELECT name FROM poller WHERE {_IS_ALIVE}"
_DELIVERIES = (  # of the document at hand
    "SELECT 1 FROM delivery WHERE delivery.job_uuid = document.job_uuid"
    " AND delivery.job_id = document.job_id AND delivery.print_run = document.print_run"
    " AND delivery.destination = document.destination AND delivery.number = document.number"
)
_BAD = tuple(map(int, (DeliveryState.DELETED, DeliveryState.UNKNOWN, DeliveryState.MISMATCHED)))


class PollerJournal(OrphanJournal, WaitingJournal, PruningJournal):
    """The journal's part for pollers; use as a context manager.

    Raises (every method):
        JournalBusy: another process kept the lock for BUSY_TIMEOUT_S.
        JournalError: it can not be read or written.
    """

    _version: int | None = None

    def has_changed(self) -> bool:
        """Whether another process has written since this was last asked."""
        with self._translated():
            version = int(self._db.execute("PRAGMA data_version").fetchone()[0])
        before, self._version = self._version, version
        return before != version

    def beat(self, name: str, *, now_s: float) -> None:
        """A sign of life of this poller; one that was taken for dead begins anew, as the last."""
        with self._transaction():
            alive_until_s = now_s + LEASE_S
            was_alive = self._db.execute(
                f"UPDATE poller SET alive_until = ?3 WHERE name = ?2 AND {_IS_ALIVE}",
                (now_s, name, alive_until_s),
            ).rowcount
            if not was_alive:
                self._db.execute(
                    "INSERT OR REPLACE INTO poller VALUES (?, ?)", (name, alive_until_s)
                )
            self._db.execute("DELETE FROM poller WHERE alive_until < ?", (now_s - LEASE_S,))

    def bury(self, name: str) -> None:
        """Take the signs of life from pollers that were killed: of each process, this locks its
        own poller's name as long as it lives."""
        self.claim(name, 0)
        with self._translated():
            names = [row[0] for row in self._db.execute("SELECT name FROM poller").fetchall()]
        for other in names:
            if other != name and self.claim(other, 0):
                self.unclaim(other, 0)
                with self._transaction():
                    self._db.execute("DELETE FROM poller WHERE name = ?", (other,))

    def leave(self, name: str) -> None:
        """This poller ends: its documents are free for another at once. If the journal is in use
        just now, the next one finds that out by itself (`bury`): nobody waits for it."""
        with contextlib.suppress(JournalBusy):
            with self._translated():
                self._db.execute(f"PRAGMA busy_timeout = {_LEAVING_MS}")
            with self._transaction():
                self._db.execute("UPDATE document SET poller = NULL WHERE poller = ?", (name,))
                self._db.execute("DELETE FROM poller WHERE name = ?", (name,))

    def leads(self, name: str, *, now_s: float) -> bool:
        """Whether this poller came before all others that are alive."""
        with self._translated():
            row = self._db.execute(f"{_ALIVE} ORDER BY rowid LIMIT 1", (now_s,)).fetchone()
        return row is not None and row[0] == name

    def lease(self, name: str, *, now_s: float) -> list[Accepted]:
        """Take the documents that were handed over and that no living poller has."""
        free = (
            f"closed_at IS NULL AND state IN {sql_list(WITH_POLLER)}"
            f" AND (poller IS NULL OR poller NOT IN ({_ALIVE}))"
        )
        with self._translated():
            found = self._db.execute(
                f"SELECT 1 FROM document WHERE {free} LIMIT 1", (now_s,)
            ).fetchone()
        if not found:
            return []
        with self._transaction():
            rows = self._db.execute(
                f"UPDATE document SET poller = ?2 WHERE {free} RETURNING rowid", (now_s, name)
            ).fetchall()
        taken = json.dumps([row[0] for row in rows])
        return self._documents("document.rowid IN (SELECT value FROM json_each(?))", (taken,))

    def leased(self, name: str) -> dict[DocumentKey, State]:
        """The documents that this poller has, and the state of each."""
        with self._translated():
            rows = self._db.execute(
                f"SELECT {KEY}, state FROM document WHERE closed_at IS NULL AND poller = ?",
                (name,),
            ).fetchall()
        return {DocumentKey(*row[:-1]): State(row[-1]) for row in rows}

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

    def print_anew(self, keys: Iterable[DocumentKey], *, now_s: float) -> None:
        """The next run of the backend is to submit these documents once more: those that another
        poller has not seen to meanwhile, nor a backend taken back."""
        with self._transaction():
            for key in keys:
                if self._state(key) in WITH_POLLER:
                    self._db.execute(f"DELETE FROM segment WHERE {BY_KEY}", key_values(key))
                    self._move(key, Event.FAIL, now_s, poller=None, temp_file=None, submit_key="")
                    self._db.execute(
                        f"UPDATE document SET reprints = reprints + 1 WHERE {BY_KEY}",
                        key_values(key),
                    )

    def not_delivered(self, *, since_s: float) -> list[Accepted]:
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

    def let_go(self, *, since_s: float) -> list[Accepted]:
        """The documents whose jobs were canceled in CUPS since then, though the cloud has them."""
        return self._documents(
            f"closed_at > ? AND EXISTS ({_DELIVERIES} AND delivery.state IN (0, 1))",
            (since_s,),
        )
