"""The operations on jobs (RFC 8011, 4.3; PWG 5100.7 and 5100.11)."""

from __future__ import annotations

from cirrus_bridge.base.translation import tr
from cirrus_bridge.ipp.message import Attribute, Group, JobState, Status
from cirrus_bridge.ipp_server.answering import (
    Service,
    bad_options,
    find_job,
    find_printer,
    limit,
    requested,
    shown_job,
)
from cirrus_bridge.ipp_server.job_creation import NO_HOLD, first_state, with_values
from cirrus_bridge.ipp_server.outcomes import TOO_LATE
from cirrus_bridge.ipp_server.printer_attributes import WHICH_JOBS
from cirrus_bridge.ipp_server.requests import Refusal, Request, Response, unsupported
from cirrus_bridge.ipp_server.spool import INCOMING, SpooledJob

_NOT_STARTED = (JobState.PENDING, JobState.PENDING_HELD)
_JOB_SUMMARY = ("job-id", "job-uri")


class JobOperations:
    """Answers requests about jobs. Each method raises Refusal."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def cancel_job(self, request: Request) -> Response:
        """Cancel-Job."""
        self._cancel(find_job(self._service, request, of_owner=True))
        return Response()

    def cancel_my_jobs(self, request: Request) -> Response:
        """Cancel-My-Jobs."""
        printer = find_printer(self._service, request)
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

    def hold_job(self, request: Request) -> Response:
        """Hold-Job."""
        job = find_job(self._service, request, of_owner=True)
        if job.state not in _NOT_STARTED or INCOMING in job.reasons:
            raise Refusal(Status.NOT_POSSIBLE, tr("The job can no longer be held."))
        until = request.attributes.text("job-hold-until") or "indefinite"
        if until not in (*NO_HOLD, "indefinite"):
            values = [unsupported("job-hold-until", request.attributes["job-hold-until"])]
            raise bad_options(values)
        state, reasons = first_state(with_values(job, {"hold_until": until}))
        held = self._service.spool.replace(job, hold_until=until, state=state, reasons=reasons)
        if held is None:
            raise Refusal(Status.NOT_POSSIBLE, tr("The job can no longer be held."))
        self._service.wake()
        return Response()

    def release_job(self, request: Request) -> Response:
        """Release-Job."""
        job = find_job(self._service, request, of_owner=True)
        if job.state is not JobState.PENDING_HELD or INCOMING in job.reasons:
            raise Refusal(Status.NOT_POSSIBLE, tr("The job is not held."))
        released = self._service.spool.replace(
            job, hold_until="", state=JobState.PENDING, reasons=(), message={}
        )
        if released is None:
            raise Refusal(Status.NOT_POSSIBLE, tr("The job is not held."))
        self._service.wake()
        return Response()

    def get_job_attributes(self, request: Request) -> Response:
        """Get-Job-Attributes."""
        job = find_job(self._service, request)
        names = requested(request, ("all",))
        return Response(groups=[(Group.JOB, shown_job(self._service, request, job, names))])

    def get_jobs(self, request: Request) -> Response:
        """Get-Jobs."""
        printer, spool = find_printer(self._service, request), self._service.spool
        most = limit(request)
        which = request.attributes.text("which-jobs") or "not-completed"
        if which == "completed":
            jobs = spool.ended_jobs(printer.name, most)
        elif which in WHICH_JOBS:
            jobs = spool.open_jobs(printer.name)
        else:
            raise bad_options([unsupported("which-jobs", request.attributes["which-jobs"])])
        if request.attributes.flag("my-jobs"):
            jobs = [job for job in jobs if job.user == request.user]
        names = requested(request, _JOB_SUMMARY)
        return Response(
            groups=[
                (Group.JOB, shown_job(self._service, request, job, names)) for job in jobs[:most]
            ]
        )

    def _cancel(self, job: SpooledJob) -> None:
        if job.state.is_final:
            raise Refusal(Status.NOT_POSSIBLE, tr("The job has ended."))
        if not self._service.cancel(job):
            raise Refusal(
                Status.NOT_POSSIBLE,
                TOO_LATE,
            )
