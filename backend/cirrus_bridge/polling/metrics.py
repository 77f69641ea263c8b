"""Metrics for Prometheus, of the poller's work and of the journal.

Labels are queues, servers, states and codes, which administrators and this program choose. Users,
titles, jobs and keys never appear. The journal is read for a scrape, at most every FRESH_S, and
less often if the journal is large.

Prometheus's own library serves the metrics on loopback, where every user of this machine can read
them. At most MOST_AT_ONCE readers are connected. A new reader disconnects the reader that has been
idle for the longest time, so idle readers never keep Prometheus out.
"""

from __future__ import annotations

import contextlib
import functools
import io
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    make_wsgi_app,
)
from prometheus_client.exposition import ThreadingWSGIServer

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import BadConfiguration, CirrusError
from cirrus_bridge.base.model import DeliveryState, JobStatus, Receipt
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.queue_uri import QueueUri
from cirrus_bridge.journal.statistics import UNFOLLOWED, RecentEvent, StatisticsReader
from cirrus_bridge.polling.poller import StatusOf

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

LOOPBACK = "127.0.0.1"
MOST_AT_ONCE = 8
LIMIT_S = 5.0
WAIT_S = 0.1  # between looks for an idle reader
_CONNECTION = "cirrus.connection"
FRESH_S = 5.0
READING_SHARE = 20.0  # reading a large journal takes at most this part (1/20) of the time
BUCKETS = (1, 2, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 86_400, 7 * 86_400)
STATES = (*(state.name.lower() for state in DeliveryState), UNFOLLOWED)
WAITING = DeliveryState.SUBMITTED.name.lower()
FINAL = tuple(state.name.lower() for state in DeliveryState if state.is_final)
REACHED = tuple(state.name.lower() for state in DeliveryState if state.reached_recipient)


