"""The poller's loop, with a real journal, a stubbed cloud, a stubbed CUPS and a test clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cirrus_bridge.base.errors import (
    CirrusError,
    CupsRefused,
    KeyRefused,
    Refused,
    ServerFault,
    UnexpectedAnswer,
    UnknownServer,
    Unreachable,
)
from cirrus_bridge.base.model import (
    DeliveryState,
    DocumentKey,
    JobStatus,
    PrintJob,
    Receipt,
    Target,
)
from cirrus_bridge.config.defaults import OFFLINE_REASON
from cirrus_bridge.config.load import PollerSettings
from cirrus_bridge.config.queue_uri import QueueUri, parse_queue_uri
from cirrus_bridge.delivery.events import INFO, NOTICE, WARNING, Change
from cirrus_bridge.delivery.messages import OFFLINE_AFTER_S
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.lifecycle import State
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.journal.submissions import Journal
from cirrus_bridge.polling.poller import (
    BEAT_S,
    DAY_S,
    MISMATCHED_AFTER_S,
    PRUNE_S,
    Poller,
)
from cirrus_bridge.sending.patience import FOR_SERVER
from stub_poller import new_poller
from stubs import (
    StubApi,
    StubClock,
    StubCups,
    cups_job,
    empty_journal,
    taken,
)

TARGET = Target("Paris", "L1")
URI = "cirrus://h/C/Paris:L1"
KEY = DocumentKey("urn:uuid:1", 1, 0, URI, 1)
WAITS = JobStatus(DeliveryState.SUBMITTED, name="Report", size_bytes=1000)
RECEIVED = JobStatus(DeliveryState.RECEIVED, name="Report", size_bytes=1000)
DONE = JobStatus(DeliveryState.DELIVERED, name="Report", size_bytes=1000)
OTHER = JobStatus(DeliveryState.DELIVERED, name="Salaries", size_bytes=4711)
UNKNOWN_AFTER_S = 400


class Site:
    """A poller that follows one document; the cloud answers with `api.status`."""

    def __init__(self, folder: Path, *, onfailure: str = "report") -> None:
        self.options = f"?onfailure={onfailure}"
        self.api = StubApi()
        self.api.status = WAITS
        self.told: list[Change] = []
        self.clock = StubClock()
        self.cups = StubCups(q=URI)
        self.folder = folder
        self.backend = Journal(empty_journal(folder))
        self.journal = PollerJournal(folder)
        self.accept()
        self.poller = self.new_poller()
        self.entry_is_missing = False

    def new_poller(self) -> Poller:
        """A poller that starts, perhaps after another one."""
        return new_poller(
            self.folder,
            self.journal,
            cups=self.cups,
            api=self.api,
            clock=self.clock,
            tell=self.told.append,
            settings=PollerSettings(unknown_after_s=UNKNOWN_AFTER_S),
            status_of=self._status_of,
            least_s=4.0,
        )

    def _status_of(self, queue: QueueUri) -> Callable[[Receipt], JobStatus]:
        if self.entry_is_missing:
            raise UnknownServer("No entry for h.")
        return self.api.job_status

    def accept(self, job_id: int = 1, handover: str = "hold") -> DocumentKey:
        """Let the cloud accept a job, and the backend hand it over."""
        now_s = self.clock.wall_s()
        key = DocumentKey(f"urn:uuid:{job_id}", job_id, 0, URI, 1)
        job = PrintJob(job_id, key.job_uuid, "u", "Report", 1, "q")
        self.backend.intent(key, job, [TARGET], now_s=now_s)
        self.backend.submitting(key, "ab", 1000, 400, submit_key="k", submit_form="f", now_s=now_s)
        assert not self.backend.accepted(key, [Receipt(TARGET, f"1-{job_id}")], now_s=now_s)
        self.backend.hand_over([key], handover, URI + self.options, now_s=now_s)
        # the backend saw that the location was offline
        said = {"job-printer-state-message": ("Waiting at Paris (offline since 09:00).",)}
        self.cups.put(cups_job(job_id, attributes=said))
        return key

    @property
    def asked(self) -> int:
        """The number of queries of job states."""
        return self.api.calls.count("job_status")

    @property
    def reasons(self) -> frozenset[str]:
        """The queue's reasons."""
        return frozenset(self.cups.by_name["q"].reasons)

    def answers(self, says: JobStatus | CirrusError, times: int) -> None:
        """Run the poller until the cloud has given this answer this many times."""
        self.api.status = says
        until, until_s = self.asked + times, self.clock.passed_s + 1000
        while self.asked < until:
            self.poller.step()
            assert self.clock.passed_s < until_s, "the cloud is not asked any longer"

    def goes_on_for(self, seconds: float, says: JobStatus | CirrusError) -> None:
        """Run the poller for some seconds."""
        self.api.status = says
        until_s = self.clock.passed_s + seconds
        while self.clock.passed_s < until_s:
            self.poller.step()

    def state(self) -> DeliveryState:
        """The document's state in the journal."""
        return self.document.deliveries[0].status.state

    @property
    def document(self) -> Document:
        """The document in the journal."""
        (document,) = self.journal.documents_of(KEY)
        return document

    def events(self, event: str) -> list[Change]:
        """The changes of one kind that were reported."""
        return [change for change in self.told if change.event == event]


