"""A run of the backend, with a stubbed cloud, a real journal and a test clock."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cirrus_bridge.backend.run import MOST_OPEN_RUNS, OK, BackendRun
from cirrus_bridge.base.errors import (
    BadOption,
    DeliveryEnded,
    DeliveryUnknown,
    Disposition,
    Interrupted,
    JobForgotten,
    KeepsBreaking,
    ProgramRemoved,
    Refused,
    SubmitUnanswered,
    TimeIsOver,
    Unreachable,
)
from cirrus_bridge.base.model import DeliveryState, DeviceOptions, DocumentKey, JobStatus, PrintJob
from cirrus_bridge.config.load import Configuration, UploadSettings
from cirrus_bridge.config.queue_options import QueueSettings
from cirrus_bridge.config.queue_uri import QueueUri, followed_uri, parse_queue_uri
from cirrus_bridge.config.servers import Secret, Server
from cirrus_bridge.cups.job import SpooledDocument
from cirrus_bridge.cups.status_lines import EXIT_CODES, CupsReport
from cirrus_bridge.delivery.tracking import DOUBT_LIMIT
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.lifecycle import State
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.journal.submissions import Journal
from stubs import EPOCH_S, StubApi, StubClock, empty_journal, start_poller, taken

URI = "cirrus://h/C/Paris:L1"
HELD = EXIT_CODES[Disposition.HOLD]
STOPPED = "The job was stopped before it was sent to the cloud; nothing was printed."
RECEIVED, DELIVERED, DELETED = (
    JobStatus(state)
    for state in (DeliveryState.RECEIVED, DeliveryState.DELIVERED, DeliveryState.DELETED)
)


class Killed(BaseException):
    """The process is killed."""


class Site:
    """A queue, and its job with `data`."""

    def __init__(self, folder: Path, journal: Callable[[Path], Journal] = Journal) -> None:
        self.folder = folder
        self.opened = contextlib.ExitStack()
        self.journal = self.opened.enter_context(journal(empty_journal(folder / "state")))
        self.api = StubApi()
        self.clock = StubClock()
        self.said = io.BytesIO()
        self.job = PrintJob(1, "urn:uuid:1", "u", "Report", 1, "q")
        self.uri = URI
        self.asked: list[QueueUri] = []
        self.others_wait = self.is_needed = False
        self.counted = 0

    def print(self, **settings: Any) -> int:
        """Do one run; return its exit code.

        Raises:
            CirrusError: the run's error.
        """
        spool = self.folder / "d00001-001"
        spool.write_bytes(b"x")
        defaults = QueueSettings(**settings)
        entry = Server("h", Secret("k"), "C", ())
        configuration = Configuration(self.folder, defaults, UploadSettings(), (entry,))
        run = BackendRun(
            self.job,
            parse_queue_uri(self.uri, defaults),
            configuration,
            self._api_of,
            self.journal,
            self.clock,
            CupsReport(self.said),
            lambda: self.others_wait,
            lambda: self.counted,
            is_needed=lambda: self.is_needed,
        )
        with spool.open("rb") as stdin, self.clock.stoppable():
            code = run.print(SpooledDocument(self.job, stdin, os.getpid()))
            assert stdin.closed, "a filter could not write to its end"
        return code

    def _api_of(self, queue: QueueUri) -> StubApi:
        self.asked.append(queue)
        return self.api

    @property
    def states(self) -> list[State]:
        """The states of the job's documents in the journal."""
        return [entry.state for entry in self.journal.entries("urn:uuid:1", 1)]

    @property
    def documents(self) -> list[Document]:
        """The documents of the job that the cloud has."""
        entries = self.journal.entries("urn:uuid:1", 1)
        return self.journal.documents_of(entries[0].key)

    @property
    def key(self) -> DocumentKey:
        """The first document."""
        return self.journal.entries("urn:uuid:1", 1)[0].key

    def stops(self) -> None:
        """Have a signal request a stop at the next sleep."""

        def stop() -> None:
            self.clock.stop_requested = True

        self.clock.at_sleep = stop

    def start_poller(self) -> None:
        """A poller begins to follow this journal."""
        self.opened.enter_context(start_poller(self.folder / "state", now_s=self.clock.wall_s()))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A new job, and a cloud whose location fetches nothing."""
    made = Site(tmp_path)
    with made.opened:
        yield made


def _interrupt(*_: object, **__: object) -> None:
    raise Interrupted(STOPPED)


@pytest.mark.parametrize("moment", ["take_back", "held_counts", "hand_over"])
def test_stopped_once_the_cloud_has_it(tmp_path: Path, moment: str) -> None:
    """The message does not deny printing, and the poller gets the document."""

    class InterruptedJournal(Journal):
        def __getattribute__(self, name: str) -> Any:
            if name == moment and not interrupted:
                interrupted.append(name)
                return _interrupt
            return super().__getattribute__(name)

    interrupted: list[str] = []
    site = Site(tmp_path, InterruptedJournal)
    with site.opened:
        code = site.print()
    with PollerJournal(tmp_path / "state") as others:
        (document,) = taken(others)
    assert interrupted
    assert code == 0
    assert document.state is State.LEFT
    assert b"already has the job and will print it: 1-1" in site.said.getvalue()


def test_stopped_while_it_is_followed(site: Site) -> None:
    """CUPS ends the job, and the poller follows the document."""
    site.stops()
    assert site.print() == OK
    assert site.states == [State.LEFT]
    assert b"already has the job and will print it" in site.said.getvalue()


def test_stopped_while_the_answer_is_noted(site: Site) -> None:
    """A stopped run asks the server no further questions."""

    def stop() -> None:
        site.clock.stop_requested = True

    site.api.script("put_file", stop)
    assert site.print() == OK
    assert site.states == [State.LEFT]
    assert "job_status" not in site.api.calls


def test_stopped_before_the_cloud_has_it(site: Site) -> None:
    """A run that is stopped before the submit printed nothing, and the poller gets nothing."""
    site.api.script("put_file", lambda: Refused("no"))
    site.clock.stop_requested = True
    with pytest.raises(Interrupted, match="nothing was printed"):
        site.print()
    assert site.states == []


@pytest.mark.parametrize("handover", ["hold", "complete"])
def test_the_time_is_over_while_it_is_followed(site: Site, handover: str) -> None:
    """At its time limit, a followed job is left to the poller, as after waittimeout."""
    site.start_poller()
    site.api.script("job_status", None, lambda: TimeIsOver("MaxJobTime"))
    assert site.print(handover=handover) == (HELD if handover == "hold" else OK)
    assert site.states == [State.HELD if handover == "hold" else State.LEFT]
    assert site.api.calls.count("put_file") == 1


def test_the_time_is_over_before_the_submit(site: Site) -> None:
    """A job at its time limit runs again if the cloud does not have it."""

    def is_over() -> None:
        raise TimeIsOver("MaxJobTime")

    site.clock.at_sleep = is_over
    site.api.script("put_file", Unreachable("Cannot reach h."))
    with pytest.raises(TimeIsOver):
        site.print()
    assert site.states == [State.SENDING]


def test_waittimeout(site: Site) -> None:
    """After waittimeout, the job is held and the poller has all it needs."""
    site.start_poller()
    assert site.print(wait_timeout_s=30, onfailure="stop") == HELD
    assert 30 <= site.clock.passed_s < 31
    (document,) = site.documents
    assert document.state is State.HELD
    queue = parse_queue_uri(URI, QueueSettings(onfailure="stop"))
    assert document.device_uri == followed_uri(queue)
    assert b"Waiting for delivery at Paris" in site.said.getvalue()
    assert b"The job has not been tracked" not in site.said.getvalue()


def test_no_poller_runs(site: Site) -> None:
    """If no poller runs, the message asks to tell the administrator, and the log says what to
    start."""
    site.print()
    *log, message = site.said.getvalue().splitlines()
    assert b"The job has not been tracked since" in message and b"statusd" not in message
    assert any(b"start cirrus-statusd" in line for line in log)


def test_others_wait(site: Site) -> None:
    """If other jobs wait, the job is left to the poller at once."""
    site.others_wait = True
    with start_poller(site.folder / "state", now_s=EPOCH_S):
        assert site.print(wait_timeout_s=60) == HELD
    assert site.clock.passed_s == 0


def test_others_wait_and_no_poller_runs(site: Site) -> None:
    """Nobody would release the held job, so the job gets a moment to be delivered."""
    site.others_wait = True
    assert site.print(wait_timeout_s=60) == HELD
    assert 0 < site.clock.passed_s < 5


def test_another_job_waits_for_the_process(site: Site) -> None:
    """The job is left to the poller at once; without a poller, the job keeps its process."""
    site.is_needed = True
    site.print(wait_timeout_s=60)
    assert site.clock.passed_s == pytest.approx(60)
    passed_s = site.clock.passed_s
    with start_poller(site.folder / "state", now_s=EPOCH_S):
        assert site.print(wait_timeout_s=60) == HELD
    assert site.clock.passed_s == passed_s


def test_a_job_that_is_delivered(site: Site) -> None:
    """A delivered job ends, and the journal closes its document."""
    site.api.script("job_status", None, RECEIVED, DELIVERED)
    assert site.print() == OK
    (document,) = site.documents
    assert document.state is State.CLOSED
    assert document.deliveries[0].status == DELIVERED
    assert b"Delivered at Paris:L1" in site.said.getvalue()


def test_a_queue_that_waits_for_less(site: Site) -> None:
    """The poller follows the document after the queue's `wait`."""
    site.api.status = RECEIVED
    assert site.print(wait="received") == OK
    assert site.states == [State.LEFT]
    site.job = dataclasses.replace(site.job, job_id=2, job_uuid="urn:uuid:2")
    assert site.print(wait="submitted") == OK
    assert site.api.calls.count("job_status") == 1


