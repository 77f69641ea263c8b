"""Messages of jobs and queues in CUPS, with a stubbed cupsd, a real journal and a test clock."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cirrus_bridge.base.errors import CupsGone
from cirrus_bridge.base.model import (
    DeliveryState,
    DocumentKey,
    JobStatus,
    Place,
    PrintJob,
    Receipt,
    Target,
)
from cirrus_bridge.base.translation import Words, tr
from cirrus_bridge.config.defaults import OFFLINE_REASON
from cirrus_bridge.config.queue_uri import parse_queue_uri
from cirrus_bridge.cups.jobs import ABORTED, CANCELED, COMPLETED, HELD, PROCESSING
from cirrus_bridge.cups.queues import IDLE, MESSAGE_PREFIX, STOPPED, Queue
from cirrus_bridge.delivery.events import NOTICE, Change
from cirrus_bridge.delivery.messages import (
    OFFLINE_AFTER_S,
)
from cirrus_bridge.journal.lifecycle import State
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.journal.submissions import Journal
from cirrus_bridge.polling.availability import Availability
from cirrus_bridge.polling.watched import WatchedDocument
from cirrus_bridge.statusd.completion import JobCompletion
from cirrus_bridge.statusd.status_messages import StatusMessages
from stubs import PENDING, StubClock, StubCups, cups_job, empty_journal, new_watch_list, taken

TARGET = Target("Paris", "L1")
URI = "cirrus://h/C/Paris:L1"
THEIRS = "Out of toner"


class Site:
    """A poller that follows documents of queue `q`; `other` is another program's queue."""

    def __init__(self, folder: Path) -> None:
        self.backend = Journal(empty_journal(folder))
        self.journal = PollerJournal(folder)
        self.clock = StubClock()
        self.cups = StubCups(q=URI, other="ipp://x/")
        self.told: list[Change] = []
        self.watch_list = new_watch_list()
        self.availability = Availability()
        self.notices: dict[str, Words] = {}
        completion = JobCompletion(self.journal, self.cups, self.clock, self.told.append)
        self.news = StatusMessages(
            self.journal,
            self.cups,
            self.clock,
            completion,
            self.told.append,
            self.watch_list,
            self.availability,
            lambda: self.notices,
        )

    def watch(
        self, number: int = 1, handover: str = "hold", class_name: str = ""
    ) -> WatchedDocument:
        """Follow a document whose job CUPS holds."""
        now_s = self.clock.wall_s()
        key = DocumentKey(f"urn:uuid:{number}", number, 0, URI, 1)
        job = PrintJob(number, key.job_uuid, "ann", "Report", 1, "q", class_name=class_name)
        self.backend.intent(key, job, [TARGET], now_s=now_s)
        self.backend.submitting(key, "ab", 9, 5, submit_key="k", submit_form="f", now_s=now_s)
        self.backend.accepted(key, [Receipt(TARGET, f"1-{number}")], now_s=now_s)
        self.backend.hand_over([key], handover, URI, now_s=now_s)
        (document,) = taken(self.journal, self.watch_list)
        self.cups.put(cups_job(number))
        return self.watch_list.add(document, 0.0, 0.0)

    def ends(self, watched: WatchedDocument, state: DeliveryState) -> None:
        """Record the final state of a document, and close the document."""
        now_s = self.clock.wall_s()
        key, count = watched.document.key, watched.document.hand_overs
        assert self.journal.state(key, 0, JobStatus(state), now_s=now_s, hand_overs=count)
        self.journal.close([key], now_s=now_s)
        self.watch_list.remove(watched)

    def tell(self) -> list[WatchedDocument]:
        """Update CUPS once, and return the documents that were let go."""
        before = list(self.watch_list)
        self.news.tell_jobs()
        left = list(self.watch_list)
        self.news.tell_queues()
        return [watched for watched in before if watched not in left]

    def state(self, watched: WatchedDocument) -> State:
        """The document's state in the journal."""
        key = watched.document.key
        return self.backend.entries(key.job_uuid, key.job_id)[0].state

    def says(self, queue: str = "q") -> tuple[str, frozenset[str]]:
        """The message and reasons of a queue."""
        printer = self.cups.by_name[queue]
        return printer.message, frozenset(printer.reasons)

    def set_queue(self, queue: str, message: str, *reasons: str) -> None:
        """Set the message and reasons of a queue."""
        self.cups.by_name[queue] = Queue(queue, URI, IDLE, message, reasons)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site without documents."""
    made = Site(tmp_path)
    with made.backend, made.journal:
        yield made


def test_a_held_job_and_its_queue(site: Site) -> None:
    """Both show the state, and are written once."""
    site.watch()
    for _ in range(3):
        assert site.tell() == []
    assert site.cups.did == [("say", 1, site.cups.by_id[1].told), ("tell", "q")]
    assert "Waiting for delivery at Paris" in site.cups.by_id[1].told
    assert site.says() == (f"{MESSAGE_PREFIX}1 job waiting at Paris", frozenset())


def test_a_location_that_is_offline(site: Site) -> None:
    """A location counts as offline a minute after a job without a sign of life."""
    site.watch()
    site.clock.passed_s = OFFLINE_AFTER_S
    site.tell()
    assert "offline" not in site.says()[0]
    site.clock.passed_s += 1
    site.tell()
    message, reasons = site.says()
    assert "Paris (offline since" in message
    assert reasons == {OFFLINE_REASON}
    assert "(offline since" in site.cups.by_id[1].told
    site.availability.signs_s[Place("h", "C", "Paris")] = site.clock.wall_s()
    site.tell()
    assert site.says()[1] == frozenset()


def test_a_location_that_goes_offline_after_the_hold(site: Site) -> None:
    """The job's backend runs once more, because only the backend can say so where people look."""
    site.watch()
    site.tell()
    assert site.cups.done("release") == []
    site.clock.passed_s = OFFLINE_AFTER_S + 1
    for _ in range(3):
        site.tell()
        site.cups.put(cups_job(1))  # the run has held the job again, and has said nothing
    assert site.cups.done("release") == [1]
    assert [change.event for change in site.told].count("told-again") == 1


