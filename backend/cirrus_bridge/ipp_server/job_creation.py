"""The operations that make jobs, and bring their documents (RFC 8011, 4.2 and 4.3; PWG 5100.11)."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cirrus_bridge.base.text import fitting
from cirrus_bridge.base.translation import tr
from cirrus_bridge.ipp.message import Attribute, Attributes, Group, JobState, Operation, Status
from cirrus_bridge.ipp.values import OutOfBand
from cirrus_bridge.ipp_server.answering import (
    OCTETS,
    Service,
    bad_format,
    bad_options,
    find_job,
    find_printer,
    shown_job,
)
from cirrus_bridge.ipp_server.job_attributes import NAME_BYTES, encoded
from cirrus_bridge.ipp_server.job_options import SECRETS, read_job
from cirrus_bridge.ipp_server.printer_attributes import COMPRESSIONS
from cirrus_bridge.ipp_server.requests import Refusal, Request, Response, unsupported
from cirrus_bridge.ipp_server.shares import has_room
from cirrus_bridge.ipp_server.spool import INCOMING, IncomingDocument, SpooledJob

NO_HOLD = ("", "no-hold")  # values of job-hold-until
_JOB_CREATED = ("job-id", "job-uri", "job-state", "job-state-reasons", "job-state-message")
# attributes that a run needs, and that are not shown
_PRIVATE = SECRETS | {"job-name", "job-mandatory-attributes"}
_MOST_KEPT_BYTES = 64 * 1024  # of a job's attributes; each option that is offered takes about 4 KiB


@dataclass(frozen=True, slots=True)
class Admission:
    """A document that may come.

    Attributes:
        job: new for Print-Job.
        left_out: the attributes of a new job that the printer does not support.
    """

    request: Request
    job: SpooledJob
    media_type: str
    compression: str
    is_last: bool = True
    left_out: Sequence[Attribute] = ()


class JobCreation:
    """Answers requests that make jobs. Each method raises Refusal."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def validate_job(self, request: Request) -> Response:
        """Validate-Job."""
        _, left_out = self._new_job(request)
        return Response(_status(left_out), unsupported=left_out)

    def create_job(self, request: Request) -> Response:
        """Create-Job."""
        job, left_out = self._new_job(request)
        values = {"state": JobState.PENDING_HELD, "reasons": (INCOMING,)}
        kept = self._service.spool.add(with_values(job, values))
        return self._created(request, kept, left_out)

    def close_job(self, request: Request) -> Response:
        """Close-Job."""
        job = find_job(self._service, request, of_owner=True)
        if INCOMING in job.reasons:
            if not job.document:
                self._end_empty(request, job)
                return Response()
            state, reasons = first_state(job)
            if self._service.spool.replace(job, state=state, reasons=reasons) is None:
                raise self._too_late(job)
            self._service.wake()
        elif job.state.is_final:
            raise Refusal(Status.NOT_POSSIBLE, tr("The job has ended."))
        return Response()

    def admit(self, request: Request) -> Admission:
        """Check a Print-Job or Send-Document before its document is read."""
        if request.operation is Operation.PRINT_JOB:
            job, left_out = self._new_job(request)
            return Admission(request, job, *self._document_form(request), left_out=left_out)
        job = find_job(self._service, request, of_owner=True)
        last = request.attributes.get("last-document", ())
        if len(last) != 1 or not isinstance(last[0], bool):
            raise Refusal(Status.BAD_REQUEST, "last-document is missing or invalid.")
        if INCOMING not in job.reasons:
            raise Refusal(Status.NOT_POSSIBLE, tr("The job takes no more documents."))
        return Admission(request, job, *self._document_form(request), is_last=last[0])

    def check_detected(self, request: Request, media_type: str | None) -> str:
        """Check the format of a document whose client did not say the format."""
        if media_type not in self._service.formats(find_printer(self._service, request)):
            raise bad_format(request)
        return str(media_type)

    def finish(self, admission: Admission, document: IncomingDocument, media_type: str) -> Response:
        """Take the whole document of an admitted request, which was found to be `media_type`."""
        request, job, spool = admission.request, admission.job, self._service.spool
        is_new = request.operation is Operation.PRINT_JOB
        if not is_new:
            job = spool.get(job.job_id) or job  # while the document came, much may have happened
            if job.state.is_final:
                raise Refusal(Status.JOB_CANCELED, tr("The job was canceled."))
        has_data = document.size_bytes > 0
        if is_new and not has_data:
            raise Refusal(Status.BAD_REQUEST, tr("The document is empty."))
        if has_data and job.document:
            raise _one_document()
        values: dict[str, Any] = {}
        if has_data:
            document.sync()
            values = {
                "document": document.name,
                "size_bytes": document.size_bytes,
                "media_type": media_type,
            }
        if admission.is_last or is_new:
            if not has_data and not job.document:
                return self._end_empty(request, job)
            state, reasons = first_state(job)
            values |= {"state": state, "reasons": reasons}
        kept = spool.add(with_values(job, values)) if is_new else self._take_document(job, values)
        if has_data:
            document.keep()
        self._service.wake()
        return self._created(request, kept, admission.left_out)

    def _take_document(self, job: SpooledJob, values: Mapping[str, Any]) -> SpooledJob:
        """Give a document to its job, or the end of documents. Raises Refusal if the job has got
        another document meanwhile, or has ended."""
        changed = self._service.spool.replace(job, **values) if values else job
        if changed is None:
            raise self._too_late(job)
        return changed

    def _too_late(self, job: SpooledJob) -> Refusal:
        """The refusal of a request about a job that has changed meanwhile."""
        now = self._service.spool.get(job.job_id)
        if now is None or now.state.is_final:
            return Refusal(Status.JOB_CANCELED, tr("The job was canceled."))
        return _one_document()

    def _end_empty(self, request: Request, job: SpooledJob) -> Response:
        ended = self._service.spool.end(
            job.job_id,
            JobState.ABORTED,
            self._service.now_s(),
            reasons=("aborted-by-system", "submission-interrupted"),
        )
        return self._created(request, ended or job)

    def _new_job(self, request: Request) -> tuple[SpooledJob, Sequence[Attribute]]:
        """The job that a request asks for, and its attributes that the printer does not support."""
        printer, service = find_printer(self._service, request), self._service
        taken, host = service.spool.open_counts(), request.client.address
        if not has_room(taken, host, request.user, service.most_jobs):
            raise Refusal(
                Status.BUSY, tr("Too many jobs are waiting at the print server. Try again later.")
            )
        self._document_form(request)
        attributes = Attributes(request.attributes | request.job)
        asked = read_job(attributes, printer)
        left_out = [Attribute(name, values) for name, values in asked.unsupported.items()]
        is_strict = request.attributes.flag("ipp-attribute-fidelity")
        if left_out and (is_strict or asked.must_refuse):
            raise bad_options(left_out)
        private = {name: attributes[name] for name in sorted(_PRIVATE & attributes.keys())}
        left = asked.unsupported
        unknown = {name for name in left if left[name] == [OutOfBand.UNSUPPORTED]} | _PRIVATE
        kept = {name: request.job[name] for name in request.job if name not in unknown}
        job = SpooledJob(
            job_id=0,
            job_uuid=uuid.uuid4().urn,
            printer=printer.name,
            queue_uri=printer.queue_uri,
            user=request.user,
            host=request.client.address,
            title=asked.title or fitting(request.attributes.text("document-name"), NAME_BYTES),
            language=request.language,
            attributes=encoded(Attributes(kept)),
            private=encoded(Attributes(private)),
            priority=asked.priority,
            hold_until=asked.hold_until,
            created_s=service.now_s(),
        )
        if len(job.attributes) + len(job.private) > _MOST_KEPT_BYTES:
            raise Refusal(
                Status.REQUEST_ENTITY_TOO_LARGE, tr("The request has too many attributes.")
            )
        return job, left_out

    def _created(
        self, request: Request, job: SpooledJob, left_out: Sequence[Attribute] = ()
    ) -> Response:
        found = shown_job(self._service, request, job, _JOB_CREATED)
        return Response(_status(left_out), groups=[(Group.JOB, found)], unsupported=left_out)

    def _document_form(self, request: Request) -> tuple[str, str]:
        """The media type and the compression of a document that is to come."""
        compression = request.attributes.text("compression") or "none"
        if compression not in COMPRESSIONS:
            raise Refusal(
                Status.COMPRESSION_NOT_SUPPORTED,
                tr("The printer does not support this compression."),
                [unsupported("compression", request.attributes["compression"])],
            )
        media_type = request.attributes.text("document-format").lower() or OCTETS
        if media_type not in (OCTETS, *self._service.formats(find_printer(self._service, request))):
            raise bad_format(request)
        return media_type, compression


def first_state(job: SpooledJob) -> tuple[JobState, tuple[str, ...]]:
    """The state of a job whose document has come, and its reasons."""
    if job.hold_until in NO_HOLD:
        return JobState.PENDING, ()
    return JobState.PENDING_HELD, ("job-hold-until-specified",)


def with_values(job: SpooledJob, values: Mapping[str, object]) -> SpooledJob:
    """The job with other values of its fields."""
    return dataclasses.replace(job, **values)  # type: ignore[arg-type]


def _one_document() -> Refusal:
    return Refusal(
        Status.MULTIPLE_JOBS_NOT_SUPPORTED,
        tr("This printer takes only one document per job."),
    )


def _status(left_out: Sequence[Attribute]) -> Status:
    return Status.OK_IGNORED_OR_SUBSTITUTED if left_out else Status.OK