def test_a_query_that_is_refused(site: Site) -> None:
    """One refused query does not end the job."""
    site.api.script("job_status", lambda: Refused("unknown job"), DELIVERED)
    assert site.print() == OK
    assert site.documents[0].deliveries[0].status == DELIVERED


def test_queries_that_are_refused(site: Site) -> None:
    """After several refused queries, the job is left to the poller, and its state stays."""
    site.api.status = Refused("unknown job")
    assert site.print() == HELD
    assert site.api.calls.count("job_status") == DOUBT_LIMIT
    (document,) = site.documents
    assert document.state is State.HELD
    assert document.deliveries[0].status.state is DeliveryState.SUBMITTED


@pytest.mark.parametrize("handover", ["hold", "complete"])
def test_the_server_tells_of_another_job(site: Site, handover: str) -> None:
    """The state of another job does not count, and the job is held."""
    site.api.status = dataclasses.replace(DELIVERED, name="Salaries")
    assert site.print(handover=handover) == HELD
    (document,) = site.documents
    assert document.state is State.HELD
    assert document.deliveries[0].status.state is DeliveryState.SUBMITTED


def test_one_answer_about_another_job(site: Site) -> None:
    """One answer about another job changes nothing."""
    site.api.script("job_status", dataclasses.replace(DELIVERED, name="Salaries"))
    assert site.print(handover="complete", wait_timeout_s=5) == OK
    assert site.states == [State.LEFT]


