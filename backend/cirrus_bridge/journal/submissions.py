"""How far the submission of every document has come, on disk.

Each write is durable before the call returns. `document` has one row for each document of a job,
`delivery` one for each of its targets. Written in this order (CONTRIBUTING.md, "journal first"), so
that a crash between any two steps is told apart afterwards:
intent → confirmed segments → about to submit → accepted. `lifecycle` has the states; what comes
after the server's word is in `journal/deliveries`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cirrus_bridge.base.model import DeliveryState, DocumentKey, PrintJob, Receipt, Target
from cirrus_bridge.journal.deliveries import BY_KEY, DeliveryJournal, key_values
from cirrus_bridge.journal.lifecycle import WAITS, Event, State, sql_list

SOON_S = 600.0  # a run that comes later says nothing about why the one before was interrupted
REMEMBERED_S = 7 * 86_400.0  # servers get repaired


@dataclass(frozen=True, slots=True)
class DocumentEntry:
    """A document's row.

    `completed_at` is when CUPS had last completed the job (seconds since the epoch, 0 for never)
    at the last run of this print. `open_runs` counts the last runs, each soon after the one
    before, that were killed. `class_name` is the class through which the job came, or empty;
    `queue` the queue; `reprints` how often the document was submitted again because the cloud did
    not deliver it. `was_in_doubt` says that a submit may have been accepted, whatever a person has
    decided since.
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
    """A segment that the server has: its length in bytes and its digest."""

    length: int
    sha256: str


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """What the server has of a document, by byte position in the compressed stream. `at_s` is when
    it confirmed the last of it, `server_instance` what the server called itself then, or empty."""

    temp_file: str
    segments: Mapping[int, ConfirmedSegment]
    at_s: float
    server_instance: str


