"""The address at which Prometheus fetches the metrics: GET /metrics on loopback, nothing else.

Every user of this machine can read it. Slow or many readers cost the poller nothing: MOST_AT_ONCE
are served, each question has a limited time.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from cirrus_bridge.base.errors import BadConfiguration, CirrusError
from cirrus_bridge.base.translation import tr

LOOPBACK = "127.0.0.1"
MOST_AT_ONCE = 8
LIMIT_S = 5.0


def serve_metrics(port: int, scrape: Callable[[], bytes]) -> int:
    """Serve, in threads that end with the program; the port.

    Raises:
        BadConfiguration: the port can not be had.
    """
    try:
        server = _Server(port, scrape)
    except OSError as error:
        raise BadConfiguration(
            tr(
                "The metrics can not be served at {host}:{port} ({error}).",
                host=LOOPBACK,
                port=port,
                error=error.strerror,
            ),
            tr("Give metrics_port below [statusd] in bridge.toml another number, or 0 for none."),
        ) from error
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return int(server.server_address[1])


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, scrape: Callable[[], bytes]) -> None:
        self.scrape = scrape
        self._free = threading.BoundedSemaphore(MOST_AT_ONCE)
        super().__init__((LOOPBACK, port), _Handler)

    def server_bind(self) -> None:
        """Without asking DNS for the host's name, as HTTPServer does."""
        socketserver.TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that goes away is no matter for the log."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "cirrus-statusd"
    sys_version = ""
    timeout = LIMIT_S

    def setup(self) -> None:
        super().setup()
        # a reader that sends a byte now and then is not waited for either
        self._end = threading.Timer(2 * LIMIT_S, self._shut)
        self._end.daemon = True
        self._end.start()

    def finish(self) -> None:
        self._end.cancel()
        super().finish()

    def do_GET(self) -> None:
        """The one thing there is."""
        if urlsplit(self.path).path != "/metrics":
            self.send_error(404, explain="The metrics are at /metrics.")
            return
        try:
            text = self.server.scrape()
        except CirrusError as error:
            self.send_error(503, explain=str(error))
            return
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE_PLAIN_0_0_4)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Questions are not logged."""

    def _shut(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
