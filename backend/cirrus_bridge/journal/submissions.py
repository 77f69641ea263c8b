"""The progress of each document until the server accepts it, and what is known of servers, on disk.

A document is written in this order, so that a crash between any two steps can be recognized
(CONTRIBUTING.md, "Journal first"):

    intent → confirmed segments → about to submit → accepted

`deliveries` continues after the acceptance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cirrus_bridge.base.model import DeliveryState, DocumentKey, PrintJob, Receipt, Target
from cirrus_bridge.journal.deliveries import DeliveryJournal
from cirrus_bridge.journal.documents import BY_KEY, JOINED, Document
from cirrus_bridge.journal.lifecycle import WAITS, Event, sql_list
from cirrus_bridge.journal.schema import COMPANY, KEY

ONE_AT_A_TIME_S = 7 * 86_400.0  # a server may have been repaired meanwhile
SOON_S = 600.0  # after a longer time, an interrupted run has nothing to do with the run before


@dataclass(frozen=True, slots=True)
class ConfirmedSegment:
    """A segment that the server has confirmed: its length in bytes and its SHA-256 digest."""

    length: int
    sha256: str


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """The part of a document that the server has confirmed: segments by byte position in the
    compressed stream. The last one came at `at_s` (seconds since the epoch), from the server with
    the Server-Instance `server_instance` (or empty)."""

    temp_file: str
    segments: Mapping[int, ConfirmedSegment]
    at_s: float
    server_instance: str


class Journal(DeliveryJournal):
    """The backend's part of the journal in `folder`; use as a context manager."""

    # a job that is being sent while the package is purged is finished
    _outlives_its_folder = True

    def entries(self, job_uuid: str, job_id: int) -> list[Document]:
        """All documents of a job, for any destination, by print and number."""
        self.check_job(job_uuid, job_id)
        return self._of_job(job_uuid, job_id)

    def intent(
        self, key: DocumentKey, job: PrintJob, targets: Sequence[Target], *, now_s: float
    ) -> None:
        """Note that a document is about to be uploaded. Confirmed segments stay known."""
        columns = (
            *("queue", "user", "title", "class_name", "completed_at", "language"),
            *("account", "accounting_user"),
        )
        about = {name: getattr(job, name) for name in columns}
        with self._transaction(may_be_lost=True):
            self._db.execute(f"DELETE FROM delivery WHERE {BY_KEY}", key)
            self._db.execute(
                f"INSERT INTO document ({KEY}, created_at, updated_at, {', '.join(about)})"
                f" VALUES (?, ?, ?, ?, ?, ?, ?{', ?' * len(about)})"
                " ON CONFLICT DO UPDATE SET open_runs ="
                " iif(excluded.updated_at - updated_at < ?, open_runs, 0)",
                (*key, now_s, now_s, *about.values(), SOON_S),
            )
            self._move(key, Event.RUN, now_s, **about)
            self._count(key, "open_runs")
            self._db.executemany(
                f"INSERT INTO delivery ({KEY}, target_number, location, device, updated_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (*key, number, target.location, target.device, now_s)
                    for number, target in enumerate(targets)
                ],
            )

    def rerun(self, key: DocumentKey, job: PrintJob, *, now_s: float) -> None:
        """Note that CUPS runs a document again that the cloud already has."""
        completed_at = job.completed_at
        self._note(Event.RUN, key, now_s=now_s, may_be_lost=True, completed_at=completed_at)

    def uploading(
        self, key: DocumentKey, temp_file: str, server_instance: str, *, now_s: float
    ) -> None:
        """Note the server's temporary file for the document's segments."""
        with self._transaction(may_be_lost=True):
            self._set(key, now_s, temp_file=temp_file, server_instance=server_instance)

    def confirmed(
        self, key: DocumentKey, *, position: int, length: int, sha256: str, now_s: float
    ) -> None:
        """Note a confirmed segment of the compressed stream; position and length are in bytes."""
        with self._transaction(may_be_lost=True):
            self._db.execute(
                f"INSERT OR REPLACE INTO segment ({KEY}, position, length, sha256)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*key, position, length, sha256),
            )
            self._set(key, now_s, confirmed_at=now_s)

    def upload(self, key: DocumentKey) -> UploadProgress | None:
        """The confirmed part of a document that was not submitted; None if there is none."""
        row = self._columns(key, "temp_file, confirmed_at, server_instance")
        rows = self._rows(f"SELECT position, length, sha256 FROM segment WHERE {BY_KEY}", key)
        if not row or not row[0] or not rows:
            return None
        segments = {at: ConfirmedSegment(n, sha256) for at, n, sha256 in rows}
        return UploadProgress(row[0], segments, *row[1:])

    def forget_upload(self, key: DocumentKey) -> int:
        """Forget an upload that cannot be continued; return how many in a row ended so."""
        with self._transaction():
            self._db.execute(f"DELETE FROM segment WHERE {BY_KEY}", key)
            self._db.execute(f"UPDATE document SET temp_file = NULL WHERE {BY_KEY}", key)
            return self._count(key, "start_overs")

    def start_overs_told(self, key: DocumentKey, *, now_s: float) -> None:
        """Reset the number of `forget_upload`, as a person was told of the endless upload."""
        self._update(key, now_s, start_overs=0)

    def submit_key(self, key: DocumentKey) -> tuple[str, str]:
        """The Idempotency-Key of the document's last submit and the digest of its request. Both are
        empty before the first submit."""
        return self._columns(key, "submit_key, submit_form") or ("", "")

    def submitting(
        self,
        key: DocumentKey,
        sha256: str,
        size_bytes: int,
        sent_bytes: int,
        *,
        submit_key: str,
        submit_form: str,
        now_s: float,
    ) -> None:
        """Note that the document is about to be submitted.

        Args:
            sha256: the digest of the document.
            sent_bytes: the size of the uploaded stream, which may be compressed.
            submit_key, submit_form: the Idempotency-Key, and the digest of the request.
        """
        with self._transaction():
            if self._state(key) is None:
                raise self._replaced()  # restored in place since the intent
            self._move(
                key,
                Event.SUBMIT,
                now_s,
                sha256=sha256,
                size_bytes=size_bytes,
                sent_bytes=sent_bytes,
                submit_key=submit_key,
                submit_form=submit_form,
            )

    def not_submitted(self, key: DocumentKey, *, now_s: float) -> None:
        """Note that no submit of the document can have been accepted."""
        self._note(Event.REFUSE, key, now_s=now_s)

    def unanswered(self, key: DocumentKey, *, now_s: float) -> None:
        """Note that a person was told that the submit may have been accepted."""
        self._note(Event.LOSE_ANSWER, key, now_s=now_s, open_runs=0, was_in_doubt=1)

    def forgotten(self, key: DocumentKey, *, now_s: float) -> None:
        """Note that a person was told that a lost journal may have known of a submit."""
        self._note(Event.FORGET, key, now_s=now_s, open_runs=0, was_in_doubt=1)

    def dropped(self, key: DocumentKey, *, now_s: float) -> None:
        """Give up the document, though a submit may have been accepted (onambiguous=drop)."""
        self._note(Event.DROP, key, now_s=now_s, open_runs=0)

    def accepted(self, key: DocumentKey, receipts: Sequence[Receipt], *, now_s: float) -> str:
        """Note that the server has accepted the document; the receipts are in the targets' order.

        Returns:
            A cloud job id that the server has also given to another document. Nothing is written
            then. Otherwise empty.
        """
        with self._transaction():
            for receipt in receipts:
                if self._is_of_another(key, receipt):
                    return receipt.cloud_job_id
            self._move(
                key, Event.ACCEPT, now_s, accepted_at=now_s, trying_since=None, start_overs=0
            )
            self._db.executemany(
                "UPDATE delivery SET cloud_job_id = ?, state = ?, updated_at = ?"
                f" WHERE {BY_KEY} AND target_number = ?",
                [
                    (each.cloud_job_id, int(DeliveryState.SUBMITTED), now_s, *key, number)
                    for number, each in enumerate(receipts)
                ],
            )
        return ""

    def _is_of_another(self, key: DocumentKey, receipt: Receipt) -> bool:
        """Whether a cloud job id belongs to another document for the same device."""
        company = key.destination.rpartition("/")[0] + "/"
        return self._exists(
            "SELECT 1 FROM delivery WHERE cloud_job_id = ? AND location = ? AND device = ?"
            f" AND substr(destination, 1, length(?)) = ? AND NOT {BY_KEY}",
            (
                *(receipt.cloud_job_id, receipt.target.location, receipt.target.device),
                *(company, company, *key),
            ),
        )

    def doubted(self, key: DocumentKey, *, now_s: float) -> None:
        """Note that another member of the job's class may have printed the document."""
        self._update(key, now_s, was_in_doubt=1)

    def counted(
        self, key: DocumentKey, total: int, *, before: int, is_new: bool, now_s: float
    ) -> None:
        """Note `total`, CUPS's page count of the job at the end of a run. `before` is the count at
        the end of the previous run; the difference is the document's own pages. `is_new` tells that
        the server has just accepted the document. Other runs do not change known pages."""
        pages = max(0, total - before) or None
        with self._transaction(may_be_lost=True):
            self._db.execute(
                "UPDATE document SET counted = max(counted, ?), pages = coalesce(?, pages, ?),"
                f" updated_at = ? WHERE {BY_KEY}",
                (total, pages if is_new else None, pages, now_s, *key),
            )

    def run_ended(self, key: DocumentKey, *, now_s: float) -> None:
        """Note that this run of the backend was not killed."""
        self._update(key, now_s, open_runs=0)

    def trying_since_s(self, key: DocumentKey) -> float | None:
        """When the document first met the present outage, in seconds since the epoch; or None."""
        row = self._columns(key, "trying_since")
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
        """Note that CUPS holds the document's job until the server works again (`Document`)."""
        self._note(
            Event.WAIT,
            key,
            now_s=now_s,
            waits_for=waits_for,
            device_uri=device_uri,
            give_up_at=give_up_at_s,
            open_runs=0,
        )

    def newest_receipt(self, at: str, *, since_s: float) -> Receipt | None:
        """The receipt of the last document that a server accepted after `since_s` (seconds since
        the epoch). `at` is the beginning of the destinations of a company there."""
        row = self._row(
            f"SELECT location, device, cloud_job_id FROM {JOINED} WHERE cloud_job_id IS NOT NULL"
            f" AND {COMPANY} = ? AND document.accepted_at > ?"
            " ORDER BY document.accepted_at DESC LIMIT 1",
            (at, since_s),
        )
        return Receipt(Target(row[0], row[1]), row[2]) if row else None

    def jobs_wait_for(self, at: str) -> bool:
        """Whether jobs are held until a server works; `at` begins the destinations there."""
        return self._exists(
            f"SELECT 1 FROM document WHERE closed_at IS NULL AND state IN {sql_list(WAITS)}"
            f" AND {COMPANY} = ? LIMIT 1",
            (at,),
        )

    def takes_one_at_a_time(self, server: str, *, now_s: float) -> bool:
        """Whether the server recently failed when several segments came at once."""
        row = self._row("SELECT one_at_a_time_since FROM server WHERE name = ?", (server,))
        return row is not None and 0 <= now_s - row[0] < ONE_AT_A_TIME_S

    def found_one_at_a_time(self, server: str, *, now_s: float) -> None:
        """Note that the server fails when several segments come at once."""
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO server VALUES (?, ?)", (server, now_s))
