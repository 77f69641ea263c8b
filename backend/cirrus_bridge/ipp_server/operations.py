"""The operations of IPP on printers and jobs (RFC 8011, 4; PWG 5100.7, 5100.11, 5100.13)."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from cirrus_bridge.base.text import fitting
from cirrus_bridge.base.translation import tr, translated
from cirrus_bridge.drivers.offered_printers import OfferedPrinter
from cirrus_bridge.ipp.message import (
    Attribute,
    Attributes,
    Group,
    JobState,
    Operation,
    PrinterState,
    Status,
)
from cirrus_bridge.ipp.values import EnumValue, Keyword, OutOfBand, Text, Value
from cirrus_bridge.ipp_server.job_attributes import NAME_BYTES, encoded, job_attributes
from cirrus_bridge.ipp_server.job_options import SECRETS, read_job
from cirrus_bridge.ipp_server.outcomes import TOO_LATE
from cirrus_bridge.ipp_server.printer_attributes import COMPRESSIONS, WHICH_JOBS, select
from cirrus_bridge.ipp_server.requests import Client, Refusal, Request, Response, unsupported
from cirrus_bridge.ipp_server.shares import has_room
from cirrus_bridge.ipp_server.spool import INCOMING, IncomingDocument, Spool, SpooledJob

OCTETS = "application/octet-stream"
MOST_LISTED = 500  # jobs in one response
_NOT_STARTED = (JobState.PENDING, JobState.PENDING_HELD)
_JOB_SUMMARY = ("job-id", "job-uri")
_JOB_CREATED = ("job-id", "job-uri", "job-state", "job-state-reasons", "job-state-message")
_NO_HOLD = ("", "no-hold")
# attributes that a run needs, and that are not shown
_PRIVATE = SECRETS | {"job-name", "job-mandatory-attributes"}
_MOST_KEPT_BYTES = 64 * 1024  # of a job's attributes; each option that is offered takes about 4 KiB


@dataclass(frozen=True, slots=True)
class PrinterStatus:
    """What changes at a printer.

    Attributes:
        reasons: printer-state-reasons.
        message: printer-state-message, which may be translated.
        changed_s: when the state changed (seconds since the epoch).
    """

    state: PrinterState = PrinterState.IDLE
    reasons: tuple[str, ...] = ()
    message: str = ""
    changed_s: float = 0.0


class Service(Protocol):
    """What the operations need of the service.

    Attributes:
        printers: the offered printers by name.
        most_jobs: the most open jobs of all printers.
        config_changed_s: when the printers last changed (seconds since the epoch).
    """

    @property
    def printers(self) -> Mapping[str, OfferedPrinter]: ...
    @property
    def spool(self) -> Spool: ...
    @property
    def most_jobs(self) -> int: ...
    @property
    def config_changed_s(self) -> float: ...
    def now_s(self) -> float: ...
    def description(
        self, printer: OfferedPrinter, client: Client
    ) -> Mapping[str, Sequence[Value]]: ...
    def formats(self, printer: OfferedPrinter) -> Sequence[str]: ...
    def status(self, printer: OfferedPrinter) -> PrinterStatus: ...
    def wake(self) -> None: ...  # a job may run now
    def cancel(self, job: SpooledJob) -> bool: ...  # whether the job has ended, or soon will
    def identify(self, printer: OfferedPrinter, message: str, client: Client) -> None: ...


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


class Operations:
    """Answers valid requests. Any thread may use this object."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._answers: Mapping[Operation, Callable[[Request], Response]] = {
            Operation.VALIDATE_JOB: self._validate_job,
            Operation.CREATE_JOB: self._create_job,
            Operation.CLOSE_JOB: self._close_job,
            Operation.CANCEL_JOB: self._cancel_job,
            Operation.CANCEL_MY_JOBS: self._cancel_my_jobs,
            Operation.HOLD_JOB: self._hold_job,
            Operation.RELEASE_JOB: self._release_job,
            Operation.GET_JOB_ATTRIBUTES: self._get_job_attributes,
            Operation.GET_JOBS: self._get_jobs,
            Operation.GET_PRINTER_ATTRIBUTES: self._get_printer_attributes,
            Operation.GET_PRINTER_SUPPORTED_VALUES: self._get_printer_attributes,
            Operation.IDENTIFY_PRINTER: self._identify_printer,
            Operation.CUPS_GET_DEFAULT: self._get_default,
            Operation.CUPS_GET_PRINTERS: self._get_printers,
        }

    def answer(self, request: Request) -> Response:
        """Answer a request that has no document. Raises Refusal."""
        answer = self._answers.get(request.operation)
        if answer is None:
            raise Refusal(
                Status.OPERATION_NOT_SUPPORTED,
                f"This printer does not support {request.operation.name}.",
            )
        return answer(request)

    def admit(self, request: Request) -> Admission:
        """Check a Print-Job or Send-Document before its document is read. Raises Refusal."""
        if request.operation is Operation.PRINT_JOB:
            job, left_out = self._new_job(request)
            return Admission(request, job, *self._document_form(request), left_out=left_out)
        job = self._job(request, of_owner=True)
        last = request.attributes.get("last-document", ())
        if len(last) != 1 or not isinstance(last[0], bool):
            raise Refusal(Status.BAD_REQUEST, "last-document is missing or invalid.")
        if INCOMING not in job.reasons:
            raise Refusal(Status.NOT_POSSIBLE, tr("The job takes no more documents."))
        return Admission(request, job, *self._document_form(request), is_last=last[0])

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
            state, reasons = _first_state(job)
            values |= {"state": state, "reasons": reasons}
        kept = spool.add(_with(job, values)) if is_new else self._take_document(job, values)
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

    # --- jobs

    def _new_job(self, request: Request) -> tuple[SpooledJob, Sequence[Attribute]]:
        """The job that a request asks for, and its attributes that the printer does not support."""
        printer, service = self._printer(request), self._service
        taken, host = service.spool.open_counts(), request.client.address
        if not has_room(taken, host, request.user, service.most_jobs):
            raise Refusal(Status.BUSY, tr("The print server has too many jobs. Try again later."))
        self._document_form(request)
        attributes = Attributes(request.attributes | request.job)
        asked = read_job(attributes, printer)
        left_out = [Attribute(name, values) for name, values in asked.unsupported.items()]
        is_strict = request.attributes.flag("ipp-attribute-fidelity")
        if left_out and (is_strict or asked.must_refuse):
            raise _bad_options(left_out)
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

    def _validate_job(self, request: Request) -> Response:
        _, left_out = self._new_job(request)
        return Response(_status(left_out), unsupported=left_out)

    def _create_job(self, request: Request) -> Response:
        job, left_out = self._new_job(request)
        values = {"state": JobState.PENDING_HELD, "reasons": (INCOMING,)}
        kept = self._service.spool.add(_with(job, values))
        return self._created(request, kept, left_out)

    def _created(
        self, request: Request, job: SpooledJob, left_out: Sequence[Attribute] = ()
    ) -> Response:
        found = self._attributes(request, job, _JOB_CREATED)
        return Response(_status(left_out), groups=[(Group.JOB, found)], unsupported=left_out)

    def _close_job(self, request: Request) -> Response:
        job = self._job(request, of_owner=True)
        if INCOMING in job.reasons:
            if not job.document:
                self._end_empty(request, job)
                return Response()
            state, reasons = _first_state(job)
            if self._service.spool.replace(job, state=state, reasons=reasons) is None:
                raise self._too_late(job)
            self._service.wake()
        elif job.state.is_final:
            raise Refusal(Status.NOT_POSSIBLE, tr("The job has ended."))
        return Response()

    def _cancel_job(self, request: Request) -> Response:
        self._cancel(self._job(request, of_owner=True))
        return Response()

    def _cancel(self, job: SpooledJob) -> None:
        if job.state.is_final:
            raise Refusal(Status.NOT_POSSIBLE, tr("The job has ended."))
        if not self._service.cancel(job):
            raise Refusal(
                Status.NOT_POSSIBLE,
                TOO_LATE,
            )

    def _cancel_my_jobs(self, request: Request) -> Response:
        printer = self._printer(request)
        wanted = [each for each in request.attributes.get("job-ids", ()) if isinstance(each, int)]
        mine = [
            job
            for job in self._service.spool.open_jobs(printer.name)
            if job.user == request.user and (not wanted or job.job_id in wanted)
        ]
        foreign = set(wanted) - {job.job_id for job in mine}
        if foreign:
            raise Refusal(
                Status.NOT_POSSIBLE,
                tr("Some of the jobs do not exist, have ended, or belong to someone else."),
                [Attribute("job-ids", sorted(foreign))],
            )
        stuck = [job.job_id for job in mine if not self._service.cancel(job)]
        if stuck and wanted:
            raise Refusal(
                Status.NOT_POSSIBLE,
                TOO_LATE,
                [Attribute("job-ids", stuck)],
            )
        return Response()

    def _hold_job(self, request: Request) -> Response:
        job = self._job(request, of_owner=True)
        if job.state not in _NOT_STARTED or INCOMING in job.reasons:
            raise Refusal(Status.NOT_POSSIBLE, tr("The job can no longer be held."))
        until = request.attributes.text("job-hold-until") or "indefinite"
        if until not in (*_NO_HOLD, "indefinite"):
            values = [unsupported("job-hold-until", request.attributes["job-hold-until"])]
            raise _bad_options(values)
        state, reasons = _first_state(_with(job, {"hold_until": until}))
        held = self._service.spool.replace(job, hold_until=until, state=state, reasons=reasons)
        if held is None:
            raise Refusal(Status.NOT_POSSIBLE, tr("The job can no longer be held."))
        self._service.wake()
        return Response()

    def _release_job(self, request: Request) -> Response:
        job = self._job(request, of_owner=True)
        if job.state is not JobState.PENDING_HELD or INCOMING in job.reasons:
            raise Refusal(Status.NOT_POSSIBLE, tr("The job is not held."))
        released = self._service.spool.replace(
            job, hold_until="", state=JobState.PENDING, reasons=(), message={}
        )
        if released is None:
            raise Refusal(Status.NOT_POSSIBLE, tr("The job is not held."))
        self._service.wake()
        return Response()

    def _get_job_attributes(self, request: Request) -> Response:
        job = self._job(request)
        names = requested(request, ("all",))
        return Response(groups=[(Group.JOB, self._attributes(request, job, names))])

    def _get_jobs(self, request: Request) -> Response:
        printer, spool = self._printer(request), self._service.spool
        most = _limit(request)
        which = request.attributes.text("which-jobs") or "not-completed"
        if which == "completed":
            jobs = spool.ended_jobs(printer.name, most)
        elif which in WHICH_JOBS:
            jobs = spool.open_jobs(printer.name)
        else:
            raise _bad_options([unsupported("which-jobs", request.attributes["which-jobs"])])
        if request.attributes.flag("my-jobs"):
            jobs = [job for job in jobs if job.user == request.user]
        names = requested(request, _JOB_SUMMARY)
        return Response(
            groups=[(Group.JOB, self._attributes(request, job, names)) for job in jobs[:most]]
        )

    def _attributes(
        self, request: Request, job: SpooledJob, names: Collection[str]
    ) -> list[Attribute]:
        return job_attributes(
            job,
            request.client.base_uri,
            self._service.now_s(),
            request.language,
            names,
            is_private=job.user != request.user,
        )

    def _job(self, request: Request, *, of_owner: bool = False) -> SpooledJob:
        job = self._service.spool.get(request.job_id) if request.job_id > 0 else None
        if not request.job_id:
            raise Refusal(Status.BAD_REQUEST, "The request names no job.")
        if job is None or (request.printer and job.printer != request.printer):
            raise Refusal(Status.NOT_FOUND, tr("There is no such job."))
        if of_owner and job.user != request.user:
            raise Refusal(Status.NOT_AUTHORIZED, tr("The job belongs to someone else."))
        return job

    # --- printers

    def _printer(self, request: Request) -> OfferedPrinter:
        printers = self._service.printers
        if request.printer:
            found = printers.get(request.printer)
        else:
            found = next(iter(printers.values())) if len(printers) == 1 else None
        if found is None:
            raise Refusal(Status.NOT_FOUND, tr("There is no such printer."))
        return found

    def _get_printer_attributes(self, request: Request) -> Response:
        printer = self._printer(request)
        media_type = request.attributes.text("document-format")
        if media_type and media_type not in (OCTETS, *self._service.formats(printer)):
            raise _bad_format(request)
        names = requested(request, ("all",))
        return Response(groups=[(Group.PRINTER, self._printer_attributes(request, printer, names))])

    def _get_default(self, request: Request) -> Response:
        printers = self._service.printers
        if not printers:
            raise Refusal(Status.NOT_FOUND, tr("There is no such printer."))
        found = self._printer_attributes(
            request, next(iter(printers.values())), requested(request, ("all",))
        )
        return Response(groups=[(Group.PRINTER, found)])

    def _get_printers(self, request: Request) -> Response:
        names = requested(request, ("all",))
        most = _limit(request)
        return Response(
            groups=[
                (Group.PRINTER, self._printer_attributes(request, printer, names))
                for printer in list(self._service.printers.values())[:most]
            ]
        )

    def _printer_attributes(
        self, request: Request, printer: OfferedPrinter, names: Collection[str]
    ) -> list[Attribute]:
        service = self._service
        described = dict(service.description(printer, request.client))
        described |= self._state_attributes(printer, request.language)
        return [Attribute(name, values) for name, values in select(described, names).items()]

    def _state_attributes(
        self, printer: OfferedPrinter, language: str
    ) -> dict[str, Sequence[Value]]:
        service = self._service
        status, now_s = service.status(printer), service.now_s()
        return {
            "printer-state": [EnumValue(status.state)],
            "printer-state-reasons": [Keyword(each) for each in status.reasons or ("none",)],
            "printer-state-message": [Text(fitting(translated(status.message, language)))],
            "printer-state-change-time": [int(status.changed_s)],
            "printer-state-change-date-time": [datetime.fromtimestamp(status.changed_s, UTC)],
            "printer-config-change-time": [int(service.config_changed_s)],
            "printer-config-change-date-time": [
                datetime.fromtimestamp(service.config_changed_s, UTC)
            ],
            "printer-current-time": [datetime.fromtimestamp(now_s, UTC)],
            "printer-is-accepting-jobs": [True],
            "printer-up-time": [int(now_s)],
            "queued-job-count": [service.spool.count_open(printer.name)],
        }

    def _identify_printer(self, request: Request) -> Response:
        printer = self._printer(request)
        message = fitting(request.attributes.text("message"), NAME_BYTES)
        self._service.identify(printer, message, request.client)
        return Response()

    # --- documents

    def check_detected(self, request: Request, media_type: str | None) -> str:
        """Check the format of a document whose client did not say the format. Raises Refusal."""
        if media_type not in self._service.formats(self._printer(request)):
            raise _bad_format(request)
        return str(media_type)

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
        if media_type not in (OCTETS, *self._service.formats(self._printer(request))):
            raise _bad_format(request)
        return media_type, compression


