"""The journal's part for documents whose jobs CUPS holds until their server works again."""

from __future__ import annotations

from dataclasses import dataclass

from cirrus_bridge.base.model import DocumentKey
from cirrus_bridge.journal.deliveries import KEY, DeliveryJournal
from cirrus_bridge.journal.lifecycle import WAITS, sql_list


@dataclass(frozen=True, slots=True)
class WaitingDocument:
    """A document whose job CUPS holds until its server works again.

    Attributes:
        waits_for: `server`, or `correction` for a fault of the configuration.
        device_uri: the queue URI with the options for the poller.
        give_up_at_s: when the queue's contimeout is over, in seconds since the epoch.
        changed_at_s: when a backend last wrote the row, in seconds since the epoch.
    """

    key: DocumentKey
    queue: str
    class_name: str
    user: str
    title: str
    waits_for: str
    device_uri: str
    give_up_at_s: float
    changed_at_s: float


class WaitingJournal(DeliveryJournal):
    """The journal's part for documents that wait for a server; use as a context manager.

    Raises (every method):
        JournalBusy: another process kept SQLite's lock for BUSY_TIMEOUT_S.
        JournalError: the journal cannot be read or written.
    """

    def waiting(self) -> list[WaitingDocument]:
        """The documents whose jobs CUPS holds until their server works, in the order of jobs."""
        with self._translated():
            rows = self._db.execute(
                f"SELECT {KEY}, queue, class_name, user, title, waits_for, device_uri,"
                " give_up_at, updated_at FROM document"
                f" WHERE closed_at IS NULL AND state IN {sql_list(WAITS)}"
                " ORDER BY job_id, number"
            ).fetchall()
        return [WaitingDocument(DocumentKey(*row[:5]), *row[5:]) for row in rows]
