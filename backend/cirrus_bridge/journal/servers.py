"""The journal's part for what is known of servers: outages, and limits of their uploads."""

from __future__ import annotations

from cirrus_bridge.base.model import DocumentKey, Receipt, Target
from cirrus_bridge.journal.deliveries import BY_KEY, KEY, DeliveryJournal, key_values
from cirrus_bridge.journal.lifecycle import WAITS, Event, sql_list

REMEMBERED_S = 7 * 86_400.0  # the server may have been repaired meanwhile


class ServerJournal(DeliveryJournal):
    """The backend's notes about servers; use as a context manager.

    Raises (every method):
        JournalBusy: another process kept SQLite's lock for BUSY_TIMEOUT_S.
        JournalError: the journal cannot be read or written.
    """

    def trying_since_s(self, key: DocumentKey) -> float | None:
        """When the document first met the present outage, in seconds since the epoch; or None."""
        with self._translated():
            row = self._db.execute(
                f"SELECT trying_since FROM document WHERE {BY_KEY}", key_values(key)
            ).fetchone()
        return row[0] if row else None

    def set_trying_since(self, key: DocumentKey, since_s: float | None, *, now_s: float) -> None:
        """Note since when the document meets an outage; None if the outage is over."""
        self._update(key, now_s, trying_since=since_s)

    def wait(
        self,
        key: DocumentKey,
        waits_for: str,
        device_uri: str,
        *,
        give_up_at_s: float,
        now_s: float,
    ) -> None:
        """Note that CUPS holds the document's job until the server works again.

        Args:
            waits_for: `server`, or `correction` for a fault of the configuration.
            device_uri: the queue URI with the options for the poller.
            give_up_at_s: when the queue's contimeout is over, in seconds since the epoch.
        """
        with self._transaction():
            self._move(
                key,
                Event.WAIT,
                now_s,
                waits_for=waits_for,
                device_uri=device_uri,
                give_up_at=give_up_at_s,
                open_runs=0,
            )

    def newest_receipt(self, at: str, *, since_s: float) -> Receipt | None:
        """The receipt of the last document that a server accepted after `since_s`.

        Args:
            at: the beginning of the destinations of a company on a server.
            since_s: seconds since the epoch.
        """
        with self._translated():
            row = self._db.execute(
                f"SELECT location, device, cloud_job_id FROM delivery JOIN document USING ({KEY})"
                " WHERE cloud_job_id IS NOT NULL AND accepted_at > ?2"
                " AND substr(destination, 1, length(?1)) = ?1 ORDER BY accepted_at DESC LIMIT 1",
                (at, since_s),
            ).fetchone()
        return Receipt(Target(row[0], row[1]), row[2]) if row else None

    def jobs_wait_for(self, at: str) -> bool:
        """Whether jobs are held until a server works; `at` begins the destinations there."""
        with self._translated():
            row = self._db.execute(
                f"SELECT 1 FROM document WHERE closed_at IS NULL AND state IN {sql_list(WAITS)}"
                " AND substr(destination, 1, length(?1)) = ?1 LIMIT 1",
                (at,),
            ).fetchone()
        return row is not None

    def takes_one_at_a_time(self, server: str, *, now_s: float) -> bool:
        """Whether the server recently failed when several segments came at once."""
        with self._translated():
            row = self._db.execute(
                "SELECT one_at_a_time_since FROM server WHERE name = ?", (server,)
            ).fetchone()
        return row is not None and 0 <= now_s - row[0] < REMEMBERED_S

    def found_one_at_a_time(self, server: str, *, now_s: float) -> None:
        """Note that the server fails when several segments come at once."""
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO server VALUES (?, ?)", (server, now_s))
