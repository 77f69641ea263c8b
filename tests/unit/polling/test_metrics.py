"""Metrics: each event counts once, and only local readers can fetch the metrics."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import promql_parser
import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import BadConfiguration, CirrusError, ServerFault, UnknownServer
from cirrus_bridge.base.model import (
    DeliveryState,
    DocumentKey,
    JobStatus,
    PrintJob,
    Receipt,
    Target,
)
from cirrus_bridge.config.queue_uri import QueueUri, parse_queue_uri
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.journal.statistics import OVERLAP_S, StatisticsReader
from cirrus_bridge.journal.submissions import Journal
from cirrus_bridge.polling.metrics import FRESH_S, MOST_AT_ONCE, Metrics, serve_metrics
from paths import REPO

ALERTS = REPO / "installer" / "examples" / "cirrus-alerts.yml"
TARGETS = (Target("Paris", "A"), Target("Lyon", "B"))
QUEUE = parse_queue_uri("cirrus://cloud.example:8443/Acme/Paris:A")


class SetClock(Clock):
    """A clock that stands still until a test sets it; `back_s` is how far the wall clock was set
    back."""

    at_s = 1_000_000.0
    back_s = 0.0

    def wall_s(self) -> float:
        return self.at_s - self.back_s

    def monotonic_s(self) -> float:
        return self.at_s


class Site:
    """A journal with a backend and a poller that write to it, and the poller's metrics."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = SetClock()
        with PollerJournal(folder):
            pass
        self.metrics = Metrics(StatisticsReader(folder), self.clock)
        self.metrics.last_sign.set(self.clock.wall_s())

    def key(self, job_id: int) -> DocumentKey:
        return DocumentKey(f"urn:uuid:{job_id}", job_id, 0, "cirrus://cloud.example/Acme/x", 1)

    def accept(self, job_id: int, *, queue: str = "laser1", size_bytes: int = 1000) -> DocumentKey:
        """Record a document that the cloud has just accepted for both targets."""
        key = self.key(job_id)
        job = PrintJob(job_id, key.job_uuid, "secret-user", "secret-title", 1, queue)
        now_s = self.clock.wall_s()
        with Journal(self.folder) as journal:
            journal.intent(key, job, TARGETS, now_s=now_s)
            journal.submitting(
                key, "ab", size_bytes, size_bytes, submit_key="k", submit_form="f", now_s=now_s
            )
            receipts = [Receipt(target, f"secret-{job_id}") for target in TARGETS]
            journal.accepted(key, receipts, now_s=now_s)
        return key

    def state(self, key: DocumentKey, number: int, state: DeliveryState, at_s: float = 0.0) -> None:
        """Record a state from the cloud, now or at `at_s`."""
        with Journal(self.folder) as journal:
            now_s = at_s or self.clock.wall_s()
            assert journal.state(key, number, JobStatus(state), now_s=now_s)

    def scrape(self) -> Mapping[str, float]:
        """Every sample, by name and labels."""
        self.clock.at_s += FRESH_S
        self.metrics.refresh()
        text = generate_latest(self.metrics.registry).decode()
        assert "secret" not in text
        return {
            _line(sample.name, sample.labels): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


def _line(name: str, labels: Mapping[str, str]) -> str:
    return name + (
        "{" + ",".join(f"{k}={v}" for k, v in sorted(labels.items())) + "}" if labels else ""
    )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A new site."""
    return Site(tmp_path)


def test_how_it_stands(site: Site) -> None:
    """Jobs count by queue and state; open and held documents and the last sign of life are
    shown."""
    site.accept(1)
    second = site.accept(2, queue="laser2")
    site.state(second, 1, DeliveryState.DELETED)
    with Journal(site.folder) as journal:
        journal.hand_over([second], "hold", "cirrus://x", now_s=site.clock.wall_s())
    seen = site.scrape()
    assert seen["cirrus_jobs{queue=laser1,state=submitted}"] == 2
    assert seen["cirrus_jobs{queue=laser2,state=submitted}"] == 1
    assert seen["cirrus_jobs{queue=laser2,state=deleted}"] == 1
    assert seen["cirrus_longest_wait_seconds{queue=laser1}"] == FRESH_S
    assert seen["cirrus_open_documents"] == 2
    assert seen["cirrus_held_documents"] == 1
    assert seen["cirrus_last_round_timestamp_seconds"] == SetClock.at_s


def test_a_closed_job_does_not_wait(site: Site) -> None:
    """A job that is no longer followed does not count as waiting."""
    key = site.accept(1)
    with Journal(site.folder) as journal:
        journal.close([key], now_s=site.clock.wall_s())
    seen = site.scrape()
    assert seen["cirrus_jobs{queue=laser1,state=submitted}"] == 0
    assert seen["cirrus_jobs{queue=laser1,state=unfollowed}"] == 2


def test_a_forgotten_queue_falls_to_zero(site: Site) -> None:
    """A queue whose documents are pruned shows 0."""
    key = site.accept(1)
    assert site.scrape()["cirrus_jobs{queue=laser1,state=submitted}"] == 2
    with PollerJournal(site.folder) as journal:
        journal.close([key], now_s=1)
        journal.prune(until_s=2)
    assert site.scrape()["cirrus_jobs{queue=laser1,state=submitted}"] == 0


def test_each_event_counts_once(site: Site) -> None:
    """Bytes, ends and times count once, however often Prometheus asks, and for any writer."""
    key = site.accept(1, size_bytes=5000)
    assert site.scrape()["cirrus_accepted_bytes_total{queue=laser1}"] == 5000
    site.clock.at_s += 100
    site.state(key, 0, DeliveryState.RECEIVED)
    received_s = site.clock.at_s - SetClock.at_s
    site.scrape()
    site.clock.at_s += 1000
    site.state(key, 0, DeliveryState.DELIVERED)
    site.state(key, 1, DeliveryState.DELETED)
    delivered_s = site.clock.at_s - SetClock.at_s
    for _ in range(20):
        seen = site.scrape()
    assert seen["cirrus_accepted_bytes_total{queue=laser1}"] == 5000
    assert seen["cirrus_ended_total{queue=laser1,state=delivered}"] == 1
    assert seen["cirrus_ended_total{queue=laser1,state=deleted}"] == 1
    for step, seconds in (
        ("accepted-received", received_s),
        ("received-delivered", delivered_s - received_s),
        ("accepted-delivered", delivered_s),
    ):
        labels = f"{{server=cloud.example,step={step}}}"
        assert seen[f"cirrus_delivery_seconds_count{labels}"] == 1
        assert seen[f"cirrus_delivery_seconds_sum{labels}"] == seconds


def test_delivered_pages(site: Site) -> None:
    """The pages of a document count for each target that got it, and unknown pages not at all."""
    known, unknown = site.accept(1), site.accept(2)
    with Journal(site.folder) as journal:
        journal.counted(known, 7, before=2, is_new=True, now_s=site.clock.wall_s())
    assert site.scrape()["cirrus_delivered_pages_total{queue=laser1}"] == 0
    site.state(known, 0, DeliveryState.DELIVERED)
    site.state(known, 1, DeliveryState.DELETED)
    site.state(unknown, 0, DeliveryState.DELIVERED)
    assert site.scrape()["cirrus_delivered_pages_total{queue=laser1}"] == 5


def test_what_is_written_late_counts(site: Site) -> None:
    """An event counts even if it reaches the disk after a look that is later than its date."""
    key = site.accept(1)
    site.scrape()
    site.state(key, 0, DeliveryState.DELIVERED, at_s=site.clock.at_s - OVERLAP_S / 2)
    for _ in range(3):
        assert site.scrape()["cirrus_ended_total{queue=laser1,state=delivered}"] == 1


def test_a_clock_that_is_set_back(site: Site) -> None:
    """Later events count, too, once each."""
    first, second = site.accept(1), site.accept(2)
    site.state(first, 0, DeliveryState.DELIVERED)
    site.scrape()
    site.clock.back_s = 100_000
    site.state(second, 0, DeliveryState.DELIVERED)
    seen = site.scrape()
    assert seen["cirrus_ended_total{queue=laser1,state=delivered}"] == 2


def test_the_past_is_no_event(site: Site) -> None:
    """A new poller counts only new events."""
    site.state(site.accept(1), 0, DeliveryState.DELIVERED)
    site.metrics = Metrics(StatisticsReader(site.folder), site.clock)
    seen = site.scrape()
    assert seen["cirrus_ended_total{queue=laser1,state=delivered}"] == 0
    assert "cirrus_accepted_bytes_total{queue=laser1}" not in seen


def test_a_first_failure_is_an_increase(site: Site) -> None:
    """The counter exists, at 0, before its first event."""
    site.accept(1)
    assert site.scrape()["cirrus_ended_total{queue=laser1,state=unknown}"] == 0


class _Cloud:
    def __init__(self, error: CirrusError | None = None) -> None:
        self._error = error

    def job_status(self, receipt: Receipt) -> JobStatus:
        if self._error:
            raise self._error
        return JobStatus(DeliveryState.SUBMITTED)


def test_questions_and_errors(site: Site) -> None:
    """Queries count by server, and errors also by code.

    A server without an entry is an error, but not a query.
    """
    receipt = Receipt(TARGETS[0], "1")
    site.metrics.counted(lambda queue: _Cloud().job_status)(QUEUE)(receipt)
    with pytest.raises(ServerFault):
        site.metrics.counted(lambda queue: _Cloud(ServerFault("x")).job_status)(QUEUE)(receipt)

    def unknown(queue: QueueUri) -> Callable[[Receipt], JobStatus]:
        raise UnknownServer("x")

    with pytest.raises(UnknownServer):
        site.metrics.counted(unknown)(QUEUE)
    seen = site.scrape()
    assert seen["cirrus_status_requests_total{server=cloud.example:8443}"] == 2
    assert seen["cirrus_status_errors_total{code=CB-413,server=cloud.example:8443}"] == 1
    assert seen["cirrus_status_errors_total{code=CB-204,server=cloud.example:8443}"] == 1


@pytest.fixture
def port(site: Site) -> Iterator[int]:
    """The port of the site's metrics; the server ends with the process."""
    yield serve_metrics(0, site.metrics)


def _ask(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request(method, path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_reading_alone(port: int) -> None:
    """Only GET is allowed."""
    status, text = _ask(port, "/metrics")
    assert status == 200 and "cirrus_open_documents 0.0\n" in text
    methods = ("POST", "PUT", "DELETE", "HEAD")
    assert [_ask(port, "/metrics", method)[0] for method in methods] == [405] * 4


def test_loopback_only(port: int) -> None:
    """The machine's other addresses refuse connections."""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port))


def _fill_with_metrics(site: Site) -> None:
    """Add more metrics than the kernel buffers for a reader."""
    for number in range(3000):
        site.metrics.requests.labels(f"{number}" * 300).inc()


def _reader_that_stops(port: int) -> socket.socket:
    """Ask for the metrics, and do not read them."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", port))
    connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
    return connection


IDLE = {
    "silent": b"",
    "half a request": b"GET /metrics HTTP/1.1\r\nX: ",
    "answered": b"GET /metrics HTTP/1.0\r\n\r\n",
}


@pytest.mark.attacker("local account")
@pytest.mark.parametrize("sent", IDLE.values(), ids=IDLE)
def test_readers_that_keep_their_places(port: int, sent: bytes) -> None:
    """Occupy all connections to the metrics: the oldest idle ones are closed, and Prometheus is
    served."""
    idle = []
    for _ in range(3 * MOST_AT_ONCE):
        idle.append(socket.create_connection(("127.0.0.1", port)))
        idle[-1].sendall(sent)
    assert _ask(port, "/metrics")[0] == 200
    for connection in idle[:MOST_AT_ONCE]:
        connection.settimeout(60)
        while connection.recv(1 << 16):
            pass
    for connection in idle:
        connection.close()


@pytest.mark.attacker("local account")
def test_readers_that_do_not_read(site: Site, port: int) -> None:
    """Request the metrics often, and read no response: Prometheus is served."""
    _fill_with_metrics(site)
    with contextlib.ExitStack() as idle:
        for _ in range(2 * MOST_AT_ONCE):
            idle.enter_context(_reader_that_stops(port))
        assert _ask(port, "/metrics")[0] == 200


def test_an_idle_reader(site: Site) -> None:
    """A reader that sends nothing is disconnected after a while."""
    port = serve_metrics(0, site.metrics, limit_s=0.01)
    with socket.create_connection(("127.0.0.1", port)) as idle:
        idle.settimeout(60)
        assert idle.recv(1) == b""


def test_a_reader_that_stops_reading(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    """A reader that stops in the middle leaves no trace in the log."""
    _fill_with_metrics(site)
    port = serve_metrics(0, site.metrics, limit_s=0.01)
    with _reader_that_stops(port) as reader:
        assert reader.recv(1)
        for thread in threading.enumerate():
            if "process_request_thread" in thread.name:
                thread.join()
    assert capfd.readouterr() == ("", "")


def test_a_broken_journal_is_said(site: Site, port: int) -> None:
    """Prometheus sees a failed scrape."""
    for file in site.folder.glob("journal.db*"):
        file.unlink()
    site.clock.at_s += FRESH_S
    status, text = _ask(port, "/metrics")
    assert status == 503 and "journal.db" in text


def test_a_port_that_is_taken(site: Site, port: int) -> None:
    """The message gives the next step."""
    with pytest.raises(BadConfiguration, match=r"127\.0\.0\.1:\d+.*metrics_port"):
        serve_metrics(port, site.metrics)


def test_the_example_alerts(site: Site) -> None:
    """The alerts are well formed, and each of their metrics and labels is in a scrape."""
    key = site.accept(1)
    site.state(key, 0, DeliveryState.DELIVERED)
    with pytest.raises(ServerFault):
        site.metrics.counted(lambda queue: _Cloud(ServerFault("x")).job_status)(QUEUE)(
            Receipt(TARGETS[0], "1")
        )
    samples = site.scrape()
    names = {re.split(r"\{", line)[0] for line in samples}
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    assert len(group["rules"]) >= 5
    for rule in group["rules"]:
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        promql_parser.parse(rule["expr"])
        used = set(re.findall(r"\bcirrus_\w+", rule["expr"]))
        assert used and used <= names, rule["alert"]
        for name, matchers in re.findall(r"\b(cirrus_\w+)\{([^}]*)\}", rule["expr"]):
            for label, operator, values in re.findall(r'(\w+)(=~?|!=)"([^"]*)"', matchers):
                for value in values.split("|"):
                    found = any(
                        line.startswith(f"{name}{{") and f"{label}={value}" in line
                        for line in samples
                    )
                    assert found or operator == "!=", (rule["alert"], label, value)
        in_labels = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
        assert in_labels <= {"instance", "queue", "server"}
