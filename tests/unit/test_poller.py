"""The poller's loop with a real journal, a cloud and a CUPS that are scripted, and a test clock."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import pytest

from cirrus_bridge.asking import Answer, Askers
from cirrus_bridge.change import WARNING, Change
from cirrus_bridge.clock import Clock
from cirrus_bridge.config import PollerSettings
from cirrus_bridge.cups_ipp import CupsServer
from cirrus_bridge.cups_news import CupsNews
from cirrus_bridge.cups_queue import HELD, IDLE, CupsJob, CupsPrinter, CupsQueues
from cirrus_bridge.cups_turn import CupsTurn
from cirrus_bridge.errors import CirrusError, Refused
from cirrus_bridge.journal import Journal
from cirrus_bridge.journal_delivery import Accepted
from cirrus_bridge.journal_poller import PollerJournal
from cirrus_bridge.model import DeliveryState, DocumentKey, JobStatus, PrintJob, Receipt, Target
from cirrus_bridge.orphans import Orphans
from cirrus_bridge.outages import Outages
from cirrus_bridge.poller import MISMATCHED_AFTER_S, Poller
from cirrus_bridge.schedule import Schedule
from cirrus_bridge.settle import Settlement
from cirrus_bridge.uri import parse_queue_uri
from cirrus_bridge.waiting import FAILED_REASON
from cirrus_bridge.watched import WatchList

TARGET = Target("Paris", "L1")
URI = "cirrus://h/C/Paris:L1"
KEY = DocumentKey("urn:uuid:1", 1, 0, URI, 1)
WAITS = JobStatus(DeliveryState.SUBMITTED, name="Report", size_bytes=1000)
DONE = JobStatus(DeliveryState.DELIVERED, name="Report", size_bytes=1000)
OTHER = JobStatus(DeliveryState.DELIVERED, name="Salaries", size_bytes=4711)
UNKNOWN_AFTER_S = 900


class _Clock(Clock):
    """Time passes by the test alone."""

    def __init__(self) -> None:
        super().__init__()
        self.passed_s = 0.0

    def monotonic_s(self) -> float:
        return self.passed_s

    def wall_s(self) -> float:
        return 1_800_000_000.0 + self.passed_s

    def sleep(self, seconds: float) -> None:
        self.passed_s += seconds


class _Askers(Askers[JobStatus]):
    """Asks at once; waiting for an answer lets the time pass."""

    def __init__(self, clock: _Clock) -> None:
        super().__init__()
        self._clock = clock
        self._come: list[Answer[JobStatus]] = []

    def ask(self, number: int, question: Callable[[], JobStatus]) -> None:
        self.open += 1
        result: JobStatus | CirrusError
        try:
            result = question()
        except CirrusError as error:
            result = error
        self._come.append(Answer(number, result))

    def answer(self, wait_s: float) -> Answer[JobStatus] | None:
        if not self._come:
            self._clock.sleep(max(0.0, wait_s))
            return None
        self.open -= 1
        return self._come.pop(0)


class _Cups(CupsQueues):
    """A cupsd that holds the job of the document, and keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(CupsServer("/nowhere"))
        self.released: list[int] = []
        self.paused: list[str] = []
        self.reasons: frozenset[str] = frozenset()

    def jobs(
        self, *, completed: bool = False, limit: int | None = None, also: Sequence[str] = ()
    ) -> list[CupsJob]:
        return [self.job(KEY.job_id)]

    def job(self, job_id: int, *, also: Sequence[str] = ()) -> CupsJob:
        return CupsJob(job_id, KEY.job_uuid, "q", "q", HELD, (), "", "", "", None, {})

    def printers(self) -> list[CupsPrinter]:
        return [self.printer("q")]

    def printer(self, queue: str) -> CupsPrinter:
        return CupsPrinter(queue, URI, IDLE, "", tuple(self.reasons))

    def set_message(self, job_id: int, message: str) -> None: ...

    def release_job(self, job_id: int) -> None:
        self.released.append(job_id)

    def pause(self, queue: str, message: str) -> bool:
        self.paused.append(queue)
        return True

    def tell_queue(self, queue: str, reasons: Collection[str], message: str) -> bool:
        self.reasons = frozenset(reasons)
        return True


