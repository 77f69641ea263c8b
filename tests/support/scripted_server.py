"""A real HTTP server on a loopback socket that answers, or misbehaves, by script.

`ScriptedServer(script)` calls `script(request)` for each request, and does what the script returns.
Requests are kept for the test.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

INTERIM_PAUSE_S = 0.1  # keeps the next part of the answer apart from an interim answer


@dataclass(frozen=True)
class Request:
    """A request: `path` is still percent-encoded, `fields` are those of query and form.

    `client_port` is the port of its connection.
    """

    method: str
    path: str
    fields: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    client_port: int


@dataclass(frozen=True)
class Answer:
    """A complete answer; `interim` statuses come first, and a pause follows them."""

    text: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "text/plain; charset=utf-8"
    interim: tuple[int, ...] = ()


@dataclass(frozen=True)
class Reset:
    """A reset (RST) of the connection instead of an answer."""


@dataclass(frozen=True)
class Stall:
    """Silence until the server stops."""


@dataclass(frozen=True)
class RawBytes:
    """Bytes instead of an answer, and the end of the connection."""

    data: bytes


@dataclass(frozen=True)
class Drip:
    """Bytes, one at a time with a pause after each, and the end of the connection."""

    data: bytes
    pause_s: float


Script = Callable[[Request], Answer | Reset | Stall | RawBytes | Drip]


class ScriptedServer:
    """A context manager; `.name` is HOST:PORT, and `.requests` are the received requests.

    `tls` is the server's side of TLS, if any.
    """

    def __init__(
        self, script: Script, *, threads: bool = True, tls: ssl.SSLContext | None = None
    ) -> None:
        self.requests: list[Request] = []
        self._stopping = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60  # an idle connection ends, as with other servers

            def _serve(self) -> None:
                request = _request(self)
                owner.requests.append(request)
                _perform(self, script(request), owner._stopping)

            # names that http.server looks for
            do_GET = do_POST = do_PUT = do_CONNECT = _serve  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
                pass

        kind = ThreadingHTTPServer if threads else HTTPServer
        self._http = kind(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        self._http.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.name = f"127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> ScriptedServer:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stopping.set()
        self._http.shutdown()
        self._http.server_close()


def _perform(
    handler: BaseHTTPRequestHandler,
    outcome: Answer | Reset | Stall | RawBytes | Drip,
    stopping: threading.Event,
) -> None:
    if isinstance(outcome, Answer):
        _answer(handler, outcome, stopping)
        return
    handler.close_connection = True
    if isinstance(outcome, Stall):
        stopping.wait(30)
    elif isinstance(outcome, RawBytes):
        handler.wfile.write(outcome.data)
    elif isinstance(outcome, Drip):
        for byte in outcome.data:
            handler.wfile.write(bytes([byte]))
            stopping.wait(outcome.pause_s)
    else:
        linger = struct.pack("ii", 1, 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        handler.connection.close()


def _answer(handler: BaseHTTPRequestHandler, answer: Answer, stopping: threading.Event) -> None:
    data = answer.text.encode()
    for status in answer.interim:
        handler.wfile.write(f"HTTP/1.1 {status} Wait\r\nLink: </x>\r\n\r\n".encode())
        stopping.wait(INTERIM_PAUSE_S)
    handler.send_response(answer.status)
    handler.send_header("Content-Type", answer.content_type)
    handler.send_header("Content-Length", str(len(data)))
    for name, value in answer.headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(data)


def _request(handler: BaseHTTPRequestHandler) -> Request:
    body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
    url = urlsplit(handler.path)
    fields = dict(parse_qsl(url.query, keep_blank_values=True))
    if "urlencoded" in handler.headers.get("Content-Type", ""):
        fields |= dict(parse_qsl(body.decode(), keep_blank_values=True))
    port = handler.client_address[1]
    return Request(handler.command, url.path, fields, dict(handler.headers), body, port)