def test_a_job_that_says_that_its_location_is_offline(site: Site) -> None:
    """In its owner's language, the job's own message says so, since whatever time."""
    watched = site.watch()
    watched.document = dataclasses.replace(watched.document, language="de")
    said = "Warten auf die Zustellung am Standort Paris (offline seit 09:12). Der Auftrag ist …"
    site.cups.put(cups_job(1, attributes={"job-printer-state-message": (said,)}))
    site.clock.passed_s = OFFLINE_AFTER_S + 1
    site.tell()
    assert site.cups.done("release") == []


@pytest.mark.parametrize("reason", ["a time", "a stopped queue", "another queue"])
def test_a_job_that_cannot_run_now(site: Site, reason: str) -> None:
    """A person's hold and a stopped queue are respected, and nothing is printed elsewhere."""
    site.watch()
    if reason == "a time":
        site.cups.put(cups_job(1, hold_until="12:30:00"))
    elif reason == "a stopped queue":
        site.cups.by_name["q"] = Queue("q", URI, STOPPED, "", ())
    else:
        site.cups.by_name["q"] = Queue("q", "ipp://x/", IDLE, "", ())
    site.clock.passed_s = OFFLINE_AFTER_S + 1
    site.tell()
    assert site.cups.done("release") == []


@pytest.mark.parametrize("change", [{"queue": "other"}, {"hold_until": "12:30:00"}])
def test_a_job_that_a_person_changes_meanwhile(site: Site, change: dict[str, Any]) -> None:
    """A job that was moved to another printer since the list was read is not printed there, too."""
    site.watch()
    site.clock.passed_s = OFFLINE_AFTER_S + 1

    def move(operation: str) -> None:
        if operation == "say":
            site.cups.put(cups_job(1, **change))

    site.cups.at_do = move
    site.tell()
    assert site.cups.done("say") == [1] and site.cups.done("release") == []
    site.tell()
    assert site.cups.done("release") == []