class Metrics:
    """All metrics of one poller."""

    def __init__(self, reader: StatisticsReader, clock: Clock) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._reader = reader
        self._clock = clock
        self._lock = threading.Lock()
        self._stale_s = 0.0
        self._queues: set[str] = set()
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        counter = functools.partial(Counter, registry=self.registry)
        gauge = functools.partial(Gauge, registry=self.registry)
        self.requests = counter("cirrus_status_requests", "Queries of job states", ["server"])
        self.errors = counter(
            "cirrus_status_errors",
            "Queries of job states that failed, by error code",
            ["server", "code"],
        )
        self._jobs = gauge(
            "cirrus_jobs",
            "Cloud jobs in the journal, one for each document and target",
            ["queue", "state"],
        )
        self._longest = gauge(
            "cirrus_longest_wait_seconds",
            "Age of the oldest job that its location has not fetched yet",
            ["queue"],
        )
        self._open = gauge("cirrus_open_documents", "Documents without a final state")
        self._held = gauge("cirrus_held_documents", "Open documents whose jobs CUPS holds")
        self.last_sign = gauge(
            "cirrus_last_round_timestamp_seconds",
            "Time of the poller's last sign of life; the poller gives one every ten seconds",
        )
        self._bytes = counter("cirrus_accepted_bytes", "Size of accepted documents", ["queue"])
        self._pages = counter(
            "cirrus_delivered_pages",
            "Pages of delivered documents, by CUPS's count, with copies, for each target",
            ["queue"],
        )
        self._ended = counter(
            "cirrus_ended", "Cloud jobs that reached a final state", ["queue", "state"]
        )
        self._seconds = Histogram(
            "cirrus_delivery_seconds",
            "Time between two steps of a delivery",
            ["server", "step"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._read()  # earlier events do not count for this poller

    def counted(self, status_of: StatusOf) -> StatusOf:
        """Wrap the function that queries job states for each queue, to count queries and errors."""

        def counted_status_of(queue: QueueUri) -> Callable[[Receipt], JobStatus]:
            def counted(receipt: Receipt) -> JobStatus:
                self.requests.labels(queue.server).inc()
                with self._counting_errors(queue.server):
                    return job_status(receipt)

            with self._counting_errors(queue.server):
                job_status = status_of(queue)
            return counted

        return counted_status_of

    def refresh(self) -> None:
        """Bring `registry` up to date.

        Raises:
            JournalError: the journal cannot be read.
        """
        with self._lock:
            if self._clock.monotonic_s() >= self._stale_s:
                self._read()

    def _read(self) -> None:
        now_s, began_s = self._clock.wall_s(), self._clock.monotonic_s()
        figures = self._reader.look(now_s)
        read_s = self._clock.monotonic_s()
        self._stale_s = read_s + max(FRESH_S, READING_SHARE * (read_s - began_s))
        self._queues |= {queue for queue, _ in figures.jobs}  # one without documents falls to 0
        for queue in self._queues:
            self._pages.labels(queue)  # so that the first page is an increase from 0
            for state in FINAL:
                self._ended.labels(queue, state)  # so that the first end is an increase from 0
            for state in STATES:
                self._jobs.labels(queue, state).set(figures.jobs.get((queue, state), 0))
            oldest_at_s = figures.oldest_at_s.get((queue, WAITING), now_s)
            self._longest.labels(queue).set(max(0.0, now_s - oldest_at_s))
        self._open.set(figures.open_documents)
        self._held.set(figures.held_documents)
        for event in figures.events:
            self._count(event)

    def _count(self, event: RecentEvent) -> None:
        def took(step: str, since_s: float) -> None:
            self._seconds.labels(event.server, step).observe(max(0.0, event.at_s - since_s))

        if event.what == "accepted":
            self._bytes.labels(event.queue).inc(event.size_bytes)
        elif event.what == "received":
            took("accepted-received", event.accepted_at_s)
        else:
            self._ended.labels(event.queue, event.state).inc()
            if event.state in REACHED:
                self._pages.labels(event.queue).inc(event.pages)
                took("received-delivered", event.received_at_s)
                took("accepted-delivered", event.accepted_at_s)

    @contextlib.contextmanager
    def _counting_errors(self, server: str) -> Iterator[None]:
        try:
            yield
        except CirrusError as error:
            self.errors.labels(server, error.code).inc()
            raise


def serve_metrics(port: int, metrics: Metrics, *, limit_s: float = LIMIT_S) -> int:
    """Serve the metrics on a TCP port (0: any free port), which is returned. A reader may be idle
    for `limit_s`. The server's threads end with the program.

    Raises:
        BadConfiguration: the port cannot be used.
    """
    serve: WSGIApplication = make_wsgi_app(metrics.registry)

    def serve_fresh(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with server.serving(environ[_CONNECTION]):
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
            tr("Set metrics_port in bridge.toml to another port, or to 0 to turn off the metrics."),
        ) from error
    server.limit_s = limit_s
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


class _Server(ThreadingWSGIServer):
    """Limits the number of readers, as any user of this machine could use up the poller's files."""

    request_queue_size = 128  # readers that the kernel holds until there is a place for them
    limit_s = LIMIT_S

    def __init__(self, *address_and_handler: Any) -> None:
        self._free = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._lock = threading.Lock()
        self._idle: dict[socket.socket, None] = {}  # the server waits for them; the oldest first
        super().__init__(*address_and_handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        wait_s = 0.0
        while not self._free.acquire(timeout=wait_s):
            self._disconnect_oldest()
            wait_s = WAIT_S
        with self._lock:
            self._idle[request] = None
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._idle.pop(request, None)
            self._free.release()

    @contextlib.contextmanager
    def serving(self, request: socket.socket) -> Iterator[None]:
        """Inside the context, the reader is not idle: it waits for the server."""
        with self._lock:
            self._idle.pop(request, None)
        try:
            yield
        finally:
            with self._lock:
                self._idle[request] = None

    def _disconnect_oldest(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            for oldest in self._idle:
                oldest.shutdown(socket.SHUT_RDWR)  # its thread ends
                break

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Do not log readers that disconnect."""


class _Writer(io.RawIOBase):
    """Writes an answer. wsgiref would log a traceback for a reader that stops reading."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def write(self, data: Any) -> int:
        """Send all data, or raise ConnectionAbortedError."""
        try:
            self._connection.sendall(data)
        except TimeoutError as error:
            raise ConnectionAbortedError from error
        return len(data)


class _Handler(WSGIRequestHandler):
    def setup(self) -> None:
        """Prepare for one request."""
        self.timeout = self.server.limit_s  # type: ignore[attr-defined, misc] # a `_Server`
        super().setup()
        self.wfile = _Writer(self.connection)  # type: ignore[assignment] # as in socketserver

    def get_environ(self) -> WSGIEnvironment:
        """The request for WSGI, with its connection."""
        return super().get_environ() | {_CONNECTION: self.connection}

    def log_message(self, *_: object) -> None:
        """Do not log requests."""
