"""This machine's print jobs for the cloud, joined from CUPS and the journal.

CUPS or the journal may have no record of a job. Functions that find jobs raise JournalError,
CupsAway or CupsRefused if the journal or CUPS cannot be read.
"""

from __future__ import annotations

import enum
import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from cirrus_bridge.base.errors import CupsGone
from cirrus_bridge.base.model import DeliveryState
from cirrus_bridge.base.translation import Words, joined, tr
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.queues.find import cloud_queues
from cirrus_bridge.cups.jobs import FINAL, CupsJob
from cirrus_bridge.journal import history
from cirrus_bridge.journal.documents import Delivery, Document
from cirrus_bridge.journal.lifecycle import ACCEPTED, State

# RFC 8011, 5.3.7
JOB_STATES = {
    3: tr("pending"),
    4: tr("held"),
    5: tr("processing"),
    6: tr("stopped"),
    7: tr("canceled"),
    8: tr("aborted"),
    9: tr("completed"),
}
FORGOTTEN = tr("forgotten")
MOST_ASKED_FOR = 100  # jobs, one by one; one request lists all that CUPS has
STATES = (*JOB_STATES.values(), FORGOTTEN)
_NOT_ACCEPTED = dict.fromkeys(State, tr("perhaps printed (no response to the submit)")) | {
    State.SENDING: tr("not submitted"),
    State.WAITING: tr("held until the server works again"),
    State.REPRINT: tr("to be submitted again"),
    State.ABANDONED: tr("not submitted"),
    State.SUBMITTING: tr("being submitted"),
}
_IN_CLOUD = {
    DeliveryState.SUBMITTED: tr("waiting"),
    DeliveryState.MISMATCHED: tr("not the document that was sent"),
    DeliveryState.UNKNOWN: tr("unknown to the server"),
    DeliveryState.RECEIVED: tr("received"),
    DeliveryState.DELIVERED: tr("delivered"),
    DeliveryState.DELETED: tr("deleted"),
    DeliveryState.SAVED: tr("saved"),
    DeliveryState.TRASHED: tr("trashed"),
}
_UNRELEASED = tr("waiting for release")


class Origin(enum.StrEnum):
    """Where a job came from: a queue of CUPS, or a client of a printer without a driver."""

    CUPS = "cups"
    PRINTERS = "printers"


class JobEvent(NamedTuple):
    at: datetime
    what: str