class Site:
    """A poller that follows one document; `says` is what the cloud answers from now on."""

    def __init__(self, folder: Path, *, onfailure: str = "report") -> None:
        self.says: JobStatus | CirrusError = WAITS
        self.asked = 0
        self.told: list[Change] = []
        self.clock = _Clock()
        self.cups = _Cups()
        job = PrintJob(1, KEY.job_uuid, "u", "Report", 1, "q")
        with Journal(folder) as backend:
            now_s = self.clock.wall_s()
            backend.intent(KEY, job, [TARGET], now_s=now_s)
            backend.submitting(KEY, "ab", 1000, 400, submit_key="k", submit_form="f", now_s=now_s)
            assert not backend.accepted(KEY, [Receipt(TARGET, "1-1")], now_s=now_s)
            backend.hand_over([KEY], "hold", f"{URI}?onfailure={onfailure}", now_s=now_s)
        self.journal = PollerJournal(folder)
        settlement = Settlement(self.journal, self.cups, self.clock, self.told.append)
        watch_list = WatchList()
        outages = Outages(
            self.journal,
            self.cups,
            self.clock,
            self.told.append,
            Askers(),
            parse_queue_uri,
            lambda _: self,
        )
        news = CupsNews(
            self.journal, self.cups, self.clock, settlement, self.told.append, outages.notices
        )
        orphans = Orphans(self.journal, self.cups, self.clock, self.told.append, str(folder))
        self._poller = Poller(
            name="p",
            journal=self.journal,
            clock=self.clock,
            schedule=Schedule(random.Random(1)),
            askers=_Askers(self.clock),
            cups=CupsTurn(
                self.clock, news, settlement, orphans, 60.0, outages, self.told.append, watch_list
            ),
            settings=PollerSettings(unknown_after_s=UNKNOWN_AFTER_S),
            queue_of=parse_queue_uri,
            api_of=lambda _: self,
            tell=self.told.append,
            watch_list=watch_list,
        )

    def version(self) -> tuple[str, ...]:
        """The probe of an outage, of which there is none here."""
        return ("", "", "", "")

    def device(self, target: Target) -> object:
        """The same, with the key."""
        return target

    def job_status(self, receipt: Receipt) -> JobStatus:
        """The cloud's answer."""
        self.asked += 1
        if isinstance(self.says, CirrusError):
            raise self.says
        return self.says

    def answers(self, says: JobStatus | CirrusError, times: int) -> None:
        """Go on until the cloud has said so this many times."""
        self.says = says
        until = self.asked + times
        until_s = self.clock.passed_s + 3600
        while self.asked < until:
            assert self.clock.passed_s < until_s, "the poller no longer asks"
            self._poller.step()

    def goes_on_for(self, seconds: float, says: JobStatus | CirrusError) -> None:
        """Go on for so long."""
        self.says = says
        until_s = self.clock.passed_s + seconds
        while self.clock.passed_s < until_s:
            self._poller.step()

    def state(self) -> DeliveryState:
        """What the journal has of the document."""
        return self.document.deliveries[0].status.state

    @property
    def document(self) -> Accepted:
        """The document in the journal."""
        (document,) = self.journal.documents_of(KEY)
        return document

    def events(self, event: str) -> list[Change]:
        """What was told of that kind."""
        return [change for change in self.told if change.event == event]


REFUSED = Refused("h refused the request: unknown job.")


def test_a_job_that_the_server_does_not_know_for_a_moment(tmp_path: Path) -> None:
    """Neither one refusal nor many within the time make it unknown, and one answer ends the
    count."""
    site = Site(tmp_path)
    site.answers(REFUSED, 1)
    assert site.state() is DeliveryState.SUBMITTED
    site.goes_on_for(UNKNOWN_AFTER_S / 2, REFUSED)
    site.answers(WAITS, 1)
    site.goes_on_for(UNKNOWN_AFTER_S / 2, REFUSED)
    assert site.state() is DeliveryState.SUBMITTED
    assert site.cups.released == []
    site.answers(DONE, 1)
    site.goes_on_for(20, DONE)
    assert site.state() is DeliveryState.DELIVERED
    assert site.cups.released == [1]


def test_a_job_that_the_server_has_forgotten(tmp_path: Path) -> None:
    """It ends as unknown when the time is over."""
    site = Site(tmp_path)
    site.goes_on_for(3 * UNKNOWN_AFTER_S, REFUSED)
    assert site.state() is DeliveryState.UNKNOWN
    assert site.cups.released[0] == 1


def test_the_state_of_another_job(tmp_path: Path) -> None:
    """Is never taken for this one's, and a fault that passes leaves no trace."""
    site = Site(tmp_path)
    site.goes_on_for(MISMATCHED_AFTER_S / 2, OTHER)
    assert site.state() is DeliveryState.SUBMITTED
    site.answers(WAITS, 1)
    site.goes_on_for(MISMATCHED_AFTER_S / 2, OTHER)
    assert site.state() is DeliveryState.SUBMITTED
    assert FAILED_REASON not in site.cups.reasons
    assert site.cups.released == []
    site.answers(DONE, 1)
    site.goes_on_for(20, DONE)
    assert site.state() is DeliveryState.DELIVERED
    assert site.cups.released == [1]


def test_one_wrong_answer_after_many_refusals(tmp_path: Path) -> None:
    """Counts as one: each kind of doubt has to last by itself."""
    site = Site(tmp_path)
    site.goes_on_for(UNKNOWN_AFTER_S / 2, REFUSED)
    site.answers(OTHER, 1)
    site.goes_on_for(UNKNOWN_AFTER_S / 2, REFUSED)
    assert site.state() is DeliveryState.SUBMITTED


@pytest.mark.parametrize("onfailure", ["report", "reprint", "stop"])
def test_a_job_that_is_not_the_document(tmp_path: Path, onfailure: str) -> None:
    """The log and the queue warn; the backend is to hold the job with the reason. Nothing is
    printed again, and the queue goes on."""
    site = Site(tmp_path, onfailure=onfailure)
    site.goes_on_for(3 * MISMATCHED_AFTER_S, OTHER)
    assert site.state() is DeliveryState.MISMATCHED
    (change,) = site.events("mismatched")
    assert change.level == WARNING
    assert change.text == (
        "The server's job for Paris:L1 is not the document that was sent: "
        "its size is 4711 bytes instead of 1000"
    )
    assert site.cups.released[0] == 1
    assert (site.document.reprints, site.cups.paused) == (0, [])
    with Journal(tmp_path) as backend:
        backend.close([KEY], now_s=site.clock.wall_s())
    site.goes_on_for(60, OTHER)
    assert site.cups.reasons == {FAILED_REASON}
