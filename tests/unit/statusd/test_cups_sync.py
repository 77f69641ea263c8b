"""When the poller updates CUPS, and what it does while cupsd is away; with stubs and a test
clock."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

from cirrus_bridge.base.errors import CupsAway, CupsRefused
from cirrus_bridge.base.model import DeliveryState, DocumentKey, JobStatus, PrintJob, Receipt
from cirrus_bridge.config.queue_uri import parse_queue_uri
from cirrus_bridge.cups.jobs import COMPLETED, PROCESSING
from cirrus_bridge.cups.queues import IDLE, STOPPED, Queue
from cirrus_bridge.journal.lifecycle import State
from cirrus_bridge.polling.availability import Availability
from cirrus_bridge.polling.watched import WatchedDocument
from cirrus_bridge.sending.patience import FOR_SERVER
from cirrus_bridge.statusd.completion import JobCompletion
from cirrus_bridge.statusd.cups_sync import AWAY_WAIT_S, CUPS_S, LONGEST_PAUSE_S, CupsSync
from cirrus_bridge.statusd.orphans import Orphans
from cirrus_bridge.statusd.outages import Outages
from cirrus_bridge.statusd.status_messages import StatusMessages
from stubs import (
    TARGET,
    URI,
    PollerSite,
    StubApi,
    StubClock,
    StubCups,
    StubQueries,
    cups_job,
    new_watch_list,
    taken,
)

ORPHANS_S = 60.0


class Site(PollerSite):
    """All parts of a poller that talk to CUPS; job `n` is held at queue `q`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.cups = StubCups(q=URI)
        self.watch_list = new_watch_list()
        journal, cups, clock, tell = self.journal, self.cups, self.clock, self.told.append
        completion = JobCompletion(journal, cups, clock, tell)
        outages = Outages(
            journal,
            cups,
            clock,
            tell,
            parse_queue_uri,
            lambda _: StubApi(),
            queries=StubQueries(StubClock()),
        )
        news = StatusMessages(
            *(journal, cups, clock, completion, tell, self.watch_list),
            Availability(),
            outages.notices,
        )
        orphans = Orphans(journal, cups, clock, tell, str(folder))
        self.turn = CupsSync(clock, news, orphans, ORPHANS_S, outages, tell, self.watch_list)

    def watch(
        self, number: int = 1, state: DeliveryState = DeliveryState.DELIVERED, options: str = ""
    ) -> WatchedDocument:
        """Follow a document of the job with this number, in this state."""
        now_s = self.clock.wall_s()
        job_id = (number + 1) // 2  # two documents each
        key = DocumentKey(f"urn:uuid:{job_id}", job_id, 0, URI, number)
        job = PrintJob(job_id, key.job_uuid, "ann", "Report", 1, "q")
        self.backend.intent(key, job, [TARGET], now_s=now_s)
        self.backend.submitting(key, "ab", 9, 5, submit_key="k", submit_form="f", now_s=now_s)
        self.backend.accepted(key, [Receipt(TARGET, f"1-{number}")], now_s=now_s)
        self.backend.hand_over([key], "hold", URI + options, now_s=now_s)
        (document,) = taken(self.journal, self.watch_list)
        self.cups.put(cups_job(job_id))
        watched = self.watch_list.add(document, 0.0, 0.0)
        watched.targets[0].learn(JobStatus(state))
        self.watch_list.note(watched, now_s)
        self.turn.note(watched)
        return watched

    def waits(self) -> None:
        """Make job 9 wait for its server, which works."""
        key = DocumentKey("urn:uuid:9", 9, 0, URI, 1)
        job = PrintJob(9, key.job_uuid, "ann", "Report", 1, "q")
        self.backend.intent(key, job, [TARGET], now_s=1.0)
        self.backend.wait(key, FOR_SERVER, URI, give_up_at_s=9e9, now_s=1.0)
        self.cups.put(cups_job(9))

    def take(self, after_s: float = 0.0) -> list[WatchedDocument]:
        """Take one turn, and return the documents that it dropped."""
        self.clock.passed_s += after_s
        before = list(self.watch_list)
        self.turn.step(self.clock.monotonic_s())
        left = list(self.watch_list)
        return [watched for watched in before if watched not in left]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site without documents, after its first turn."""
    with Site(tmp_path) as made:
        made.take()
        yield made


def away() -> CupsAway:
    """A cupsd that does not answer."""
    return CupsAway("cupsd does not answer.")


def test_a_job_that_is_settled(site: Site) -> None:
    """The poller completes the job at once."""
    site.watch()
    site.take()
    assert site.cups.done("release") == [1]


def test_a_job_of_several_documents(site: Site) -> None:
    """The poller completes the job once, when all its documents are settled."""
    site.watch(1)
    second = site.watch(2, DeliveryState.RECEIVED)
    site.turn.note(second)
    site.take()
    second.targets[0].learn(JobStatus(DeliveryState.DELIVERED))
    site.turn.note(second)
    site.take()
    assert site.cups.done("release") == [1]


def test_what_is_over_is_not_watched_any_longer(site: Site) -> None:
    """All documents of the job are dropped."""
    first, second = site.watch(1), site.watch(2)
    site.cups.put(cups_job(1, COMPLETED))
    assert site.take() == [first, second]
    assert len(site.watch_list) == 0


def test_a_settled_job_that_a_backend_is_at(site: Site) -> None:
    """The poller looks at the job again in the next update."""
    watched = site.watch()
    site.cups.put(cups_job(1, PROCESSING))
    assert site.take() == []
    site.cups.put(cups_job(1, COMPLETED))
    assert site.take() == []
    assert site.take(CUPS_S) == [watched]


def test_news_are_told_soon(site: Site) -> None:
    """Without news, CUPS is updated every CUPS_S."""
    site.watch(1, DeliveryState.SUBMITTED)
    site.take(1)
    assert site.cups.did == []
    site.turn.soon()
    assert site.turn.due.due_s == site.clock.passed_s
    site.take()
    assert site.cups.done("tell", "say") == [1, "q"]
    site.watch(3, DeliveryState.SUBMITTED)
    site.take(CUPS_S - 1)
    assert 2 not in site.cups.done("say")
    site.take(1)
    assert 2 in site.cups.done("say")


def test_cupsd_is_away(site: Site) -> None:
    """The poller pauses, reports the trouble once, and forgets nothing."""
    site.watch()
    site.cups.fails["job"] = site.cups.fails["queues"] = away()
    for _ in range(3):
        site.turn.soon()
        site.take()
    assert [change.event for change in site.told] == ["cups"]
    assert site.turn.due.due_s == site.clock.passed_s + AWAY_WAIT_S
    site.cups.fails.clear()
    site.take(AWAY_WAIT_S - 1)
    assert site.cups.did == []
    site.take(1)
    assert site.cups.done("release") == [1]
    site.cups.fails["queues"] = away()
    site.take(CUPS_S)
    assert [change.event for change in site.told].count("cups") == 2


def test_cupsd_is_away_when_a_job_is_settled(site: Site) -> None:
    """The poller pauses, and releases the job later."""
    site.watch()
    site.cups.fails["job"] = away()
    site.take()
    assert [change.event for change in site.told] == ["cups"]
    site.cups.fails.clear()
    site.take(AWAY_WAIT_S - 1)
    assert site.cups.did == []
    site.take(1)
    assert site.cups.done("release") == [1]


def test_cupsd_is_slow(site: Site) -> None:
    """Updates take at most one twentieth of the time, but no queue waits longer than
    LONGEST_PAUSE_S."""
    site.watch(1, DeliveryState.SUBMITTED)
    site.watch(3, DeliveryState.SUBMITTED)
    for took_s, pause_s in ((0.2, 12.0), (5.0, LONGEST_PAUSE_S)):
        site.cups.at_do = functools.partial(_sleep, site.clock, took_s)
        site.cups.put(cups_job(1), cups_job(2))
        site.cups.by_name["q"] = Queue("q", URI, IDLE, "", ())
        site.take(CUPS_S + LONGEST_PAUSE_S)
        site.turn.soon()
        assert site.turn.due.due_s == pytest.approx(site.clock.passed_s + pause_s)


def _sleep(clock: StubClock, seconds: float, operation: str) -> None:
    clock.sleep(seconds)


def test_a_slow_cupsd_is_away(site: Site) -> None:
    """The pause is as long as the failed update, as other programs need cupsd, too."""

    def is_away(operation: str) -> None:
        site.clock.sleep(30)
        raise away()

    site.watch(1, DeliveryState.SUBMITTED)
    site.cups.at_do = is_away
    site.take(CUPS_S)
    site.turn.soon()
    assert site.turn.due.due_s >= site.clock.passed_s + AWAY_WAIT_S


def test_cupsd_refuses_one_job(site: Site) -> None:
    """The other jobs are completed."""
    site.watch(1)
    site.watch(3)
    site.cups.fails["release"] = CupsRefused("no")
    site.take()
    del site.cups.fails["release"]
    assert [change.event for change in site.told] == ["cups"]
    site.clock.passed_s += 2 * CUPS_S
    site.take(2 * CUPS_S)
    assert site.cups.done("release") == [1, 2]


def test_a_location_that_tells_of_an_error(site: Site) -> None:
    """The queue stops once if it has onfailure=stop, and nothing is printed again."""
    watched = site.watch(1, DeliveryState.SUBMITTED, "?onfailure=stop")
    other = site.watch(3, DeliveryState.SUBMITTED, "?onfailure=report")
    site.turn.note(other, fails=True)
    site.take(CUPS_S)
    assert site.cups.done("pause") == []
    site.turn.note(watched, fails=True)
    site.cups.fails["pause"] = away()
    site.take(CUPS_S)
    site.cups.fails.clear()
    for _ in range(3):
        site.take(CUPS_S)
    assert site.cups.done("pause") == ["q"]
    assert site.cups.by_name["q"].state == STOPPED


def test_jobs_that_wait_for_a_server(site: Site) -> None:
    """Each turn releases them, even without news."""
    site.waits()
    for _ in range(4):
        site.take(1)
    assert site.cups.done("release") == [9]


def test_jobs_that_wait_while_cupsd_is_away(site: Site) -> None:
    """The poller pauses before it releases them."""
    site.waits()
    site.cups.fails["jobs"] = away()
    for _ in range(4):
        site.take(1)
    assert [change.event for change in site.told] == ["cups"]
    site.cups.fails.clear()
    for _ in range(20):
        site.take(1)
    assert site.cups.done("release") == [9]


def test_one_round(site: Site) -> None:
    """A poller that makes a single round releases the jobs, too."""
    site.waits()
    site.turn.run_once()
    assert site.cups.done("release") == [9]
    site.cups.fails["jobs"] = away()
    site.clock.passed_s += CUPS_S
    site.turn.run_once()
    assert site.told[-1].event == "cups"


def test_orphans(site: Site) -> None:
    """The poller looks for orphans every ORPHANS_S."""
    key = DocumentKey("urn:uuid:7", 7, 0, URI, 1)
    job = PrintJob(7, key.job_uuid, "ann", "Report", 1, "q")
    site.backend.intent(key, job, [TARGET], now_s=1.0)
    site.take(ORPHANS_S - 1)
    assert site.backend.entries(key.job_uuid, 7)[0].state is State.SENDING
    site.take(CUPS_S)
    assert site.backend.entries(key.job_uuid, 7)[0].state is State.ABANDONED