class Journal(DeliveryJournal):
    """The journal in `folder`; use as a context manager.

    Raises (every method):
        JournalBusy: another process kept the lock for BUSY_TIMEOUT_S.
        JournalError: it cannot be read or written.
    """

    # a job that is under way when the package is purged goes on to its end
    _outlives_its_folder = True

    def entries(self, job_uuid: str, job_id: int) -> list[DocumentEntry]:
        """All documents of a job, for any destination, the latest print last, by number."""
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
        self,
        key: DocumentKey,
        job: PrintJob,
        targets: Sequence[Target],
        *,
        now_s: float,
    ) -> None:
        """A document is about to be uploaded; what an earlier run has uploaded stays known."""
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
        """CUPS runs a document again that the cloud has already."""
        with self._transaction():
            self._move(key, Event.RUN, now_s, completed_at=job.completed_at)

    def uploading(
        self, key: DocumentKey, temp_file: str, server_instance: str, *, now_s: float
    ) -> None:
        """The document's segments go into this temporary file of the server."""
        self._update(key, now_s, temp_file=temp_file, server_instance=server_instance)

    def confirmed(
        self, key: DocumentKey, *, position: int, length: int, sha256: str, now_s: float
    ) -> None:
        """The server has confirmed a segment of the compressed stream."""
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO segment (job_uuid, job_id, print_run, destination, number,"
                " position, length, sha256) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*key_values(key), position, length, sha256),
            )
            self._set(key, now_s, confirmed_at=now_s)

    def upload(self, key: DocumentKey) -> UploadProgress | None:
        """What earlier runs have uploaded of a document that was not submitted."""
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
        """What was uploaded is no longer of use.

        Returns:
            How often in a row that has happened, this time included.
        """
        with self._transaction():
            self._db.execute(f"DELETE FROM segment WHERE {BY_KEY}", key_values(key))
            rows = self._db.execute(
                "UPDATE document SET temp_file = NULL, start_overs = start_overs + 1"
                f" WHERE {BY_KEY} RETURNING start_overs",
                key_values(key),
            ).fetchall()
        return int(rows[0][0]) if rows else 0

    def start_overs_told(self, key: DocumentKey, *, now_s: float) -> None:
        """A person is told that the upload never ends; the count begins again."""
        self._update(key, now_s, start_overs=0)

    def submit_key(self, key: DocumentKey) -> tuple[str, str]:
        """The Idempotency-Key of the document's last submit and the digest of what that submit
        asked for; both are empty before the first one."""
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
        """The next step is the submit of a document with this digest and size, of which
        `sent_bytes` were uploaded: it may be compressed."""
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
        """No submit of the document can have been accepted."""
        with self._transaction():
            self._move(key, Event.REFUSE, now_s)

    def unanswered(self, key: DocumentKey, *, now_s: float) -> None:
        """A person is told that the submit may or may not have been accepted."""
        with self._transaction():
            self._move(key, Event.LOSE_ANSWER, now_s, open_runs=0, was_in_doubt=1)

    def forgotten(self, key: DocumentKey, *, now_s: float) -> None:
        """An earlier journal may have known of a submit; a person is told so."""
        with self._transaction():
            self._move(key, Event.FORGET, now_s, open_runs=0, was_in_doubt=1)

    def dropped(self, key: DocumentKey, *, now_s: float) -> None:
        """The document is given up, though a submit may have been accepted."""
        with self._transaction():
            self._move(key, Event.DROP, now_s, open_runs=0)

    def accepted(self, key: DocumentKey, receipts: Sequence[Receipt], *, now_s: float) -> str:
        """The server has the document, under these job ids (in the order of the targets).

        Returns:
            An id that the server has given to another document, with nothing written, or empty.
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
        """Whether a job id stands for another document at the same device."""
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
        """The document may have been printed by another printer of the job's class."""
        self._update(key, now_s, was_in_doubt=1)

    def run_ended(self, key: DocumentKey, *, now_s: float) -> None:
        """This run of the backend was not killed."""
        self._update(key, now_s, open_runs=0)

    # --- a server that does not work

    def trying_since_s(self, key: DocumentKey) -> float | None:
        """When the document first met the outage that still lasts, in seconds since the epoch."""
        with self._translated():
            row = self._db.execute(
                f"SELECT trying_since FROM document WHERE {BY_KEY}", key_values(key)
            ).fetchone()
        return row[0] if row else None

    def trying(self, key: DocumentKey, since_s: float | None, *, now_s: float) -> None:
        """The document meets an outage since then, or (None) the outage is over."""
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
        """CUPS holds the document's job until the server works again.

        Args:
            waits_for: `server`, or `correction` where the configuration is at fault.
            device_uri: `uri.followed_uri`.
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
        """The last job id that a server has given since then. `at` is how destinations there
        begin."""
        with self._translated():
            row = self._db.execute(
                "SELECT location, device, cloud_job_id FROM delivery JOIN document USING"
                " (job_uuid, job_id, print_run, destination, number)"
                " WHERE cloud_job_id IS NOT NULL AND accepted_at > ?2"
                " AND substr(destination, 1, length(?1)) = ?1 ORDER BY accepted_at DESC LIMIT 1",
                (at, since_s),
            ).fetchone()
        return Receipt(Target(row[0], row[1]), row[2]) if row else None

    def jobs_wait_for(self, at: str) -> bool:
        """Whether jobs are held until a server works. `at` is how destinations there begin."""
        with self._translated():
            row = self._db.execute(
                f"SELECT 1 FROM document WHERE closed_at IS NULL AND state IN {sql_list(WAITS)}"
                " AND substr(destination, 1, length(?1)) = ?1 LIMIT 1",
                (at,),
            ).fetchone()
        return row is not None

    def takes_one_at_a_time(self, server: str, *, now_s: float) -> bool:
        """Whether this server has been found to take one segment at a time, and not long ago."""
        with self._translated():
            row = self._db.execute(
                "SELECT one_at_a_time_since FROM server WHERE name = ?", (server,)
            ).fetchone()
        return row is not None and 0 <= now_s - row[0] < REMEMBERED_S

    def found_one_at_a_time(self, server: str, *, now_s: float) -> None:
        """This server fails when several segments come at once."""
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO server VALUES (?, ?)", (server, now_s))