@dataclass(frozen=True, slots=True)
class JobView:
    """One job.

    Attributes:
        cups: the job in CUPS; None if CUPS no longer has it.
        documents: the job's documents in the journal. Without them, `cups` is set.
        has_journal: whether the journal was read.
    """

    job_id: int
    cups: CupsJob | None
    documents: tuple[Document, ...]
    has_journal: bool = True

    @property
    def origin(self) -> Origin:
        """Where the job came from."""
        return Origin.CUPS

    @property
    def client(self) -> str | None:
        """The address of the IPP client that sent the job to a printer without a driver."""
        return None

    @property
    def state(self) -> str:
        """The IPP keyword of the job's state in CUPS, or FORGOTTEN."""
        if self.cups is None:
            return FORGOTTEN
        return JOB_STATES.get(self.cups.state, str(self.cups.state))

    @property
    def has_ended(self) -> bool:
        """Whether the job has ended in CUPS, and its documents are closed in the journal."""
        in_cups = self.cups is not None and self.cups.state not in FINAL
        return not in_cups and all(each.closed_at_s for each in self.documents)

    @property
    def queue(self) -> str:
        return self.cups.queue if self.cups else self.documents[-1].queue

    @property
    def user(self) -> str:
        said = self.cups.text("job-originating-user-name") if self.cups else ""
        return said or (self.documents[-1].user if self.documents else "")

    @property
    def created(self) -> datetime | None:
        """The time of the job's creation; without CUPS, the time of its first document."""
        return self._cups_time("creation") or self._begun

    @property
    def _begun(self) -> datetime | None:
        return time_of(self.documents[0].created_at_s) if self.documents else None

    def _cups_time(self, of: str) -> datetime | None:
        return time_of(self.cups.attributes.number(f"time-at-{of}")) if self.cups else None

    @property
    def completed(self) -> datetime | None:
        return self._cups_time("completed")

    @property
    def title(self) -> str:
        said = self.cups.text("job-name") if self.cups else ""
        return said or (self.documents[-1].title if self.documents else "")

    @property
    def message(self) -> str:
        return self.cups.message if self.cups else ""

    @property
    def document(self) -> dict[str, Any]:
        """The whole job, for JSON."""
        return {
            "job": self.job_id,
            "origin": str(self.origin),
            "client": self.client,
            "queue": self.queue,
            "user": self.user,
            "account": self.documents[-1].account if self.documents else "",
            "accounting_user": self.documents[-1].accounting_user if self.documents else "",
            "title": self.title,
            "state": self.state,
            "created": self.created,
            "completed": self.completed,
            "progress": self.cups.progress if self.cups else None,
            "message": self.message,
            "pages": _total(self.documents) if self.has_journal else None,
            "delivered_pages": (
                _total(self.documents, delivered=True) if self.has_journal else None
            ),
            "ended": self.has_ended,
            "documents": list(map(_document, self.documents)),
        }

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of a table: one for each cloud job, or one without cloud jobs."""
        return job_rows(self.document)

    @property
    def moments(self) -> list[JobEvent]:
        """The events with a known time, in order."""
        # of events within a second, the end in CUPS is the last one: CUPS has whole seconds
        ended = tr("ended in CUPS: {state}", state=self.state)
        # CUPS keeps only the time of the last run, which may be the run that reports the outcome
        run = self._cups_time("processing")
        ran = tr("CUPS started the backend")
        if run is not None and self._begun is not None and run > self._begun:
            ran = tr("CUPS started the backend again")
        found: list[tuple[datetime | None, str]] = [
            (self._cups_time("creation"), tr("added to queue {queue}", queue=self.queue)),
            (run, ran),
            (self._cups_time("completed"), ended),
        ]
        known = self._in_order(found)
        return sorted(known, key=lambda each: (each.at.replace(microsecond=0), each.what == ended))

    def _in_order(self, found: list[tuple[datetime | None, str]]) -> list[JobEvent]:
        """The known ones of these events and of the documents' events, in order."""
        for document in self.documents:
            which = tr("document {number}: ", number=document.key.number)
            for at, what in _happened(document):
                found.append((at, joined("", (which, what)) if len(self.documents) > 1 else what))
        known = [JobEvent(at, what) for at, what in found if at is not None]
        return sorted(known, key=lambda each: each.at)


