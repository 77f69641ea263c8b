"""Metrics for Prometheus, of the poller's work and of the journal.

Labels are queues, servers, states and codes, which administrators and this program choose. Users,
titles, jobs and keys never appear. The journal is read for a scrape, at most every FRESH_S.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import CirrusError
from cirrus_bridge.base.model import DeliveryState, JobStatus, Receipt
from cirrus_bridge.config.queue_uri import QueueUri
from cirrus_bridge.journal.statistics import (
    UNFOLLOWED,
    JournalStatistics,
    RecentEvent,
    StatisticsReader,
)
from cirrus_bridge.statusd.queries import StatusApi

FRESH_S = 5.0
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
BUCKETS = (1, 2, 5, 10, 30, _MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR, 4 * _HOUR, _DAY, 7 * _DAY)
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
        self.registry = r = CollectorRegistry()
        ProcessCollector(registry=r)
        self.requests = Counter(
            "cirrus_status_requests", "Queries of job states", ["server"], registry=r
        )
        self.errors = Counter(
            "cirrus_status_errors",
            "Queries of job states that failed, by error code",
            ["server", "code"],
            registry=r,
        )
        self._jobs = Gauge(
            "cirrus_jobs",
            "Cloud jobs in the journal, one for each document and target",
            ["queue", "state"],
            registry=r,
        )
        self._longest = Gauge(
            "cirrus_longest_wait_seconds",
            "Age of the oldest job that its location has not fetched yet",
            ["queue"],
            registry=r,
        )
        self._open = Gauge("cirrus_open_documents", "Documents without a final state", registry=r)
        self._held = Gauge(
            "cirrus_held_documents", "Open documents whose jobs CUPS holds", registry=r
        )
        self._round = Gauge(
            "cirrus_last_round_timestamp_seconds",
            "Time of the poller's last sign of life; the poller gives one every ten seconds",
            registry=r,
        )
        self._bytes = Counter(
            "cirrus_accepted_bytes",
            "Size of accepted documents",
            ["queue"],
            registry=r,
        )
        self._ended = Counter(
            "cirrus_ended", "Cloud jobs that reached a final state", ["queue", "state"], registry=r
        )
        self._seconds = Histogram(
            "cirrus_delivery_seconds",
            "Time between two steps of a delivery",
            ["server", "step"],
            buckets=BUCKETS,
            registry=r,
        )
        self._read()  # earlier events do not count for this poller

    def counted(self, api_of: Callable[[QueueUri], StatusApi]) -> Callable[[QueueUri], StatusApi]:
        """Wrap the API of each queue to count its queries and errors."""

        def counted_api_of(queue: QueueUri) -> StatusApi:
            try:
                return _CountedApi(api_of(queue), queue.server, self)
            except CirrusError as error:
                self.errors.labels(queue.server, error.code).inc()
                raise

        return counted_api_of

    def at_work(self, now_s: float) -> None:
        """Note a sign of life of the poller (seconds since the epoch)."""
        self._round.set(now_s)

    def refresh(self) -> None:
        """Bring `registry` up to date.

        Raises:
            JournalError: the journal cannot be read.
        """
        with self._lock:
            if self._clock.monotonic_s() >= self._stale_s:
                self._read()

    def _read(self) -> None:
        now_s = self._clock.wall_s()
        figures = self._reader.look(now_s)
        self._stale_s = self._clock.monotonic_s() + FRESH_S
        self._show(figures, now_s)
        for event in figures.events:
            self._count(event)

    def _show(self, figures: JournalStatistics, now_s: float) -> None:
        queues = {queue for queue, _ in figures.jobs}
        for queue in queues - self._queues:
            for state in FINAL:
                self._ended.labels(queue, state)  # so that the first end is an increase from 0
        self._queues |= queues  # a queue without documents falls to 0
        for queue in self._queues:
            for state in STATES:
                self._jobs.labels(queue, state).set(figures.jobs.get((queue, state), 0))
            oldest_at_s = figures.oldest_at_s.get((queue, WAITING), now_s)
            self._longest.labels(queue).set(max(0.0, now_s - oldest_at_s))
        self._open.set(figures.open_documents)
        self._held.set(figures.held_documents)

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
                took("received-delivered", event.received_at_s)
                took("accepted-delivered", event.accepted_at_s)


@dataclass(frozen=True, slots=True)
class _CountedApi:
    api: StatusApi
    server: str
    metrics: Metrics

    def job_status(self, receipt: Receipt) -> JobStatus:
        self.metrics.requests.labels(self.server).inc()
        try:
            return self.api.job_status(receipt)
        except CirrusError as error:
            self.metrics.errors.labels(self.server, error.code).inc()
            raise
