"""HTTP on one connection: uvicorn's protocol with llhttp, strict and with limits.

llhttp, which parses for Node.js too, accepts less than RFC 9112 allows, but has no limits of its
own. So the limits here are on everything that costs memory or time and is not a body.
"""

from __future__ import annotations

import enum
from typing import Any
from urllib.parse import unquote

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 256 * 1024  # the query of putfile has props and targets
_FREE_CHUNKS, _BYTES_A_CHUNK = 1000, 512
_PIPELINED = 16  # requests that wait for the answers to earlier ones
_VERSIONS = ("1.0", "1.1")


class Step(enum.Enum):
    """What a connection waits for: one of the client's steps, or the server."""

    HANDSHAKE = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()
    REST = enum.auto()  # of a body that the server no longer needs
    RESPONSE = enum.auto()  # the client has to read it
    SERVER = enum.auto()


class _NotAllowed(Exception):
    """The request is refused; llhttp reports it as an error of its own."""


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, which tells what it waits for, and survives clients that break it."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._is_in_body = False
        self._received = 0  # bytes since the message began
        self._head_bytes = self._body_bytes = self._chunks = 0  # of the message

    @property
    def step(self) -> Step:
        if self.transport.get_write_buffer_size():
            return Step.RESPONSE
        is_idle = self.cycle is None or self.cycle.response_complete
        if not self._is_in_body:
            return Step.HEAD if is_idle else Step.SERVER
        if self.flow.read_paused:
            return Step.SERVER
        return Step.REST if is_idle else Step.BODY

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        super().data_received(data)
        # the head, chunk extensions and trailers: llhttp takes any number of bytes
        if self._received > HEAD_BYTES + 2 * self._body_bytes and not self.transport.is_closing():
            self.send_400_response("The request is too large.")

    def on_message_begin(self) -> None:
        # all requests in the data are parsed at once, before other connections are served
        if len(self.pipeline) >= _PIPELINED:
            raise _NotAllowed("too many requests at once")
        super().on_message_begin()
        self._received = self._head_bytes = self._body_bytes = self._chunks = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_in_body:
            return  # a trailer, which is never merged into the head (RFC 9110, section 6.5.1)
        self._head_bytes += len(name) + len(value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin the request; unlike uvicorn's method, keep the target as the client sent it."""
        version = self.parser.get_http_version()
        hosts = sum(name == b"host" for name, _ in self.headers)
        codings = [value for name, value in self.headers if name == b"transfer-encoding"]
        if version not in _VERSIONS or hosts > 1 or (version == "1.1" and not hosts):
            raise _NotAllowed("an unknown version, or not one host (RFC 9112, section 3.2)")
        if [coding.lower() for coding in codings] not in ([], [b"chunked"]):
            raise _NotAllowed("an unknown transfer coding (RFC 9112, section 6.1)")
        if self._head_bytes + len(self.url) > HEAD_BYTES:
            raise _NotAllowed("the head is too large")
        target, _, query = self.url.partition(b"?")
        path = unquote(target.decode("ascii"))
        self.url = b"/"  # uvicorn would refuse `*`, and drop the host of an absolute target
        super().on_headers_complete()
        # the request runs after this method
        self.scope["path"], self.scope["raw_path"] = path, target
        self.scope["query_string"] = query
        self._is_in_body = True

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_chunk_complete(self) -> None:
        """Refuse a body in tiny chunks.

        All chunks in the data are parsed before another connection is served, and each one costs
        as much as hundreds of bytes. So tiny ones of a few clients would stop the server.
        """
        self._chunks += 1
        if self._chunks > _FREE_CHUNKS + self._body_bytes // _BYTES_A_CHUNK:
            raise _NotAllowed("the chunks are too small")

    def on_message_complete(self) -> None:
        self._is_in_body = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that is not HTTP, unless its response has begun."""
        is_running = self.cycle is not None and not self.cycle.response_complete
        if is_running and not self._is_in_body:
            self.cycle.keep_alive = False  # the fault is behind complete requests: answer those
            return
        if is_running:
            self.cycle.disconnected = True  # no second response
            self.cycle.message_event.set()
        if not is_running or not self.cycle.response_started:
            super().send_400_response(msg)
        self.transport.close()

    def shutdown(self) -> None:
        """End this connection when the server stops."""
        if not self.transport.is_closing():
            super().shutdown()
