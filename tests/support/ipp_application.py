"""The application of `cirrus-printers` in the test's process: a real spool, operations and
dispatcher; the test plays the runs. Requests go through ASGI, without a socket."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.drivers.offered_printers import OfferedPrinter
from cirrus_bridge.ipp.values import Value
from cirrus_bridge.ipp_server import http_app
from cirrus_bridge.ipp_server.answering import PrinterStatus
from cirrus_bridge.ipp_server.dispatcher import Dispatcher
from cirrus_bridge.ipp_server.http_app import IppApplication
from cirrus_bridge.ipp_server.operations import Operations
from cirrus_bridge.ipp_server.printer_attributes import description
from cirrus_bridge.ipp_server.requests import Client
from cirrus_bridge.ipp_server.spool import Spool, SpooledJob
from offered_printers import FACTS, offered

MOST_BYTES = 1 << 20
_T = TypeVar("_T")


class StartedRuns:
    """Notes the runs that the dispatcher starts and stops (`dispatcher.Processes`)."""

    def __init__(self) -> None:
        self.running: list[int] = []

    def start(self, job_id: int) -> None:
        """Note a run that has started."""
        self.running.append(job_id)

    def stop(self, job_id: int) -> None:
        """Nothing: the test ends runs."""


class StubService:
    """`operations.Service` for one printer."""

    def __init__(self, folder: Path, most_jobs: int) -> None:
        self.spool, self.runs, self.clock = Spool(folder), StartedRuns(), Clock()
        self.dispatcher = Dispatcher(self.spool, self.runs, self.clock)
        printer = offered({"Title": "HP", "Duplex": True, "Color": True})
        self.printers: Mapping[str, OfferedPrinter] = {printer.name: printer}
        self.most_jobs = most_jobs
        self.config_changed_s = 0.0

    def now_s(self) -> float:
        """Seconds since the epoch."""
        return self.clock.wall_s()

    def description(self, printer: OfferedPrinter, client: Client) -> Mapping[str, Sequence[Value]]:
        """The attributes that do not change."""
        return description(printer, FACTS)

    def formats(self, printer: OfferedPrinter) -> Sequence[str]:
        """The document formats."""
        return FACTS.document_formats

    def status(self, printer: OfferedPrinter) -> PrinterStatus:
        """An idle printer."""
        return PrinterStatus()

    def wake(self) -> None:
        """Nothing: the test calls the dispatcher."""

    def cancel(self, job: SpooledJob) -> bool:
        """Cancel a job as the service does."""
        current = self.spool.get(job.job_id)
        return current is not None and self.dispatcher.cancel(current)

    def identify(self, printer: OfferedPrinter, message: str, client: Client) -> None:
        """Nothing."""


class Errors(logging.Handler):
    """Collects the errors of requests in the log."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record, with its traceback."""
        self.texts.append(logging.Formatter("%(message)s").format(record))


class ApplicationRig:
    """A context manager: the application and its parts."""

    def __init__(self, folder: Path, most_jobs: int = 1000) -> None:
        self.service = StubService(folder, most_jobs)
        self.spool = self.service.spool
        (self.name,) = self.service.printers
        self.client = Client("192.0.2.1", host="h", port=8631)
        self.application = IppApplication(
            operations=Operations(self.service),
            spool=self.spool,
            most_bytes=MOST_BYTES,
            client_of=self._client_of,
            page=self._page,
        )
        self.errors = Errors()

    def __enter__(self) -> ApplicationRig:
        self._runner = asyncio.Runner()
        logging.getLogger(http_app.__name__).addHandler(self.errors)
        return self

    def __exit__(self, *exc_info: object) -> None:
        logging.getLogger(http_app.__name__).removeHandler(self.errors)
        self._runner.close()
        self.spool.close()

    async def _client_of(self, request: HttpRequest) -> Client:
        assert request.client is not None
        return dataclasses.replace(self.client, address=request.client.host)

    async def _page(self, request: HttpRequest, client: Client) -> HttpResponse:
        return HttpResponse(status_code=404)

    def post(self, *parts: bytes, disconnects: bool = False) -> tuple[int, bytes]:
        """The HTTP status of the response to a body, which comes in parts, and the response.

        Args:
            disconnects: whether the client goes away instead of the body's end.
        """
        return self._runner.run(self.exchange(parts, disconnects=disconnects))

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine in the application's event loop."""
        return self._runner.run(work)

    def together(self, *bodies: bytes) -> list[tuple[int, bytes]]:
        """The responses to several requests at the same time."""

        async def post() -> list[tuple[int, bytes]]:
            return await asyncio.gather(*(self.exchange([body]) for body in bodies))

        return self._runner.run(post())

    async def exchange(
        self, parts: Sequence[bytes], *, disconnects: bool = False, address: str = "192.0.2.1"
    ) -> tuple[int, bytes]:
        """The response to a request of a client with an address."""
        messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": part, "more_body": True} for part in parts
        ]
        messages.append(
            {"type": "http.disconnect"}
            if disconnects
            else {"type": "http.request", "body": b"", "more_body": False}
        )
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": "POST", "path": "/", "query_string": b"", "scheme": "http",
            "headers": [(b"content-type", b"application/ipp"), (b"host", b"h")],
            "client": (address, 1), "server": ("h", 8631),
        }  # fmt: skip
        await self.application(scope, receive, send)
        return sent[0]["status"], b"".join(each.get("body", b"") for each in sent[1:])