def job_rows(job: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a table for a job in the form of JSON: one for each cloud job, or one without."""
    found = [
        {
            "target": delivery["target"],
            "cloud_job": delivery["cloud_job"],
            "cloud_state": delivery["state"],
            "says": delivery["message"],
        }
        for document in job["documents"]
        for delivery in document["deliveries"]
    ] or [{"says": ""}]
    progress = job["progress"] if job["state"] == "processing" else None
    origin = job.get("client") or ("" if job.get("origin") == Origin.PRINTERS else "CUPS")
    found[0] = {**job, "from": origin, "progress": progress, **found[0]}
    there, here = found[-1]["says"], job["message"]
    found[-1]["says"] = here if there in here else "; ".join(filter(None, (there, here)))
    return found


def find_jobs(installation: Installation, *, ended: int) -> tuple[list[JobView], bool]:
    """Find the jobs that have not ended, and the last `ended` of the others.

    Returns:
        The jobs, newest first, and whether the whole journal was read.
    """
    recent, is_all = history.recent_documents(installation.state, ended)
    jobs = [*installation.cups.jobs(), *installation.cups.jobs(completed=True, limit=ended)]
    # CUPS has only one job of each number, so listed numbers are not asked for
    missing = {document.key.job_id for document in recent} - {job.job_id for job in jobs}
    jobs += _jobs(installation, missing)
    # the last ended jobs of CUPS may have other documents, or more
    job_ids = {document.key.job_id for document in recent} | {job.job_id for job in jobs}
    documents, has_all = history.documents_of_jobs(installation.state, job_ids)
    ours = {queue.name for queue in cloud_queues(installation)}
    recorded = {(document.key.job_id, document.key.job_uuid) for document in documents}
    jobs = [j for j in jobs if (j.job_id, j.job_uuid) in recorded or {j.queue, j.printer} & ours]
    views = job_views(jobs, documents)
    over = itertools.count(1)
    kept = [view for view in views if not view.has_ended or next(over) <= ended]
    return kept, is_all and has_all


def find_earlier_jobs(
    installation: Installation, before: int, *, ended: int
) -> tuple[list[JobView], bool]:
    """Find the last `ended` jobs of the journal that ended before another job, by its number.

    Returns:
        As `find_jobs`.

    Raises:
        CupsGone: the journal has no such job that has ended.
    """
    earlier = earlier_documents(installation.state, before, ended)
    job_ids = {document.key.job_id for document in earlier}
    documents, has_all = history.documents_of_jobs(installation.state, job_ids)
    keys = {(document.key.job_id, document.key.job_uuid) for document in earlier}
    documents = [each for each in documents if (each.key.job_id, each.key.job_uuid) in keys]
    jobs = [job for job in _jobs(installation, job_ids) if (job.job_id, job.job_uuid) in keys]
    return [view for view in job_views(jobs, documents) if view.has_ended], has_all


def earlier_documents(folder: Path, before: int, ended: int) -> list[Document]:
    """The last `ended` documents that a journal closed before those of a job. Raises CupsGone if
    the journal has no such job that has ended."""
    documents = history.documents_of_jobs(folder, [before]).documents
    if not (times_s := [each.closed_at_s for each in documents if each.closed_at_s]):
        text = tr("The journal has no job {job} that has ended.", job=before)
        raise CupsGone(text, tr("See cirrusctl jobs."))
    return history.closed_documents(folder, max(times_s), ended).documents


def find_job(installation: Installation, job_id: int) -> JobView | None:
    """Find a job by its number in CUPS; the newest, if several jobs had this number."""
    job = _job(installation, job_id)
    documents, _ = history.documents_of_jobs(installation.state, [job_id])
    return next(iter(job_views([job] if job else [], documents)), None)


def _jobs(installation: Installation, job_ids: Collection[int]) -> list[CupsJob]:
    """Those of these jobs that CUPS has."""
    if len(job_ids) > MOST_ASKED_FOR:
        listed = [*installation.cups.jobs(), *installation.cups.jobs(completed=True)]
        return [job for job in listed if job.job_id in job_ids]
    return [job for job_id in job_ids if (job := _job(installation, job_id))]


def _job(installation: Installation, job_id: int) -> CupsJob | None:
    try:
        return installation.cups.job(job_id)
    except CupsGone:
        return None


def job_views(jobs: Iterable[CupsJob], documents: Iterable[Document]) -> list[JobView]:
    """Join jobs and documents by number and UUID (numbers may repeat); newest first."""
    by_job: dict[tuple[int, str], list[Document]] = defaultdict(list)
    for document in documents:
        by_job[document.key.job_id, document.key.job_uuid].append(document)
    views = [
        JobView(job.job_id, job, tuple(by_job.pop((job.job_id, job.job_uuid), ()))) for job in jobs
    ]
    views += [JobView(job_id, None, tuple(left)) for (job_id, _), left in by_job.items()]
    return newest_first(views)


def newest_first(views: Iterable[JobView]) -> list[JobView]:
    return sorted(views, key=_age, reverse=True)


def _age(view: JobView) -> tuple[int, int, bool]:
    # CUPS has whole seconds; of jobs with one number, CUPS has only the newest
    created = int(view.created.timestamp()) if view.created else 0
    return created, view.job_id, view.cups is not None


def _state_word(document: Document, delivery: Delivery) -> str:
    if not delivery.receipt.cloud_job_id:
        return _NOT_ACCEPTED[document.state]
    is_unreleased = delivery.status.waits_for_release
    word = _UNRELEASED if is_unreleased else _IN_CLOUD[delivery.status.state]
    if not document.closed_at_s or delivery.status.state.is_final:
        return word
    return tr("{state} when last asked", state=word)


def _total(documents: Iterable[Document], *, delivered: bool = False) -> int | None:
    """The pages of the documents for all their targets, or only for those that got them; None if a
    number is unknown."""
    total = 0
    for document in documents:
        targets = [each.status.state.reached_recipient for each in document.deliveries]
        count = sum(targets) if delivered else len(targets) * (document.state in ACCEPTED)
        if count and document.pages is None:
            return None
        total += count * (document.pages or 0)
    return total


def _document(document: Document) -> dict[str, Any]:
    return {
        "number": document.key.number,
        "destination": document.key.destination,
        "state": document.state,
        "size_bytes": document.size_bytes,
        "pages": document.pages,
        "reprints": document.reprints,
        "begun": time_of(document.created_at_s),
        "changed": time_of(document.updated_at_s),
        "accepted": time_of(document.accepted_at_s),
        "closed": time_of(document.closed_at_s),
        "deliveries": [
            {
                "target": str(delivery.receipt.target),
                "cloud_job": delivery.receipt.cloud_job_id,
                "state": _state_word(document, delivery),
                "message": delivery.status.message,
                "received": time_of(delivery.received_at_s),
                "ended": time_of(delivery.final_at_s),
                "server_times": {
                    name: getattr(delivery.status, name)
                    for name in ("submitted", "received", "delivered")
                },
            }
            for delivery in document.deliveries
        ],
    }


def _happened(document: Document) -> Iterator[tuple[datetime | None, str]]:
    yield time_of(document.created_at_s), tr("Cirrus Bridge started to send the document")
    if document.state not in ACCEPTED:
        what = tr("the document is {phase}", phase=_NOT_ACCEPTED[document.state])
        if sent := document.confirmed_bytes:
            what = tr("{what}; the server has {count} bytes", what=what, count=sent)
        yield time_of(document.updated_at_s), what
    else:
        listed = (
            tr("{target} as {job}", target=each.receipt.target, job=each.receipt.cloud_job_id)
            for each in document.deliveries
        )
        names = joined(", ", listed)
        what = tr("accepted by the cloud: {names}", names=names)
        if size := document.size_bytes:
            what = tr("accepted by the cloud ({count} bytes): {names}", count=size, names=names)
        yield time_of(document.accepted_at_s), what
    for delivery in document.deliveries:
        yield from _happened_there(document, delivery)
    if document.state is State.CLOSED:
        what = tr("the document is finished")
        if not all(each.status.state.is_final for each in document.deliveries):
            what = tr("the document is no longer followed; the cloud may still print it")
        yield time_of(document.closed_at_s), what


def _happened_there(
    document: Document, delivery: Delivery
) -> Iterator[tuple[datetime | None, str]]:
    target, status = delivery.receipt.target, delivery.status
    if status.received or status.state is DeliveryState.RECEIVED:
        what = _there(tr("received for {target}", target=target), status.received)
        said = "" if status.state.is_final else status.message
        yield time_of(delivery.received_at_s), joined(": ", filter(None, (what, said)))
    if status.state.is_final:
        state = _state_word(document, delivery)
        what = _there(tr("{state} at {target}", state=state, target=target), status.delivered)
        yield time_of(delivery.final_at_s), joined(": ", filter(None, (what, status.message)))


def _there(what: Words, server_time: str) -> Words:
    if not server_time:
        return what
    return tr("{what} (server: {time})", what=what, time=server_time)


def time_of(seconds: float | None) -> datetime | None:
    return None if not seconds else datetime.fromtimestamp(seconds, UTC).astimezone()