def test_another_member_of_the_class_is_in_doubt(site: Site) -> None:
    """If another member may have printed the document, a person decides."""
    site.job = dataclasses.replace(site.job, class_name="all")
    site.api.knows_keys = True
    site.api.script("put_file", Killed)
    with pytest.raises(Killed):
        site.print()
    site.uri = "cirrus://h/C/Lyon:L2"
    with pytest.raises(SubmitUnanswered):
        site.print()
    assert site.api.calls.count("put_file") == 1
    assert site.states == [State.UNANSWERED]


def test_the_cloud_deletes_the_job(site: Site) -> None:
    """CUPS gets the error, and gets it again at each release of the job."""
    site.api.status = DELETED
    for _ in range(2):
        with pytest.raises(DeliveryEnded, match="Not delivered"):
            site.print()
        assert site.states == [State.CLOSED]
    assert site.api.calls.count("put_file") == 1


def test_the_server_has_forgotten_the_job(site: Site) -> None:
    """An error policy that retries ends after the second run."""
    site.print()
    unknown = JobStatus(DeliveryState.UNKNOWN)
    (document,) = site.documents
    now_s, count = site.clock.wall_s(), document.hand_overs
    assert site.journal.state(document.key, 0, unknown, now_s=now_s, hand_overs=count)
    with pytest.raises(DeliveryUnknown, match="may have been printed"):
        site.print()
    with pytest.raises(DeliveryEnded, match="may have been printed"):
        site.print()
    assert site.api.calls.count("put_file") == 1


def _remove_the_program(site: Site) -> None:
    with PollerJournal(site.folder / "state") as journal:
        journal.let_runs_be_last(are_last=True)


def test_moved_before_the_program_is_removed(site: Site) -> None:
    """A job that another queue has sent does not look unsent."""
    site.print()
    site.job = dataclasses.replace(site.job, queue="other")
    site.uri = "cirrus://h/C/Paris:L2"
    _remove_the_program(site)
    with pytest.raises(ProgramRemoved, match="may already have been printed"):
        site.print()
    assert site.api.calls.count("put_file") == 1


