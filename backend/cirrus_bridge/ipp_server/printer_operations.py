"""The operations on printers (RFC 8011, 4.2; PWG 5100.11 and 5100.13)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from cirrus_bridge.base.text import fitting
from cirrus_bridge.base.translation import tr, translated
from cirrus_bridge.drivers.offered_printers import OfferedPrinter
from cirrus_bridge.ipp.message import Attribute, Group, Status
from cirrus_bridge.ipp.values import EnumValue, Keyword, Text, Value
from cirrus_bridge.ipp_server.answering import (
    OCTETS,
    Service,
    bad_format,
    find_printer,
    limit,
    requested,
)
from cirrus_bridge.ipp_server.job_attributes import NAME_BYTES
from cirrus_bridge.ipp_server.printer_attributes import select
from cirrus_bridge.ipp_server.requests import Refusal, Request, Response


class PrinterOperations:
    """Answers requests about printers. Each method raises Refusal."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def get_printer_attributes(self, request: Request) -> Response:
        """Get-Printer-Attributes, and Get-Printer-Supported-Values."""
        printer = find_printer(self._service, request)
        media_type = request.attributes.text("document-format")
        if media_type and media_type not in (OCTETS, *self._service.formats(printer)):
            raise bad_format(request)
        names = requested(request, ("all",))
        return Response(groups=[(Group.PRINTER, self._printer_attributes(request, printer, names))])

    def get_default(self, request: Request) -> Response:
        """CUPS-Get-Default."""
        printers = self._service.printers
        if not printers:
            raise Refusal(Status.NOT_FOUND, tr("There is no such printer."))
        found = self._printer_attributes(
            request, next(iter(printers.values())), requested(request, ("all",))
        )
        return Response(groups=[(Group.PRINTER, found)])

    def get_printers(self, request: Request) -> Response:
        """CUPS-Get-Printers."""
        names = requested(request, ("all",))
        most = limit(request)
        return Response(
            groups=[
                (Group.PRINTER, self._printer_attributes(request, printer, names))
                for printer in list(self._service.printers.values())[:most]
            ]
        )

    def identify_printer(self, request: Request) -> Response:
        """Identify-Printer."""
        printer = find_printer(self._service, request)
        message = fitting(request.attributes.text("message"), NAME_BYTES)
        self._service.identify(printer, message, request.client)
        return Response()

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
