"""How far the submission of every document has come, on disk.

Each write is durable before the call returns. `document` has one row for each document of a job,
`delivery` one for each of its targets. Written in this order (CONTRIBUTING.md, "journal first"), so
that a crash between any two steps is told apart afterwards:
intent → confirmed segments → about to submit → accepted → ended. What comes after the server's
word is in `journal_delivery`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cirrus_bridge.journal_delivery import BY_KEY, DeliveryJournal, key_values
from cirrus_bridge.model import DeliveryState, DocumentKey, PrintJob, Receipt, Target

SOON_S = 600.0  # a run that comes later says nothing about why the one before broke off
REMEMBERED_S = 7 * 86_400.0  # servers get mended


class Phase(enum.Enum):
    """How far the submission of a document has come."""

    INTENT = "intent"
    SUBMITTING = "submitting"  # a submit may be under way: after a crash, nobody knows
    UNANSWERED = "unanswered"  # a person has been told that nobody knows
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class Entry:
    """A document's row. `ended` says that a run of the backend has finished with it; `open_runs`
    counts the last runs, each soon after the one before, that came to no end at all. `class_name`
    is the class through which the job came, or empty; `attempt` how often the document has been
    printed anew because the cloud did not deliver it; `queue` the queue that it came through;
    `completed_before` when CUPS had last called the job completed before the last run of this
    print, which may have been a mistake of CUPS."""

    key: DocumentKey
    phase: Phase
    pass_started: int
    ended: bool
    open_runs: int
    class_name: str
    attempt: int
    queue: str
    completed_before: int


@dataclass(frozen=True, slots=True)
class ConfirmedSegment:
    """A segment that the server has: its length in bytes and its digest."""

    length: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What the server has of a document, by byte position in the compressed stream."""

    temp_file: str
    segments: Mapping[int, ConfirmedSegment]


class Journal(DeliveryJournal):
    """The journal in `folder`; use as a context manager.

    Raises (every method):
        JournalBusy: another process kept the lock for BUSY_TIMEOUT_S.
        JournalError: it can not be read or written.
    """

    def entries(self, job_uuid: str, job_id: int) -> list[Entry]:
        """All documents of a job, for any destination, the latest print last, by number."""
        self.check_job(job_uuid, job_id)
        with self._translated():
            rows = self._db.execute(
                "SELECT print_run, destination, number, phase, pass_started, ended, open_runs,"
                " class_name, attempt, queue, completed_before"
                " FROM document WHERE job_uuid = ? AND job_id = ? ORDER BY print_run, number",
                (job_uuid, job_id),
            ).fetchall()
        return [
            Entry(
                DocumentKey(job_uuid, job_id, print_run, destination, number),
                Phase(phase),
                started,
                bool(ended),
                *more,
            )
            for print_run, destination, number, phase, started, ended, *more in rows
        ]

    def intent(
        self,
        key: DocumentKey,
        job: PrintJob,
        targets: Sequence[Target],
        *,
        now_s: float,
    ) -> None:
        """A document is about to be uploaded; what an earlier run has uploaded stays known."""
        with self._transaction():
            self._db.execute(f"DELETE FROM delivery WHERE {BY_KEY}", key_values(key))
            self._db.execute(
                "INSERT INTO document (job_uuid, job_id, print_run, destination, number,"
                " queue, user, title, phase, pass_started, created_at, updated_at, class_name,"
                " completed_before, language, open_runs)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)"
                " ON CONFLICT DO UPDATE SET phase = excluded.phase, ended = 0,"
                " pass_started = excluded.pass_started, updated_at = excluded.updated_at,"
                " class_name = excluded.class_name, completed_before = excluded.completed_before,"
                " handover = '', poller = NULL, closed_at = NULL,"
                " open_runs = 1 + iif(excluded.updated_at - updated_at < ?, open_runs, 0)",
                (*key_values(key), job.queue, job.user, job.title,
                 Phase.INTENT.value, job.pass_started, now_s, now_s, job.class_name,
                 job.print_run, job.language, SOON_S),
            )  # fmt: skip
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
        """CUPS runs a document again that the journal knows already."""
        self._update(
            key,
            now_s,
            pass_started=job.pass_started,
            completed_before=job.print_run,
            ended=0,
        )

    def uploading(self, key: DocumentKey, temp_file: str, *, now_s: float) -> None:
        """The document's segments go into this temporary file of the server."""
        self._update(key, now_s, temp_file=temp_file)

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
            self._set(key, now_s)

    def upload(self, key: DocumentKey) -> Confirmed | None:
        """What earlier runs have uploaded of a document that was not submitted."""
        with self._translated():
            row = self._db.execute(
                f"SELECT temp_file FROM document WHERE {BY_KEY}", key_values(key)
            ).fetchone()
            rows = self._db.execute(
                f"SELECT position, length, sha256 FROM segment WHERE {BY_KEY}", key_values(key)
            ).fetchall()
        if not row or not row[0] or not rows:
            return None
        return Confirmed(row[0], {at: ConfirmedSegment(n, sha256) for at, n, sha256 in rows})

    def forget_upload(self, key: DocumentKey) -> None:
        """What was uploaded is of no use any more."""
        with self._transaction():
            self._db.execute(f"DELETE FROM segment WHERE {BY_KEY}", key_values(key))
            self._db.execute(
                f"UPDATE document SET temp_file = NULL WHERE {BY_KEY}", key_values(key)
            )

    def submitting(self, key: DocumentKey, sha256: str, size_bytes: int, *, now_s: float) -> None:
        """The next step is the submit, of a document with this digest and size."""
        self._update(key, now_s, phase=Phase.SUBMITTING.value, sha256=sha256, size_bytes=size_bytes)

    def not_submitted(self, key: DocumentKey, *, now_s: float) -> None:
        """The submit failed in a way that is sure to have had no effect."""
        self._update(key, now_s, phase=Phase.INTENT.value)

    def unanswered(self, key: DocumentKey, *, now_s: float) -> None:
        """A person is told that the submit may or may not have been accepted."""
        self._update(key, now_s, phase=Phase.UNANSWERED.value)

    def accepted(self, key: DocumentKey, receipts: Sequence[Receipt], *, now_s: float) -> None:
        """The server has the document, under these job ids (in the order of the targets)."""
        with self._transaction():
            self._set(key, now_s, phase=Phase.ACCEPTED.value, accepted_at=now_s)
            self._db.executemany(
                f"UPDATE delivery SET cloud_job_id = ?, state = ?, updated_at = ?"
                f" WHERE {BY_KEY} AND target_number = ?",
                [
                    (receipt.cloud_job_id, int(DeliveryState.SUBMITTED), now_s,
                     *key_values(key), number)
                    for number, receipt in enumerate(receipts)
                ],
            )  # fmt: skip

    def ended(self, key: DocumentKey, *, now_s: float) -> None:
        """This run of the backend has finished with the document."""
        self._update(key, now_s, ended=1, open_runs=0)

    def pass_broken(self, job_uuid: str) -> None:
        """This pass of the job through its queue ends early, but in order: a next one begins at
        document 1, even within the same second."""
        with self._transaction():
            self._db.execute(
                "UPDATE document SET pass_started = 0, open_runs = 0 WHERE job_uuid = ?",
                (job_uuid,),
            )

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