def test_the_program_is_removed_after_a_failed_delivery(site: Site) -> None:
    """CUPS gets the outcome that the journal knows."""
    site.print()
    (document,) = site.documents
    now_s, count = site.clock.wall_s(), document.hand_overs
    assert site.journal.state(document.key, 0, DELETED, now_s=now_s, hand_overs=count)
    _remove_the_program(site)
    with pytest.raises(DeliveryEnded, match="Not delivered"):
        site.print()


def test_the_program_and_its_journal_are_removed(site: Site) -> None:
    """A job that is older than the journal does not look unsent."""
    site.journal.distrust(200)
    site.job = dataclasses.replace(site.job, created_at=100)
    _remove_the_program(site)
    with pytest.raises(ProgramRemoved, match="may already have been printed"):
        site.print()


def test_released_while_the_cloud_has_it(site: Site) -> None:
    """A released job is followed, not sent again, and taken back from the poller."""
    site.print()
    assert site.states == [State.HELD]
    seen: list[State] = []
    site.api.at_call = lambda name: seen.append(site.states[0])
    site.api.status = DELIVERED
    assert site.print() == OK
    assert seen == [State.FOLLOWED]
    assert b"The cloud has this document already; it is not sent again." in site.said.getvalue()


def test_a_reprint(site: Site) -> None:
    """A reprint sends the document again and does not count as a killed run."""
    site.print()
    with PollerJournal(site.folder / "state") as journal:
        journal.reprint([site.key], now_s=site.clock.wall_s())
    (entry,) = site.journal.entries("urn:uuid:1", 1)
    assert (entry.state, entry.open_runs, entry.reprints) == (State.REPRINT, 0, 1)
    assert site.print() == HELD
    assert site.api.calls.count("put_file") == 2


def test_restarted_by_a_person_once_delivered(site: Site) -> None:
    """A finished job that is restarted is a new print."""
    site.api.status = DELIVERED
    site.print()
    site.job = dataclasses.replace(site.job, completed_at=int(EPOCH_S))
    site.print()
    assert site.api.calls.count("put_file") == 2
    site.print()  # cupsd has crashed
    assert site.api.calls.count("put_file") == 2


def test_the_queue_leads_elsewhere_now(site: Site) -> None:
    """After a change of the URI, a sent document is followed at its old place."""
    site.print()
    site.uri, site.api.status = "cirrus://other/D/Lyon:L2", DELIVERED
    site.asked.clear()
    assert site.print() == OK
    assert site.api.calls.count("put_file") == 1
    assert [(queue.server, queue.company) for queue in site.asked] == [("h", "C")]


def test_killed_in_a_row(site: Site) -> None:
    """After repeated kills, the document is held; a release sends it."""
    site.api.script("put_file", *[lambda: Refused("no")] * 2, *[Killed] * MOST_OPEN_RUNS)
    for _ in range(2):  # these have come to their end
        with pytest.raises(Refused):
            site.print()
    for _ in range(MOST_OPEN_RUNS):
        with pytest.raises(Killed):
            site.print(onambiguous="resubmit")
    with pytest.raises(KeepsBreaking, match="5 times"):
        site.print(onambiguous="resubmit")
    site.print(onambiguous="resubmit")
    assert site.states == [State.HELD]


@pytest.mark.parametrize(("created_at", "is_known"), [(100, False), (300, True), (0, True)])
def test_a_journal_that_is_new(site: Site, created_at: int, *, is_known: bool) -> None:
    """A job older than the journal is held until a person decides."""
    site.journal.distrust(200)
    site.job = dataclasses.replace(site.job, created_at=created_at)
    if not is_known:
        with pytest.raises(JobForgotten, match="may be printed already"):
            site.print()
        assert (site.states, site.api.calls) == ([State.UNANSWERED], [])
    site.print()  # which is the person's word
    assert len(site.api.tickets) == 1


def test_several_files(site: Site) -> None:
    """The run for the last file speaks for all; earlier runs end at once."""
    site.job = dataclasses.replace(site.job, documents=2)
    assert site.print() == OK
    assert "job_status" not in site.api.calls
    assert site.states == [State.FOLLOWED]
    site.job = dataclasses.replace(site.job, number=2)
    assert site.print() == HELD
    assert site.states == [State.HELD] * 2
    site.api.status = DELIVERED
    assert site.print() == OK
    assert site.states == [State.CLOSED] * 2


