"""What the service learns of its documents and printers, with a real journal, a stubbed cloud and a
test clock."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from cirrus_bridge.base.errors import CirrusError, Unreachable
from cirrus_bridge.base.model import (
    DeliveryState,
    DocumentKey,
    JobStatus,
    PrintJob,
    Receipt,
    Target,
)
from cirrus_bridge.base.translation import translated
from cirrus_bridge.config.load import PollerSettings
from cirrus_bridge.config.queue_uri import parse_queue_uri
from cirrus_bridge.delivery.messages import OFFLINE_AFTER_S
from cirrus_bridge.delivery.tracking import TrackedDelivery
from cirrus_bridge.ipp_server.delivery_news import LEAST_S, TROUBLES_S, DeliveryNews
from cirrus_bridge.journal.lifecycle import State
from cirrus_bridge.polling.availability import Availability
from cirrus_bridge.polling.poller import Poller
from cirrus_bridge.polling.schedule import Schedule
from cirrus_bridge.polling.watched import WatchedDocuments
from stubs import PollerSite, StubQueries, away

PARIS, ROME = Target("Paris", "L1"), Target("Rome", "L2")
WAITS = JobStatus(DeliveryState.SUBMITTED)
RECEIVED = JobStatus(DeliveryState.RECEIVED)
DELIVERED = JobStatus(DeliveryState.DELIVERED)
DELETED = JobStatus(DeliveryState.DELETED)


class Site(PollerSite):
    """A service without HTTP: `news` and `troubles` are what the poller has told."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.states: dict[Target, JobStatus | CirrusError] = {PARIS: WAITS, ROME: WAITS}
        self.news: list[tuple[int, list[DeliveryState], bool]] = []
        self.troubles: list[dict[str, str]] = []
        self.at_change: Callable[[], None] = lambda: None
        self.start()

    def start(self) -> None:
        """Start a poller, perhaps after another one."""
        watch_list = WatchedDocuments(Schedule(random.Random(1), 300), parse_queue_uri)
        availability = Availability()
        self.poller = Poller(
            journal=self.journal,
            clock=self.clock,
            publisher=DeliveryNews(
                *(self.journal, self.clock, watch_list, availability),
                changed=self._changed,
                troubles=self._note_troubles,
            ),
            availability=availability,
            settings=PollerSettings(),
            status_of=lambda _: self._status,
            tell=self.told.append,
            watch_list=watch_list,
            queries=StubQueries(self.clock),
        )

    def send(self, job_id: int = 1, *targets: Target) -> DocumentKey:
        """Let the cloud accept a document, as a run of the service does."""
        targets, now_s = targets or (PARIS,), self.clock.wall_s()
        key = self.begin(job_id, *targets)
        self.backend.submitting(key, "ab", 9, 5, submit_key="k", submit_form="f", now_s=now_s)
        receipts = [Receipt(each, f"{job_id}-{each.device}") for each in targets]
        assert not self.backend.accepted(key, receipts, now_s=now_s)
        self.backend.hand_over([key], "complete", key.destination, now_s=now_s)
        return key

    def begin(self, job_id: int, *targets: Target) -> DocumentKey:
        """Begin to send a document to the printer with the name of its first location."""
        uri = f"cirrus://h/C/{';'.join(map(str, targets))}"
        key = DocumentKey(f"urn:uuid:{job_id}", job_id, 0, uri, 1)
        job = PrintJob(job_id, key.job_uuid, "ann", "Report", 1, targets[0].location.lower())
        self.backend.intent(key, job, targets, now_s=self.clock.wall_s())
        return key

    def goes_on_for(self, seconds: float) -> None:
        """Run the poller for some seconds."""
        until_s = self.clock.passed_s + seconds
        while self.clock.passed_s < until_s:
            self.poller.step()

    def _status(self, receipt: Receipt) -> JobStatus:
        status = self.states[receipt.target]
        if isinstance(status, CirrusError):
            raise status
        return status

    def _changed(
        self, key: DocumentKey, targets: Sequence[TrackedDelivery], *, settled: bool
    ) -> None:
        self.at_change()
        states = [target.status.state for target in targets]
        if settled:
            assert self.state(key) is State.LEFT  # closed after it was told
        self.news.append((key.job_id, states, settled))

    def _note_troubles(self, troubles: Mapping[str, str]) -> None:
        self.troubles.append(dict(troubles))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A service without documents."""
    with Site(tmp_path) as made:
        yield made


def test_a_document_from_its_acceptance_to_its_end(site: Site) -> None:
    """Each state is told once; the document is closed at the end, and others are followed on."""
    key, other = site.send(1), site.send(2, ROME)
    site.goes_on_for(10)
    site.states[PARIS] = RECEIVED
    site.goes_on_for(10)
    site.states[PARIS] = DELIVERED
    site.goes_on_for(10)
    of_first = [states for job_id, *states in site.news if job_id == 1]
    assert of_first == [
        [[DeliveryState.SUBMITTED], False],
        [[DeliveryState.RECEIVED], False],
        [[DeliveryState.DELIVERED], True],
    ]
    assert [each for each in site.news if each[0] == 2] == [(2, [DeliveryState.SUBMITTED], False)]
    assert (site.state(key), site.state(other)) == (State.CLOSED, State.LEFT)
    assert [each.document.key for each in site.poller.watch_list] == [other]


def test_several_devices(site: Site) -> None:
    """The document is settled when each device has it, or never will."""
    key = site.send(1, PARIS, ROME)
    site.states[PARIS] = DELETED
    site.goes_on_for(30)
    assert site.news[-1] == (1, [DeliveryState.DELETED, DeliveryState.SUBMITTED], False)
    assert site.state(key) is State.LEFT
    site.states[ROME] = DELIVERED
    site.goes_on_for(30)
    assert site.news[-1] == (1, [DeliveryState.DELETED, DeliveryState.DELIVERED], True)
    assert site.state(key) is State.CLOSED


def test_a_crash_before_the_end_is_told(site: Site) -> None:
    """The next poller tells the end."""
    key = site.send()
    site.goes_on_for(5)

    def crash() -> None:
        raise OSError("disk full")

    site.at_change, site.states[PARIS] = crash, DELIVERED
    with pytest.raises(OSError, match="disk full"):
        site.goes_on_for(10)
    assert site.state(key) is State.LEFT
    site.at_change = lambda: None
    site.start()
    site.goes_on_for(1)
    assert site.news[-1] == (1, [DeliveryState.DELIVERED], True)
    assert site.state(key) is State.CLOSED


def test_a_document_that_a_run_has_not_finished(site: Site) -> None:
    """Neither the poller nor its news touch the document, however old it is."""
    sending, submitting = site.begin(1, PARIS), site.begin(2, PARIS)
    now_s = site.clock.wall_s()
    site.backend.submitting(submitting, "ab", 9, 5, submit_key="k", submit_form="f", now_s=now_s)
    site.goes_on_for(1000)
    assert (site.news, site.troubles) == ([], [{}])
    assert (site.state(sending), site.state(submitting)) == (State.SENDING, State.SUBMITTING)


def test_a_document_that_a_run_takes_back(site: Site) -> None:
    """The run tells its own news."""
    key = site.send()
    site.goes_on_for(5)
    site.backend.take_back([key], now_s=site.clock.wall_s())
    site.states[PARIS] = DELIVERED
    site.goes_on_for(400)
    assert site.news == [(1, [DeliveryState.SUBMITTED], False)]
    assert site.state(key) is State.FOLLOWED


def test_news_of_a_document_that_is_taken_back(site: Site) -> None:
    """The answer came just before a run took the document, and is not told."""
    key = site.send()
    site.goes_on_for(5)
    (watched,) = site.poller.watch_list
    watched.targets[0].learn(DELIVERED)
    site.poller.publisher.note(watched)
    site.backend.take_back([key], now_s=site.clock.wall_s())
    site.goes_on_for(5)
    assert site.news == [(1, [DeliveryState.SUBMITTED], False)]
    assert site.state(key) is State.FOLLOWED


def test_a_location_that_is_offline(site: Site) -> None:
    """Only its printer has the trouble, until the location fetches the document."""
    site.send(1)
    site.goes_on_for(OFFLINE_AFTER_S - TROUBLES_S)
    site.send(2, ROME)
    assert site.troubles == [{}]
    site.goes_on_for(3 * TROUBLES_S)
    (text,) = site.troubles[-1].values()
    assert [*site.troubles[-1]] == ["paris"]
    assert text.startswith("1 job waiting at Paris (offline since ")
    assert translated(text, "de").startswith("1 Auftrag wartet am Standort Paris (offline")
    site.states = {PARIS: RECEIVED, ROME: DELIVERED}
    site.goes_on_for(60)
    assert site.troubles[-1] == {}
    assert len(site.troubles) == 3


def test_a_server_that_is_away(site: Site) -> None:
    """All its printers with documents have the trouble, until the server answers."""
    site.send(1)
    site.send(2, ROME)
    site.goes_on_for(5)
    site.states = {PARIS: away(), ROME: away()}
    site.goes_on_for(5)
    assert site.troubles[-1].keys() == {"paris", "rome"}
    for text in site.troubles[-1].values():
        assert "the status cannot be checked right now: " in text
        assert f"({Unreachable.code})" in text
    site.states = {PARIS: RECEIVED, ROME: RECEIVED}
    site.goes_on_for(30)
    assert site.troubles[-1] == {}
    assert [event for event, _ in site.events if event.startswith("server")] == [
        "server-away",
        "server-back",
    ]


def test_a_printer_whose_document_ends(site: Site) -> None:
    """Without a document, nothing is known of a printer."""
    site.send()
    site.goes_on_for(OFFLINE_AFTER_S + 2 * TROUBLES_S)
    assert "paris" in site.troubles[-1]
    site.states[PARIS] = DELIVERED
    site.goes_on_for(400)
    assert site.troubles[-1] == {}


def test_much_news(site: Site) -> None:
    """All queues are looked at once a second at most, and the wait for it takes no processor."""
    publisher = site.poller.publisher
    publisher.step(0.0)
    publisher.soon()
    assert publisher.due_s == LEAST_S


def test_one_round(site: Site) -> None:
    """A poller that makes one round tells and closes as well."""
    key = site.send()
    site.states[PARIS] = DELIVERED
    site.poller.run_once()
    assert site.news[-1] == (1, [DeliveryState.DELIVERED], True)
    assert site.state(key) is State.CLOSED
    assert site.troubles == [{}]
