"""The common part of all operations: the service, and the printers and jobs that requests name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cirrus_bridge.base.translation import tr
from cirrus_bridge.drivers.offered_printers import OfferedPrinter
from cirrus_bridge.ipp.message import Attribute, PrinterState, Status
from cirrus_bridge.ipp.values import Value
from cirrus_bridge.ipp_server.job_attributes import job_attributes
from cirrus_bridge.ipp_server.requests import Client, Refusal, Request, unsupported
from cirrus_bridge.ipp_server.spool import Spool, SpooledJob

OCTETS = "application/octet-stream"
MOST_LISTED = 500  # jobs in one response


@dataclass(frozen=True, slots=True)
class PrinterStatus:
    """The state of a printer, which changes.

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
    """The part of the service that the operations use.

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


def find_printer(service: Service, request: Request) -> OfferedPrinter:
    """The printer that a request names. Raises Refusal if there is none."""
    printers = service.printers
    if request.printer:
        found = printers.get(request.printer)
    else:
        found = next(iter(printers.values())) if len(printers) == 1 else None
    if found is None:
        raise Refusal(Status.NOT_FOUND, tr("There is no such printer."))
    return found


def find_job(service: Service, request: Request, *, of_owner: bool = False) -> SpooledJob:
    """The job that a request names.

    Raises:
        Refusal: there is no such job, or, with `of_owner`, the job belongs to someone else.
    """
    job = service.spool.get(request.job_id) if request.job_id > 0 else None
    if not request.job_id:
        raise Refusal(Status.BAD_REQUEST, "The request names no job.")
    if job is None or (request.printer and job.printer != request.printer):
        raise Refusal(Status.NOT_FOUND, tr("There is no such job."))
    if of_owner and job.user != request.user:
        raise Refusal(Status.NOT_AUTHORIZED, tr("The job belongs to someone else."))
    return job


def shown_job(
    service: Service, request: Request, job: SpooledJob, names: Collection[str]
) -> list[Attribute]:
    """The requested attributes of a job, as the sender of the request may see them."""
    return job_attributes(
        job,
        request.client.base_uri,
        service.now_s(),
        request.language,
        names,
        is_private=job.user != request.user,
    )


def requested(request: Request, default: Sequence[str]) -> Collection[str]:
    """The attributes that a request asks for (requested-attributes)."""
    return [str(each) for each in request.attributes.get("requested-attributes", ())] or default


def limit(request: Request) -> int:
    """The most jobs or printers of the response. Raises Refusal for a limit below 1."""
    asked = request.attributes.number("limit")
    if asked is not None and asked < 1:
        raise bad_options([unsupported("limit", request.attributes["limit"])])
    return min(asked or MOST_LISTED, MOST_LISTED)


def bad_options(values: Sequence[Attribute]) -> Refusal:
    """The refusal of attributes or values that the printer does not support."""
    return Refusal(
        Status.ATTRIBUTES_OR_VALUES_NOT_SUPPORTED,
        tr("The printer does not support some of the requested options."),
        values,
    )


def bad_format(request: Request) -> Refusal:
    """The refusal of a document's format."""
    return Refusal(
        Status.DOCUMENT_FORMAT_NOT_SUPPORTED,
        tr("The printer does not support documents of this format."),
        [unsupported("document-format", request.attributes.get("document-format", ()))],
    )
