"""A page for each printer, for people (printer-more-info)."""

from __future__ import annotations

from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response

from cirrus_bridge.drivers.offered_printers import PATH
from cirrus_bridge.ipp_server.requests import Client
from cirrus_bridge.ipp_server.service import PrinterService


class Pages:
    """The pages of the printers of a service."""

    def __init__(self, service: PrinterService) -> None:
        self._service = service

    async def respond(self, request: HttpRequest, client: Client) -> Response:
        """Respond to a GET request."""
        path = request.url.path
        printer = self._service.printers.get(path.removeprefix(PATH))
        if printer is None:
            names = "".join(
                f"{each.info}: {each.path}\n" for each in self._service.printers.values()
            )
            return PlainTextResponse(names or "No printers.\n", 200 if path == "/" else 404)
        return PlainTextResponse(f"{printer.info}\n{printer.make_and_model}\n")
