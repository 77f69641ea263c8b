"""The progress of each document until the server accepts it, on disk.

Each write is durable before the call returns. A document is written in this order, so that a crash
between any two steps can be recognized (CONTRIBUTING.md, "Journal first"):

    intent → confirmed segments → about to submit → accepted

`deliveries` continues after the acceptance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cirrus_bridge.base.model import DeliveryState, DocumentKey, PrintJob, Receipt, Target
from cirrus_bridge.journal.deliveries import BY_KEY, key_values
from cirrus_bridge.journal.lifecycle import Event, State
from cirrus_bridge.journal.servers import ServerJournal

SOON_S = 600.0  # after a longer time, an interrupted run has nothing to do with the run before


@dataclass(frozen=True, slots=True)
class DocumentEntry:
    """A document's row.

    Attributes:
        completed_at: when CUPS had last completed the job, at the last run of this print (seconds
            since the epoch, 0 for never).
        open_runs: how many runs in a row were killed, each within SOON_S of the run before.
        class_name: the class through which the job came, or empty.
        reprints: how often the document was submitted again because the cloud did not deliver it.
        was_in_doubt: whether a submit may have been accepted, whatever a person has decided since.
        changed_at_s: when the row was last written, in seconds since the epoch.
    """

    key: DocumentKey
    state: State
    completed_at: int
    open_runs: int
    class_name: str
    reprints: int
    queue: str
    was_in_doubt: bool = False
    changed_at_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ConfirmedSegment:
    """A segment that the server has confirmed: its length in bytes and its SHA-256 digest."""

    length: int
    sha256: str


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """The part of a document that the server has confirmed.

    Attributes:
        segments: the segments by byte position in the compressed stream.
        at_s: when the server confirmed the last segment, in seconds since the epoch.
        server_instance: the server's Server-Instance then, or empty.
    """

    temp_file: str
    segments: Mapping[int, ConfirmedSegment]
    at_s: float
    server_instance: str


class Journal(ServerJournal):
    """The backend's part of the journal in `folder`; use as a context manager.

    Raises (every method):
        JournalBusy: another process kept SQLite's lock for BUSY_TIMEOUT_S.
        JournalError: the journal cannot be read or written.
    """

    # a job that is being sent while the package is purged is finished
    _outlives_its_folder = True

    def entries(self, job_uuid: str, job_id: int) -> list[DocumentEntry]:
        """All documents of a job, for any destination, by print and number."""
        self.check_job(job_uuid, job_id)
        with self._translated():
            rows = self._db.execute(
                "SELECT print_run, destination, number, state, completed_at, open_runs,"
                " class_name, reprints, queue, was_in_doubt, updated_at"
                " FROM document WHERE job_uuid = ? AND job_id = ? ORDER BY print_run, number",
                (job_uuid, job_id),
            ).fetchall()
        entries = []
        for print_run, destination, number, state, *more in rows:
            key = DocumentKey(job_uuid, job_id, print_run, destination, number)
            entries.append(DocumentEntry(key, State(state), *more))
        return entries

    def intent(
        self, key: DocumentKey, job: PrintJob, targets: Sequence[Target], *, now_s: float
    ) -> None:
        """Note that a document is about to be uploaded. Confirmed segments stay known."""
        about: dict[str, str | float | None] = {
            "queue": job.queue,
            "user": job.user,
            "title": job.title,
            "class_name": job.class_name,
            "completed_at": job.completed_at,
            "language": job.language,
        }
        with self._transaction():
            self._db.execute(f"DELETE FROM delivery WHERE {BY_KEY}", key_values(key))
            columns, marks = ", ".join(about), ", ".join("?" * len(about))
            self._db.execute(
                "INSERT INTO document (job_uuid, job_id, print_run, destination, number,"
                f" created_at, updated_at, {columns}) VALUES (?, ?, ?, ?, ?, ?, ?, {marks})"
                " ON CONFLICT DO UPDATE SET open_runs ="
                " iif(excluded.updated_at - updated_at < ?, open_runs, 0)",
                (*key_values(key), now_s, now_s, *about.values(), SOON_S),
            )
            self._move(key, Event.RUN, now_s, **about)
            self._db.execute(
                f"UPDATE document SET open_runs = open_runs + 1 WHERE {BY_KEY}", key_values(key)
            )
            self._db.executemany(
                "INSERT INTO delivery (job_uuid, job_id, print_run, destination, number,"
                " target_number, location, device, updated_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (*key_values(key), number, target.location, target.device, now_s)
                    for number, target in enumerate(targets)
                ],
            )

    def rerun(self, key: DocumentKey, job: PrintJob, *, now_s: float) -> None:
        """Note that CUPS runs a document again that the cloud already has."""
        with self._transaction():
            self._move(key, Event.RUN, now_s, completed_at=job.completed_at)

    def uploading(
        self, key: DocumentKey, temp_file: str, server_instance: str, *, now_s: float
    ) -> None:
        """Note the server's temporary file for the document's segments."""
        self._update(key, now_s, temp_file=temp_file, server_instance=server_instance)

    def confirmed(
        self, key: DocumentKey, *, position: int, length: int, sha256: str, now_s: float
    ) -> None:
        """Note a confirmed segment of the compressed stream; position and length are in bytes."""
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO segment (job_uuid, job_id, print_run, destination, number,"
                " position, length, sha256) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*key_values(key), position, length, sha256),
            )
            self._set(key, now_s, confirmed_at=now_s)

    def upload(self, key: DocumentKey) -> UploadProgress | None:
        """The confirmed part of a document that was not submitted; None if there is none."""
        with self._translated():
            row = self._db.execute(
                f"SELECT temp_file, confirmed_at, server_instance FROM document WHERE {BY_KEY}",
                key_values(key),
            ).fetchone()
            rows = self._db.execute(
                f"SELECT position, length, sha256 FROM segment WHERE {BY_KEY}", key_values(key)
            ).fetchall()
        if not row or not row[0] or not rows:
            return None
        segments = {at: ConfirmedSegment(n, sha256) for at, n, sha256 in rows}
        return UploadProgress(row[0], segments, *row[1:])

    def forget_upload(self, key: DocumentKey) -> int:
        """Forget an upload that cannot be continued; return how many in a row ended so."""
        with self._transaction():
            self._db.execute(f"DELETE FROM segment WHERE {BY_KEY}", key_values(key))
            rows = self._db.execute(
                "UPDATE document SET temp_file = NULL, start_overs = start_overs + 1"
                f" WHERE {BY_KEY} RETURNING start_overs",
                key_values(key),
            ).fetchall()
        return int(rows[0][0]) if rows else 0

    def start_overs_told(self, key: DocumentKey, *, now_s: float) -> None:
        """Reset the number of `forget_upload`, as a person was told of the endless upload."""
        self._update(key, now_s, start_overs=0)

    def submit_key(self, key: DocumentKey) -> tuple[str, str]:
        """The Idempotency-Key of the document's last submit and the digest of its request. Both are
        empty before the first submit."""
        with self._translated():
            row = self._db.execute(
                f"SELECT submit_key, submit_form FROM document WHERE {BY_KEY}", key_values(key)
            ).fetchone()
        return (row[0], row[1]) if row else ("", "")

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
            size_bytes: the size of the document.
            sent_bytes: the size of the uploaded stream, which may be compressed.
            submit_key: the Idempotency-Key.
            submit_form: the digest of the request.
        """
        with self._transaction():
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
        with self._transaction():
            self._move(key, Event.REFUSE, now_s)

    def unanswered(self, key: DocumentKey, *, now_s: float) -> None:
        """Note that a person was told that the submit may have been accepted."""
        with self._transaction():
            self._move(key, Event.LOSE_ANSWER, now_s, open_runs=0, was_in_doubt=1)

    def forgotten(self, key: DocumentKey, *, now_s: float) -> None:
        """Note that a person was told that a lost journal may have known of a submit."""
        with self._transaction():
            self._move(key, Event.FORGET, now_s, open_runs=0, was_in_doubt=1)

    def dropped(self, key: DocumentKey, *, now_s: float) -> None:
        """Give up the document, though a submit may have been accepted (onambiguous=drop)."""
        with self._transaction():
            self._move(key, Event.DROP, now_s, open_runs=0)

    def accepted(self, key: DocumentKey, receipts: Sequence[Receipt], *, now_s: float) -> str:
        """Note that the server has accepted the document.

        Args:
            receipts: the receipts in the order of the targets.

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
                f"UPDATE delivery SET cloud_job_id = ?, state = ?, updated_at = ?"
                f" WHERE {BY_KEY} AND target_number = ?",
                [
                    (receipt.cloud_job_id, int(DeliveryState.SUBMITTED), now_s,
                     *key_values(key), number)
                    for number, receipt in enumerate(receipts)
                ],
            )  # fmt: skip
        return ""

    def _is_of_another(self, key: DocumentKey, receipt: Receipt) -> bool:
        """Whether a cloud job id belongs to another document for the same device."""
        company = key.destination.rpartition("/")[0] + "/"
        target = receipt.target
        row = self._db.execute(
            "SELECT 1 FROM delivery WHERE cloud_job_id = ? AND location = ? AND device = ?"
            f" AND substr(destination, 1, length(?)) = ? AND NOT ({BY_KEY})",
            (receipt.cloud_job_id, target.location, target.device, company, company,
             *key_values(key)),
        ).fetchone()  # fmt: skip
        return row is not None

    def doubted(self, key: DocumentKey, *, now_s: float) -> None:
        """Note that another member of the job's class may have printed the document."""
        self._update(key, now_s, was_in_doubt=1)

    def run_ended(self, key: DocumentKey, *, now_s: float) -> None:
        """Note that this run of the backend was not killed."""
        self._update(key, now_s, open_runs=0)