REFUSED = Refused("h refused the request: unknown job.")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site with one job that the cloud has just accepted."""
    made = Site(tmp_path)
    with made.backend, made.journal:
        yield made


def test_a_job_that_the_server_does_not_know_for_a_moment(site: Site) -> None:
    """Refusals within `unknown_after_s` do not make the job unknown; an answer restarts the
    time."""
    site.answers(REFUSED, 1)
    assert site.state() is DeliveryState.SUBMITTED
    site.goes_on_for(UNKNOWN_AFTER_S / 2, REFUSED)
    site.answers(WAITS, 1)
    site.goes_on_for(UNKNOWN_AFTER_S / 2, REFUSED)
    assert site.state() is DeliveryState.SUBMITTED
    assert site.cups.done("release") == []
    site.answers(DONE, 1)
    site.goes_on_for(20, DONE)
    assert site.state() is DeliveryState.DELIVERED
    assert site.cups.done("release") == [1]


def test_a_job_that_the_server_has_forgotten(site: Site) -> None:
    """The job ends as unknown after `unknown_after_s`."""
    site.goes_on_for(3 * UNKNOWN_AFTER_S, REFUSED)
    assert site.state() is DeliveryState.UNKNOWN
    assert site.cups.done("release")[0] == 1


def test_a_job_that_may_come_back(site: Site) -> None:
    """A forgetful server gets more time than one that reports another job."""
    assert MISMATCHED_AFTER_S < UNKNOWN_AFTER_S
    site.goes_on_for(MISMATCHED_AFTER_S + 50, REFUSED)
    assert site.state() is DeliveryState.SUBMITTED


def test_the_state_of_another_job(site: Site) -> None:
    """The state of another job is never recorded for this one, and a passing fault leaves no
    trace."""
    site.goes_on_for(MISMATCHED_AFTER_S / 2, OTHER)
    assert site.state() is DeliveryState.SUBMITTED
    site.answers(WAITS, 1)
    site.goes_on_for(MISMATCHED_AFTER_S / 2, OTHER)
    assert site.state() is DeliveryState.SUBMITTED
    assert not site.events("mismatched")
    assert site.cups.done("release") == []
    site.answers(DONE, 1)
    site.goes_on_for(20, DONE)
    assert site.state() is DeliveryState.DELIVERED
    assert site.cups.done("release") == [1]


def test_one_wrong_answer_after_many_refusals(site: Site) -> None:
    """Each kind of doubt has its own count."""
    site.goes_on_for(UNKNOWN_AFTER_S / 2, REFUSED)
    site.answers(OTHER, 1)
    site.goes_on_for(UNKNOWN_AFTER_S / 2, REFUSED)
    assert site.state() is DeliveryState.SUBMITTED


@pytest.mark.parametrize("onfailure", ["report", "reprint", "stop"])
def test_a_job_that_is_not_the_document(site: Site, onfailure: str) -> None:
    """The log shows a warning, and the backend holds the job.

    Nothing is printed again, and the queue goes on.
    """
    site.options = f"?onfailure={onfailure}"
    site.backend.hand_over([KEY], "hold", URI + site.options, now_s=site.clock.wall_s())
    site.goes_on_for(3 * MISMATCHED_AFTER_S, OTHER)
    assert site.state() is DeliveryState.MISMATCHED
    (change,) = site.events("mismatched")
    assert change.level == WARNING
    assert change.text == (
        "The server's job for Paris:L1 is not the document that was sent: "
        "its size is 4711 bytes instead of 1000"
    )
    assert site.cups.done("release")[0] == 1
    assert (site.document.reprints, site.cups.done("pause")) == (0, [])
    site.backend.close([KEY], now_s=site.clock.wall_s())
    site.goes_on_for(60, OTHER)
    assert not site.reasons


def test_a_delivery_is_noted_before_anybody_is_told(site: Site) -> None:
    """A poller that is killed in between finds the delivery in the journal."""
    site.goes_on_for(20, WAITS)
    seen: list[DeliveryState] = []
    site.cups.at_do = lambda operation: seen.append(site.state())
    site.answers(DONE, 1)
    site.goes_on_for(20, DONE)
    assert set(seen) == {DeliveryState.DELIVERED}
    assert site.cups.done("release") == [1]
    (change,) = site.events("delivered")
    assert (change.level, change.cloud_job_id) == (INFO, "1-1")
    asked = site.asked
    site.goes_on_for(60, DONE)
    assert site.asked == asked


def test_a_deletion_is_worth_a_notice(site: Site) -> None:
    """Failed deliveries have a higher level in the log."""
    deleted = JobStatus(DeliveryState.DELETED)
    site.answers(deleted, 1)
    site.goes_on_for(1, deleted)
    assert site.events("deleted")[0].level == NOTICE


def test_each_state_is_told_once(site: Site) -> None:
    """Repeated answers are not reported."""
    site.answers(WAITS, 3)
    site.answers(RECEIVED, 3)
    site.goes_on_for(1, RECEIVED)
    assert [change.event for change in site.told if change.job_id] == ["received"]
    assert site.cups.done("release") == []


def test_a_job_that_a_backend_has_taken_back(site: Site) -> None:
    """A late answer is not recorded, and the poller stops its queries."""
    site.answers(WAITS, 1)
    (watched,) = site.poller.watch_list
    site.poller.queries.ask(watched.targets[0], lambda: DONE)  # still running
    site.backend.take_back([KEY], now_s=site.clock.wall_s())
    site.goes_on_for(1, DONE)
    assert (site.state(), site.events("delivered")) == (DeliveryState.SUBMITTED, [])
    asked = site.asked
    site.goes_on_for(60, DONE)
    assert site.asked == asked
    assert site.cups.done("release") == []


def test_a_quiet_job_that_a_backend_has_taken_back(site: Site) -> None:
    """The poller stops its queries even without news."""
    site.answers(WAITS, 1)
    site.backend.take_back([KEY], now_s=site.clock.wall_s())
    site.goes_on_for(4, WAITS)
    asked = site.asked
    site.goes_on_for(30, WAITS)
    assert site.asked == asked
    assert len(site.poller.watch_list) == 0


def test_a_document_that_is_handed_over_meanwhile(site: Site) -> None:
    """The queue shows the document within two seconds."""
    site.answers(WAITS, 1)
    site.accept(2)
    site.goes_on_for(2, WAITS)
    assert "2 jobs waiting at Paris" in site.cups.by_name["q"].message


def test_a_job_that_its_backend_hands_over_again(site: Site) -> None:
    """The poller knows the last state, and whether CUPS should hold the job."""
    site.answers(RECEIVED, 1)
    site.goes_on_for(1, RECEIVED)
    site.backend.hand_over([KEY], "complete", URI, now_s=site.clock.wall_s())
    site.goes_on_for(20, RECEIVED)
    assert site.document.state is State.LEFT
    assert site.cups.by_id[1].told != ""
    site.cups.did.clear()
    site.goes_on_for(60, RECEIVED)
    assert site.cups.done("say") == []


def test_a_server_that_is_away(site: Site) -> None:
    """The outage and its end are reported once, and the job keeps its state."""
    site.goes_on_for(200, Unreachable("Cannot reach h."))
    assert site.state() is DeliveryState.SUBMITTED
    (change,) = site.events("server-away")
    assert change.level == WARNING
    assert OFFLINE_REASON in site.reasons
    assert site.asked < 30
    site.answers(RECEIVED, 1)
    site.goes_on_for(20, RECEIVED)
    assert len(site.events("server-back")) == 1
    assert OFFLINE_REASON not in site.reasons


def test_a_busy_server(site: Site) -> None:
    """The server gets no requests before its Retry-After."""
    site.answers(ServerFault("busy", retry_after_s=100), 1)
    asked = site.asked
    site.goes_on_for(95, WAITS)
    assert site.asked == asked
    site.goes_on_for(30, WAITS)
    assert site.asked > asked


@pytest.mark.parametrize("is_missing", [True, False])
def test_a_key_or_an_entry_that_is_wrong(site: Site, *, is_missing: bool) -> None:
    """Other companies of the server are not affected, and the job keeps its state."""
    site.entry_is_missing = is_missing
    site.goes_on_for(30, KeyRefused("401"))
    assert len(site.events("server-away")) == 1
    assert site.poller.availability.trouble_of(parse_queue_uri("cirrus://h/D/Paris:L1")) == ""
    site.entry_is_missing = False
    site.goes_on_for(400, DONE)
    assert site.state() is DeliveryState.DELIVERED


def test_an_unexpected_answer_about_one_job(site: Site) -> None:
    """Only this job shows the problem, and the other jobs do not wait, as the server works for
    them."""
    site.accept(2)

    def answer() -> JobStatus:
        if site.api.asked_for == "1-1":
            raise UnexpectedAnswer("Unexpected response from the server.")
        return RECEIVED if site.clock.passed_s > 60 else WAITS

    site.api.script("job_status", *[answer] * 200)
    site.goes_on_for(100, WAITS)
    assert site.state() is DeliveryState.SUBMITTED
    assert site.document.deliveries[0].status.message == "Unexpected response from the server."
    (second,) = site.journal.documents_of(DocumentKey("urn:uuid:2", 2, 0, URI, 1))
    assert second.deliveries[0].status.state is DeliveryState.RECEIVED


def test_a_location_that_tells_of_an_error(site: Site) -> None:
    """The queue stops once if it has onfailure=stop, and the job is still followed."""
    site.options = "?onfailure=stop"
    site.backend.hand_over([KEY], "hold", URI + site.options, now_s=site.clock.wall_s())
    failing = JobStatus(DeliveryState.SUBMITTED, message="Error: no paper")
    site.answers(failing, 1)
    site.goes_on_for(60, failing)
    assert site.cups.done("pause") == ["q"]
    (change,) = site.events("failing")
    assert change.level == NOTICE
    assert site.cups.done("release") == []


def test_an_error_that_its_backend_was_told(site: Site) -> None:
    """An error that only the backend saw stops the queue, too."""
    site.options = "?onfailure=stop"
    failing = JobStatus(DeliveryState.SUBMITTED, message="Error: no paper")
    site.backend.take_back([KEY], now_s=site.clock.wall_s())
    site.backend.state(KEY, 0, failing, now_s=site.clock.wall_s())
    site.backend.hand_over([KEY], "hold", URI + site.options, now_s=site.clock.wall_s())
    site.goes_on_for(20, failing)
    assert site.cups.done("pause") == ["q"]


def test_a_queue_that_was_enabled_while_a_location_tells_of_an_error(site: Site) -> None:
    """The same error does not stop the queue again, whichever program follows the document."""
    site.options = "?onfailure=stop"
    failing = JobStatus(DeliveryState.SUBMITTED, message="Error: no paper")
    site.backend.hand_over([KEY], "hold", URI + site.options, now_s=site.clock.wall_s())
    site.goes_on_for(20, failing)
    site.backend.take_back([KEY], now_s=site.clock.wall_s())
    site.backend.state(KEY, 0, failing, now_s=site.clock.wall_s())
    site.backend.hand_over([KEY], "hold", URI + site.options, now_s=site.clock.wall_s())
    site.goes_on_for(20, failing)
    with PollerJournal(site.folder) as site.journal:
        site.poller = site.new_poller()
        site.goes_on_for(20, failing)
        assert site.cups.done("pause") == ["q"]
        site.goes_on_for(20, WAITS)
        site.goes_on_for(20, failing)
        assert site.cups.done("pause") == ["q", "q"]  # another error


def test_a_queue_that_cups_does_not_let_stop(site: Site) -> None:
    """A later poller, which may have the right by then, stops the queue."""
    site.options = "?onfailure=stop"
    failing = JobStatus(DeliveryState.SUBMITTED, message="Error: no paper")
    site.backend.hand_over([KEY], "hold", URI + site.options, now_s=site.clock.wall_s())
    site.cups.fails["pause"] = CupsRefused("CUPS refuses this.")
    site.goes_on_for(20, failing)
    del site.cups.fails["pause"]
    with PollerJournal(site.folder) as site.journal:
        site.poller = site.new_poller()
        site.goes_on_for(20, failing)
    assert site.cups.done("pause") == ["q"]


def test_an_answer_that_comes_after_another_hand_over(site: Site) -> None:
    """A backend has recorded a newer state since the query."""
    site.goes_on_for(20, WAITS)
    now_s = site.clock.wall_s()

    def follow(name: str) -> None:
        site.api.at_call = lambda _: None
        site.backend.take_back([KEY], now_s=now_s)
        assert site.backend.state(KEY, 0, DONE, now_s=now_s)
        site.backend.hand_over([KEY], "hold", URI, now_s=now_s)

    site.api.at_call = follow
    site.answers(RECEIVED, 1)
    assert site.state() is DeliveryState.DELIVERED
    assert site.events("received") == []
    site.goes_on_for(20, DONE)
    assert site.cups.done("release") == [1]


def test_it_ends(site: Site) -> None:
    """The next poller can follow the documents at once."""

    def stop() -> None:
        site.clock.stop_requested = site.clock.passed_s > 10

    site.clock.at_sleep = stop
    site.poller.run()
    assert site.asked > 1
    assert [document.key for document in taken(site.journal)] == [KEY]


def test_one_round(site: Site) -> None:
    """Each job is queried once, CUPS is updated, and waiting jobs are released if their server
    works."""
    waiting = DocumentKey("urn:uuid:9", 9, 0, URI, 1)
    job = PrintJob(9, waiting.job_uuid, "u", "Report", 1, "q")
    site.backend.intent(waiting, job, [TARGET], now_s=1.0)
    site.backend.wait(waiting, FOR_SERVER, URI, give_up_at_s=9e9, now_s=1.0)
    site.cups.put(cups_job(9))
    for job_id in (2, 3, 4):
        site.accept(job_id)
    site.clock.passed_s += DAY_S  # old jobs, too
    site.api.status = DONE
    site.poller.run_once()
    assert site.asked == 4
    assert set(site.cups.done("release")) == {1, 2, 3, 4, 9}
    assert len(taken(site.journal)) == 4


def test_one_round_with_a_server_that_is_away(site: Site) -> None:
    """The round ends nevertheless."""
    site.api.status = Unreachable("Cannot reach h.")
    site.poller.run_once()
    assert len(site.events("server-away")) == 1


def test_it_gives_signs_of_life(site: Site) -> None:
    """The doctor and the metrics use them to detect a poller that hangs."""
    told: list[float] = []
    site.poller.at_work = told.append
    for _ in range(3):
        site.goes_on_for(BEAT_S, WAITS)
        sign = site.journal.last_sign()
        assert sign and sign.at_s == told[-1] > site.clock.wall_s() - 2 * BEAT_S


def test_a_location_that_shows_life(site: Site) -> None:
    """A job that a backend follows shows that the location is online."""
    site.goes_on_for(OFFLINE_AFTER_S + 20, WAITS)
    assert "offline" in site.cups.by_name["q"].message
    other = site.accept(2)
    site.backend.take_back([other], now_s=site.clock.wall_s())
    site.backend.state(other, 0, RECEIVED, now_s=site.clock.wall_s())
    site.goes_on_for(20, WAITS)
    assert "offline" not in site.cups.by_name["q"].message


def test_what_is_old_is_forgotten(site: Site) -> None:
    """Documents that are followed stay."""
    old = site.accept(2)
    site.backend.close([old], now_s=site.clock.wall_s())
    site.clock.passed_s += 31 * DAY_S
    site.goes_on_for(PRUNE_S / 100, WAITS)
    assert site.journal.documents_of(old) == []
    assert site.state() is DeliveryState.SUBMITTED
