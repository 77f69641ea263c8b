"""An HTTP server for the metrics, on loopback, with Prometheus's own library.

Every user of this machine can read the metrics. Slow or many readers do not slow down the poller.
At most MOST_AT_ONCE readers are served, and an idle reader is disconnected after LIMIT_S.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from cirrus_bridge.base.errors import BadConfiguration, CirrusError
from cirrus_bridge.base.translation import tr
from cirrus_bridge.statusd.notify.metrics import Metrics

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

LOOPBACK = "127.0.0.1"
MOST_AT_ONCE = 8
LIMIT_S = 5.0


def serve_metrics(port: int, metrics: Metrics) -> int:
    """Serve the metrics, in threads that end with the program.

    Args:
        port: a TCP port, or 0 for any free port.

    Returns:
        The port.

    Raises:
        BadConfiguration: the port cannot be used.
    """
    serve: WSGIApplication = make_wsgi_app(metrics.registry)

    def serve_fresh(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            metrics.refresh()
        except CirrusError as error:
            start_response("503 Service Unavailable", [("Content-Type", "text/plain")])
            return [str(error).encode()]
        return serve(environ, start_response)

    try:
        server = make_server(LOOPBACK, port, serve_fresh, _Server, _Handler)
    except OSError as error:
        raise BadConfiguration(
            tr(
                "Cannot serve the metrics at {host}:{port} ({error}).",
                host=LOOPBACK,
                port=port,
                error=error.strerror,
            ),
            tr(
                "Set metrics_port below [statusd] in bridge.toml to another port, or to 0 to turn "
                "off the metrics."
            ),
        ) from error
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


class _Server(ThreadingWSGIServer):
    """Limits the number of readers, as any user of this machine could use up the poller's files."""

    def __init__(self, *address_and_handler: Any) -> None:
        self._free = threading.BoundedSemaphore(MOST_AT_ONCE)
        super().__init__(*address_and_handler)

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
        """Do not log readers that disconnect."""


class _Handler(WSGIRequestHandler):
    timeout = LIMIT_S

    def log_message(self, *_: object) -> None:
        """Do not log requests."""