def requested(request: Request, default: Sequence[str]) -> Collection[str]:
    """The attributes that a request asks for (requested-attributes)."""
    return [str(each) for each in request.attributes.get("requested-attributes", ())] or default


def _one_document() -> Refusal:
    return Refusal(
        Status.MULTIPLE_JOBS_NOT_SUPPORTED,
        tr("This printer takes one document in each job."),
    )


def _limit(request: Request) -> int:
    """The most jobs or printers of the response. Raises Refusal for a limit below 1."""
    asked = request.attributes.number("limit")
    if asked is not None and asked < 1:
        raise _bad_options([unsupported("limit", request.attributes["limit"])])
    return min(asked or MOST_LISTED, MOST_LISTED)


def _bad_options(values: Sequence[Attribute]) -> Refusal:
    return Refusal(
        Status.ATTRIBUTES_OR_VALUES_NOT_SUPPORTED,
        tr("The printer does not support some of the requested options."),
        values,
    )


def _bad_format(request: Request) -> Refusal:
    return Refusal(
        Status.DOCUMENT_FORMAT_NOT_SUPPORTED,
        tr("The printer does not support documents of this format."),
        [unsupported("document-format", request.attributes.get("document-format", ()))],
    )


def _first_state(job: SpooledJob) -> tuple[JobState, tuple[str, ...]]:
    """The state of a job whose document has come, and its reasons."""
    if job.hold_until in _NO_HOLD:
        return JobState.PENDING, ()
    return JobState.PENDING_HELD, ("job-hold-until-specified",)


def _status(left_out: Sequence[Attribute]) -> Status:
    return Status.OK_IGNORED_OR_SUBSTITUTED if left_out else Status.OK


def _with(job: SpooledJob, values: Mapping[str, object]) -> SpooledJob:
    return dataclasses.replace(job, **values)  # type: ignore[arg-type]