def test_a_file_that_fails(site: Site) -> None:
    """A failure before the last file says that CUPS does not print the others."""
    site.job = dataclasses.replace(site.job, documents=2)
    for number, is_told in ((1, True), (2, False)):
        site.job = dataclasses.replace(site.job, number=number)
        site.api.script("put_file", lambda: Refused("no"))
        with pytest.raises(Refused) as caught:
            site.print()
        assert ("restart the job" in caught.value.consequence) is is_told


@pytest.mark.parametrize(("max_held", "state"), [(2, State.LEFT), (3, State.HELD)])
def test_too_many_jobs_are_held(site: Site, max_held: int, state: State) -> None:
    """A queue holds no more than maxheld of them: CUPS counts held jobs against MaxJobs."""
    for job_id in (2, 3, 1):
        site.job = dataclasses.replace(site.job, job_id=job_id, job_uuid=f"urn:uuid:{job_id}")
        site.print(max_held=max_held)
    assert site.states == [state]


def test_too_many_jobs_of_all_queues_are_held(site: Site) -> None:
    """All queues together hold five times maxheld."""
    for job_id in (2, 3, 4, 5, 6, 1):
        about: dict[str, Any] = {
            "job_uuid": f"urn:uuid:{job_id}",
            "queue": f"q{job_id}",
        }
        site.job = dataclasses.replace(site.job, job_id=job_id, **about)
        site.print(max_held=1)
    assert site.states == [State.LEFT]


def test_a_location_that_is_offline(site: Site) -> None:
    """The message says since when the location is offline."""
    site.api.status = JobStatus(DeliveryState.SUBMITTED)
    site.print(wait_timeout_s=30)
    assert b"offline since" not in site.said.getvalue()
    site.print(wait_timeout_s=60)
    assert b"offline since" in site.said.getvalue()


def test_pages_of_each_document(site: Site) -> None:
    """CUPS counts a whole job, and counts a document again in each of its runs."""
    site.job = dataclasses.replace(site.job, documents=2)
    site.api.script("put_file", lambda: Refused("no"))
    site.counted = 3
    with pytest.raises(Refused):
        site.print()
    site.counted = 6
    site.print()
    site.job = dataclasses.replace(site.job, number=2)
    site.counted = 10
    site.print()
    site.counted = 14  # the filters ran again, and nothing was sent
    site.print()
    assert [entry.pages for entry in site.journal.entries("urn:uuid:1", 1)] == [3, 4]


def test_pages_that_are_counted_once(site: Site) -> None:
    """A document that was held has the pages of its first run, if CUPS counts no others."""
    site.api.script("put_file", lambda: Refused("no"))
    site.counted = 3
    with pytest.raises(Refused):
        site.print()
    site.print()
    assert [entry.pages for entry in site.journal.entries("urn:uuid:1", 1)] == [3]


def test_pages_that_nobody_counted(site: Site) -> None:
    """Without a count of CUPS, the pages are unknown. A count that fails changes nothing."""
    site.print()
    assert site.documents[0].pages is None


def test_a_restarted_job_counts_again(site: Site) -> None:
    """A new print has pages of its own; CUPS's count of the job goes on."""
    site.api.status = DELIVERED
    site.counted = 2
    site.print()
    site.job = dataclasses.replace(site.job, completed_at=99)
    site.counted = 4
    site.print()
    assert [entry.pages for entry in site.journal.entries("urn:uuid:1", 1)] == [2, 2]


def test_pin(site: Site) -> None:
    """The PIN is in the body of the submit, and neither in the journal nor in any message."""
    options = DeviceOptions(pin_prop="Pin")
    site.job = dataclasses.replace(site.job, pin="471147114711", declared=options)
    site.print()
    assert [dict(ticket.secret_props) for ticket in site.api.tickets] == [{"Pin": "471147114711"}]
    assert "put_file" not in site.api.calls
    stored = [path.read_bytes() for path in (site.folder / "state").iterdir() if path.is_file()]
    assert b"471147114711" not in b"".join([*stored, site.said.getvalue()])
    _, form = site.journal.submit_key(site.key)
    other = PrintJob(2, "urn:uuid:2", "u", "Report", 1, "q", pin="1", declared=options)
    site.job = other
    site.print()
    key = site.journal.entries("urn:uuid:2", 2)[0].key
    assert site.journal.submit_key(key)[1] == form, "the digest would give the PIN away"


def test_pin_for_a_device_that_takes_none(site: Site) -> None:
    """Without a way to protect it, the document is not sent."""
    site.job = dataclasses.replace(site.job, pin="4711")
    with pytest.raises(BadOption):
        site.print()
    assert site.api.calls == []