def test_other_programs_queues(site: Site) -> None:
    """Nothing is written to other programs' queues, and foreign reasons stay."""
    site.set_queue("other", THEIRS, "toner-low")
    site.watch()
    site.tell()
    assert site.cups.done("tell") == ["q"]
    assert site.says("other") == (THEIRS, frozenset({"toner-low"}))


def test_a_message_of_another_program(site: Site) -> None:
    """Only our own messages are removed."""
    site.set_queue("q", THEIRS, "toner-low")
    site.set_queue("other", f"{MESSAGE_PREFIX}1 job waiting at Paris")
    site.tell()
    assert site.cups.done("tell") == ["other"]
    assert site.says("other") == ("", frozenset())
    assert site.says() == (THEIRS, frozenset({"toner-low"}))


def test_a_reason_of_ours(site: Site) -> None:
    """Our reason is removed, though the message is another program's."""
    site.set_queue("q", THEIRS, "cirrus-delivery-failed-warning")  # of an earlier version
    site.tell()
    assert site.cups.done("tell") == ["q"]


def test_an_offline_printer_of_another_program(site: Site) -> None:
    """Its keyword is also ours, but only at a queue of Cirrus Bridge."""
    for queue, uri in (("q", URI), ("other", "ipp://x/")):
        site.cups.by_name[queue] = Queue(queue, uri, IDLE, "", (OFFLINE_REASON,))
    site.tell()
    assert site.cups.done("tell") == ["q"]
    assert site.says("other")[1] == {OFFLINE_REASON}


def test_a_queue_that_was_deleted_meanwhile(site: Site) -> None:
    """The other queues are updated."""
    site.set_queue("q", f"{MESSAGE_PREFIX}old")
    site.set_queue("other", f"{MESSAGE_PREFIX}old")
    site.cups.fails["tell"] = CupsGone("no such printer")
    site.tell()
    assert site.told == []


@pytest.mark.parametrize("how", [CANCELED, None])
def test_a_job_that_was_canceled(site: Site, how: int | None) -> None:
    """The log says that the cloud has the job, and the document is let go. The queue is as before:
    everyone reads its message."""
    watched = site.watch()
    if how is None:
        del site.cups.by_id[1]
    else:
        site.cups.put(cups_job(1, how))
    assert site.tell() == [watched]
    assert site.state(watched) is State.CLOSED
    told = [(change.event, change.level) for change in site.told]
    assert told == [("let-go", NOTICE)]
    assert site.says() == ("", frozenset())


@pytest.mark.parametrize("how", [COMPLETED, ABORTED])
def test_a_job_that_ended_though_it_was_to_be_held(site: Site, how: int) -> None:
    """The document is followed on, for the queue."""
    watched = site.watch()
    site.cups.put(cups_job(1, how))
    assert site.tell() == []
    assert (site.state(watched), watched.is_held) == (State.LEFT, False)


@pytest.mark.parametrize("state", [PENDING, PROCESSING])
def test_a_job_that_a_person_has_released(site: Site, state: int) -> None:
    """Its backend sets its messages."""
    watched = site.watch()
    site.cups.put(cups_job(1, state))
    assert site.tell() == []
    assert (site.cups.done("say"), site.state(watched)) == ([], State.HELD)


@pytest.mark.parametrize("state", [PENDING, HELD, CANCELED, None])
def test_a_job_whose_end_is_known(site: Site, state: int | None) -> None:
    """The backend or the completion ends the job."""
    watched = site.watch()
    watched.targets[0].learn(JobStatus(DeliveryState.DELIVERED))
    if state is None:
        del site.cups.by_id[1]
    else:
        site.cups.put(cups_job(1, state))
    assert site.tell() == []
    assert site.state(watched) is State.HELD
    assert site.cups.done("say") == []


