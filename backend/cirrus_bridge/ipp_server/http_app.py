"""IPP over HTTP (RFC 8010, 4): an ASGI application. Documents stream into the spool."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse
from starlette.types import Receive, Scope, Send

from cirrus_bridge.base.translation import tr
from cirrus_bridge.ipp.message import Operation, Status, attributes_end
from cirrus_bridge.ipp_server.answering import OCTETS
from cirrus_bridge.ipp_server.compression import decompressed
from cirrus_bridge.ipp_server.documents.formats import detect
from cirrus_bridge.ipp_server.job_creation import Admission
from cirrus_bridge.ipp_server.operations import Operations
from cirrus_bridge.ipp_server.rare_lines import RareLines
from cirrus_bridge.ipp_server.requests import (
    Client,
    Refusal,
    Response,
    read_request,
    refused,
    response_bytes,
)
from cirrus_bridge.ipp_server.spool import SPOOL_FAULTS, IncomingDocument, Spool
from cirrus_bridge.ipp_server.turns import Turns

MEDIA_TYPE = "application/ipp"
ATTRIBUTES_BYTES = 80 * 1024  # of a request; a job with every option takes about 4 KiB
_GROWTH = 1.25  # before the end of the attributes is looked for again
_WRITE_BYTES = 1 << 20
_HEAD_BYTES = 4096  # show the format of a document
_WITH_DOCUMENT = (Operation.PRINT_JOB, Operation.SEND_DOCUMENT)
_log = logging.getLogger(__name__)


class Page(Protocol):
    """Answers GET requests."""

    def __call__(self, request: HttpRequest, client: Client) -> Awaitable[HttpResponse]: ...


@dataclass(frozen=True, slots=True)
class IppApplication:
    """The application, for the operations on a spool.

    Attributes:
        most_bytes: the largest document, after decompression.
        client_of: identifies the client of an HTTP request, or returns the response that turns the
            client away.
    """

    operations: Operations
    spool: Spool
    most_bytes: int
    client_of: Callable[[HttpRequest], Awaitable[Client | HttpResponse]]
    page: Page
    _turns: Turns = field(default_factory=Turns)
    _rare: RareLines = field(default_factory=lambda: RareLines(_log))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request (ASGI)."""
        response = await self.respond(HttpRequest(scope, receive))
        await response(scope, receive, send)

    async def respond(self, request: HttpRequest) -> HttpResponse:
        """Respond to an HTTP request."""
        client = await self.client_of(request)
        if isinstance(client, HttpResponse):
            return client
        if request.method != "POST":
            return await self.page(request, client)
        if request.headers.get("content-type", "").partition(";")[0].strip() != MEDIA_TYPE:
            return HttpResponse(status_code=415)
        body = _Body(request.stream())
        head = b""
        try:
            head = await body.attributes()
            response = await self._answer(head, body, client)
        except Refusal as error:
            head = head or body.beginning
            response = refused(error)
        except ClientDisconnect:
            return HttpResponse(status_code=400)  # nobody reads this
        except SPOOL_FAULTS as error:
            self._rare.log(logging.ERROR, "spool", f"the spool cannot be used: {error}")
            response = refused(_spool_fault())
        except Exception:  # noqa: BLE001 - the client gets a response, the log the error
            _log.exception("a request failed")
            text = tr("Internal error in Cirrus Bridge.")
            response = Response(Status.INTERNAL_ERROR, text)
        content = await self._turns.run(client.address, response_bytes, head, response)
        return HttpResponse(content, media_type=MEDIA_TYPE)

    async def _answer(self, head: bytes, body: _Body, client: Client) -> Response:
        begun = await self._turns.run(client.address, self._begin, head, client)
        return begun if isinstance(begun, Response) else await self._receive(begun, body)

    def _begin(self, head: bytes, client: Client) -> Response | Admission:
        """Answer a request, or admit its document."""
        request = read_request(head, client)
        if request.operation in _WITH_DOCUMENT:
            return self.operations.creation.admit(request)
        return self.operations.answer(request)

    async def _receive(self, admission: Admission, body: _Body) -> Response:
        """Receive a document; nothing is left of a document that is not complete or not taken."""
        address = admission.request.client.address
        document = await asyncio.to_thread(self.spool.receive, admission.job.job_id, address)
        try:
            data = decompressed(body.rest(), admission.compression)
            media_type = await self._store(data, document, admission)
        except BaseException:
            await asyncio.to_thread(document.close)
            raise
        return await asyncio.to_thread(self._finish, admission, document, media_type)

    def _finish(
        self, admission: Admission, document: IncomingDocument, media_type: str
    ) -> Response:
        """Take a complete document. The thread does all of it, also if the service stops and nobody
        waits for the thread: a document that was taken must not be deleted."""
        with contextlib.closing(document):
            return self.operations.creation.finish(admission, document, media_type)

    async def _store(
        self, data: AsyncIterator[bytes], document: IncomingDocument, admission: Admission
    ) -> str:
        """Write the data to the document; return its media type."""
        waiting, first = bytearray(), b""
        async for part in data:
            if len(first) < _HEAD_BYTES:
                first += part[: _HEAD_BYTES - len(first)]
            waiting += part
            if document.size_bytes + len(waiting) > self.most_bytes:
                raise Refusal(
                    Status.REQUEST_ENTITY_TOO_LARGE,
                    tr("The document is too large for this printer."),
                )
            if len(waiting) >= _WRITE_BYTES:
                await asyncio.to_thread(self._write, document, bytes(waiting))
                waiting.clear()
        await asyncio.to_thread(self._write, document, bytes(waiting))
        if admission.media_type != OCTETS or not document.size_bytes:
            return admission.media_type
        return self.operations.creation.check_detected(admission.request, detect(first))

    def _write(self, document: IncomingDocument, data: bytes) -> None:
        """Raises Refusal if the client's documents would take too much of the disk."""
        if not self.spool.has_room(document, len(data)):
            raise _spool_fault()
        document.write(data)


class _Body:
    """The body of a request: the attributes, then the document."""

    def __init__(self, parts: AsyncIterator[bytes]) -> None:
        self._parts = parts
        self._first = self.beginning = b""  # `beginning` is of attributes that never end

    async def attributes(self) -> bytes:
        """The encoded attributes. Raises Refusal if they never end."""
        data, look_at = bytearray(), 1.0
        async for part in self._parts:
            data += part
            if len(data) < look_at:
                continue
            look_at = len(data) * _GROWTH
            end = attributes_end(bytes(data[:ATTRIBUTES_BYTES]))
            if end is not None:
                self._first = bytes(data[end:])
                return bytes(data[:end])
            if len(data) >= ATTRIBUTES_BYTES:
                self.beginning = bytes(data[:8])
                raise Refusal(
                    Status.REQUEST_ENTITY_TOO_LARGE, tr("The request has too many attributes.")
                )
        end = attributes_end(bytes(data))
        self._first = b"" if end is None else bytes(data[end:])
        return bytes(data if end is None else data[:end])

    async def rest(self) -> AsyncIterator[bytes]:
        """The parts of the document."""
        if self._first:
            yield self._first
        async for part in self._parts:
            if part:
                yield part


def _spool_fault() -> Refusal:
    return Refusal(
        Status.TEMPORARY_ERROR,
        tr("The print server cannot store the document now. Tell your administrator."),
    )
