"""The journal's part for deleting old documents, a few at a time so that no backend waits long."""

from __future__ import annotations

from cirrus_bridge.journal.database import JournalDatabase

_PRUNED_AT_ONCE = 500


class PruningJournal(JournalDatabase):
    """The journal's part for pruning; use as a context manager.

    Raises (every method):
        JournalBusy: another process kept SQLite's lock for BUSY_TIMEOUT_S.
        JournalError: the journal cannot be read or written.
    """

    def prune(self, *, before_s: float, most: int) -> None:
        """Delete old closed documents.

        Args:
            before_s: documents that were closed before this time (seconds since the epoch) go.
            most: the number of newest closed documents that stay.
        """
        with self._translated():
            row = self._db.execute(
                "SELECT closed_at FROM document WHERE closed_at IS NOT NULL"
                " ORDER BY closed_at DESC LIMIT 1 OFFSET ?",
                (most,),
            ).fetchone()
        last_s = max(before_s, row[0] if row else 0.0)
        gone = _PRUNED_AT_ONCE
        while gone == _PRUNED_AT_ONCE:
            with self._transaction():
                gone = self._db.execute(
                    "DELETE FROM document WHERE rowid IN (SELECT rowid FROM document"
                    " WHERE closed_at <= ? ORDER BY closed_at LIMIT ?)",
                    (last_s, _PRUNED_AT_ONCE),
                ).rowcount
