"""A page for each printer, for people (printer-more-info), with its icons and its texts.

The pages need no JavaScript. Names come from people and from the cloud, and are escaped.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping

import segno
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from cirrus_bridge.drivers.offered_printers import PATH, OfferedPrinter
from cirrus_bridge.ipp_server.page_language import preferred
from cirrus_bridge.ipp_server.page_rendering import HEADERS, STATIC, STYLE, rendered
from cirrus_bridge.ipp_server.page_views import job_view, media_view, printer_view
from cirrus_bridge.ipp_server.printer_strings import FILE, MEDIA_TYPE, printer_strings
from cirrus_bridge.ipp_server.requests import Client
from cirrus_bridge.ipp_server.service import ICON_PIXELS, PrinterService

MOST_ENDED_JOBS = 10
_ICONS = {f"icon-{n}.png": STATIC.joinpath(f"icon-{n}.png").read_bytes() for n in ICON_PIXELS}
_STATIC = {
    "/page.css": (STYLE, "text/css"),
    "/icon.svg": (STATIC.joinpath("icon.svg").read_bytes(), "image/svg+xml"),
}


class Pages:
    """The pages of the printers of a service."""

    def __init__(self, service: PrinterService) -> None:
        self._service = service

    async def respond(self, request: HttpRequest, client: Client) -> Response:
        """Respond to a request that is not a POST request."""
        if request.method not in ("GET", "HEAD"):
            response = Response(status_code=405, headers={"Allow": "GET, HEAD, POST"})
        else:
            language = preferred(request.headers.get("accept-language", ""))
            response = await asyncio.to_thread(self._page, request.url.path, client, language)
        response.headers.update(HEADERS)
        return response

    def _page(self, path: str, client: Client, language: str) -> Response:
        if path in _STATIC:
            return Response(*_static(path))
        if path == "/":
            return self._list(language)
        name, _, part = path.removeprefix(PATH).partition("/")
        printer = self._service.printers.get(name) if path.startswith(PATH) else None
        if printer is None:
            return rendered("missing", language, 404)
        if not part:
            return self._printer(printer, client, language)
        if part in _ICONS:
            return Response(_ICONS[part], media_type="image/png")
        if part == "qr.svg":
            return Response(_qr(_page_uri(printer, client)), media_type="image/svg+xml")
        if part == FILE:
            return Response(printer_strings(printer).encode(), media_type=MEDIA_TYPE)
        return rendered("missing", language, 404)

    def _list(self, language: str) -> Response:
        service = self._service
        printers = sorted(service.printers.values(), key=lambda each: each.info.casefold())
        views = [printer_view(each, service.status(each), language) for each in printers]
        return rendered("printers", language, printers=views)

    def _printer(self, printer: OfferedPrinter, client: Client, language: str) -> Response:
        service, spool = self._service, self._service.spool
        jobs = [*spool.open_jobs(printer.name), *spool.ended_jobs(printer.name, MOST_ENDED_JOBS)]
        uris = service.description(printer, client)["printer-uri-supported"]
        return rendered(
            "printer",
            language,
            printer=printer_view(printer, service.status(printer), language),
            uris=list(map(str, uris)),
            is_found=service.settings.announce and not service.settings.is_local,
            has_code=not service.settings.is_local,
            jobs=[job_view(job, client.user, language) for job in jobs],
            **media_view(printer),
        )


def _static(path: str) -> tuple[bytes, int, Mapping[str, str]]:
    content, media_type = _STATIC[path]
    return content, 200, {"Content-Type": media_type}


def _page_uri(printer: OfferedPrinter, client: Client) -> str:
    """The address of a printer's page, as the client reached it."""
    return f"{client.base_uri.replace('ipp', 'http', 1)}{printer.path}"


def _qr(text: str) -> bytes:
    """A QR code as an SVG image."""
    made = io.BytesIO()
    segno.make(text, micro=False).save(made, kind="svg", border=2, scale=4, light="#fff")
    return made.getvalue()