def test_a_job_that_ends_while_it_is_looked_at(site: Site) -> None:
    """The list of jobs may lack a new job, or show an ended one."""
    watched = site.watch()
    site.cups.too_young.add(1)
    assert site.tell() == []
    assert site.state(watched) is State.HELD


def test_a_job_of_another_with_the_same_id(site: Site) -> None:
    """Job ids start again with a new spool, so the job gets no message."""
    watched = site.watch()
    site.cups.put(cups_job(1, job_uuid="urn:uuid:x"))
    assert site.tell() == [watched]
    assert site.cups.done("say") == []


def test_a_job_that_is_printed_again(site: Site) -> None:
    """CUPS shows the new print."""
    watched = site.watch()
    again = watched.document.key._replace(print_run=9)
    job = PrintJob(1, again.job_uuid, "ann", "Report", 1, "q")
    site.backend.intent(again, job, [TARGET], now_s=1.0)
    assert site.tell() == [watched]
    assert site.cups.done("say") == []


def test_a_job_of_a_class(site: Site) -> None:
    """The job moves to the member that sent the document, before a person may release the job."""
    site.watch(class_name="all")
    site.cups.put(cups_job(1, queue="all"))
    site.tell()
    assert site.cups.did[0] == ("move", 1, "q")
    assert site.cups.done("say") == [1]


def test_a_job_that_was_moved_and_printed_there(site: Site) -> None:
    """The job's message belongs to its print there."""
    watched = site.watch()
    there = watched.document.key._replace(destination="cirrus://h/C/Rome:L1")
    job = PrintJob(1, there.job_uuid, "ann", "Report", 1, "other")
    site.backend.intent(there, job, [TARGET], now_s=1.0)
    site.backend.submitting(there, "ab", 9, 5, submit_key="k", submit_form="f", now_s=1.0)
    site.backend.accepted(there, [Receipt(TARGET, "7-7")], now_s=1.0)
    site.cups.put(cups_job(1, queue="other"))
    site.tell()
    assert site.cups.done("say") == []


def test_what_was_not_delivered(site: Site) -> None:
    """One person's failed job is not the state of everyone's queue."""
    site.watch(2)
    site.ends(site.watch(1), DeliveryState.DELETED)
    site.tell()
    assert site.says() == (f"{MESSAGE_PREFIX}1 job waiting at Paris", frozenset())


def test_a_cloud_that_cannot_be_asked(site: Site) -> None:
    """The trouble of a server or of a company is news once, and one answer ends it."""
    watched = site.watch()
    sibling = parse_queue_uri("cirrus://h/D/Paris:L1")
    assert site.availability.has_trouble(watched.queue, "Wrong key.", of_company=True)
    assert not site.availability.has_trouble(watched.queue, "Wrong key.", of_company=True)
    assert site.availability.trouble_of(sibling) == ""
    site.tell()
    assert "Wrong key." in site.says()[0]
    assert site.says()[1] == {OFFLINE_REASON}
    assert site.availability.has_trouble(sibling, "Away.", of_company=False)
    assert site.availability.trouble_of(sibling) == "Away."
    assert site.availability.trouble_of(watched.queue) == "Wrong key."
    assert site.availability.trouble_is_over(watched.queue)
    assert not site.availability.trouble_is_over(watched.queue)
    assert site.availability.trouble_of(sibling) == ""
    site.tell()
    assert site.says() == (f"{MESSAGE_PREFIX}1 job waiting at Paris", frozenset())


def test_jobs_that_wait_for_a_server(site: Site) -> None:
    """The queue shows them, though the poller follows no document of the queue."""
    site.notices["q"] = tr("2 jobs are held until h works again")
    site.tell()
    message, reasons = site.says()
    assert message == f"{MESSAGE_PREFIX}2 jobs are held until h works again"
    assert reasons == {OFFLINE_REASON}
    site.notices.clear()
    site.tell()
    assert site.says() == ("", frozenset())
