"""Completion of settled jobs, with a real journal, a stubbed cupsd and a test clock."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from cirrus_bridge.base.errors import CupsAway, CupsNotPossible, CupsRefused
from cirrus_bridge.base.model import (
    DeliveryState,
    DocumentKey,
    JobStatus,
    PrintJob,
    Receipt,
    Target,
)
from cirrus_bridge.cups.jobs import (
    ABORTED,
    CANCELED,
    COMPLETED,
    FINAL,
    PROCESSING,
    operator_message,
)
from cirrus_bridge.cups.queues import STOPPED
from cirrus_bridge.delivery.events import INFO, NOTICE, WARNING
from cirrus_bridge.journal.lifecycle import State
from cirrus_bridge.polling.watched import WatchedDocument
from cirrus_bridge.statusd.completion import JobCompletion
from stubs import KEY, PENDING, TARGET, URI, PollerSite, StubCups, cups_job, new_watch_list, taken

LYON = Target("Lyon", "L2")
DELIVERED, DELETED = DeliveryState.DELIVERED, DeliveryState.DELETED


class Site(PollerSite):
    """The part of a poller that completes settled jobs; job 1 is held at queue `q`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.cups = StubCups(cups_job(1), q=URI, same=f"{URI}?wait=received", ipp="ipp://x/")
        self.completion = JobCompletion(self.journal, self.cups, self.clock, self.told.append)
        self.watch_list = new_watch_list()

    def watch(
        self,
        *states: DeliveryState,
        options: str = "",
        handover: str = "hold",
        class_name: str = "",
        language: str = "",
        key: DocumentKey = KEY,
    ) -> WatchedDocument:
        """Follow a document whose targets have these states."""
        now_s = self.clock.wall_s()
        targets = [TARGET, LYON][: len(states)]
        job = PrintJob(1, key.job_uuid, "ann", "Report", 1, "q")
        job = dataclasses.replace(job, class_name=class_name, language=language)
        receipts = [Receipt(target, f"{key.number}-{key.print_run}") for target in targets]
        self.backend.intent(key, job, targets, now_s=now_s)
        self.backend.submitting(key, "ab", 9, 5, submit_key="k", submit_form="f", now_s=now_s)
        assert not self.backend.accepted(key, receipts, now_s=now_s)
        self.backend.hand_over([key], handover, f"{key.destination}{options}", now_s=now_s)
        return self.take(*states)

    def take(self, *states: DeliveryState) -> WatchedDocument:
        """Follow the document that was handed over."""
        (document,) = taken(self.journal, self.watch_list)
        watched = self.watch_list.add(document, 0.0, 0.0)
        for target, state in zip(watched.targets, states, strict=True):
            target.learn(JobStatus(state))
        return watched


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site whose cloud has no jobs yet."""
    with Site(tmp_path) as made:
        yield made


def test_a_held_job(site: Site) -> None:
    """The job is released; its backend finds the outcome in the journal, where nothing is
    closed."""
    watched = site.watch(DELIVERED)
    assert not site.completion.settle([watched])
    assert site.cups.did == [("release", 1)]
    assert (site.state(), site.events) == (State.HELD, [("released", INFO)])
    assert "Delivered at Paris:L1" in site.told[0].text


def test_a_held_job_that_has_a_message(site: Site) -> None:
    """The message about the wait is removed."""
    watched = site.watch(DELIVERED)
    site.cups.put(cups_job(1, message="Waiting", told="Waiting"))
    site.completion.settle([watched])
    assert site.cups.did == [("say", 1, ""), ("release", 1)]


def test_a_job_that_something_else_holds(site: Site) -> None:
    """The job is released less and less often.

    Its problem may pass, and an outage of cupsd may have swallowed the first release.
    """
    watched = site.watch(DELIVERED)
    released_s = []
    for second in range(0, 300, 15):
        site.clock.passed_s = float(second)
        site.cups.put(cups_job(1))
        assert not site.completion.settle([watched])
        if site.cups.done("release"):
            released_s.append(second)
            site.cups.did.clear()
    assert released_s == [0, 30, 90, 210]


@pytest.mark.parametrize("state", [PENDING, PROCESSING])
def test_a_job_that_is_no_longer_held(site: Site, state: int) -> None:
    """After a release by a person or by this poller, the backend ends the job."""
    watched = site.watch(DELIVERED)
    site.cups.put(cups_job(1, state))
    assert not site.completion.settle([watched])
    assert (site.cups.did, site.state()) == ([], State.HELD)


def test_a_person_is_quicker(site: Site) -> None:
    """A release that fails is not reported."""
    watched = site.watch(DELIVERED)
    site.cups.fails["release"] = CupsNotPossible("The job is not held.")
    assert not site.completion.settle([watched])
    assert site.told == []


@pytest.mark.parametrize("how", [*FINAL, None])
@pytest.mark.parametrize("handover", ["hold", "complete"])
def test_a_job_that_cups_has_ended(site: Site, how: int | None, handover: str) -> None:
    """The document is closed, and CUPS is left alone."""
    watched = site.watch(DELIVERED, handover=handover)
    if how is None:
        del site.cups.by_id[1]
    else:
        site.cups.put(cups_job(1, how))
    assert site.completion.settle([watched])
    assert (site.cups.did, site.told, site.state()) == ([], [], State.CLOSED)


def test_a_job_that_was_left_to_the_poller_is_held_now(site: Site) -> None:
    """A person may have restarted the job; that print is not released."""
    watched = site.watch(DELIVERED, handover="complete")
    assert site.completion.settle([watched])
    assert (site.cups.did, site.state()) == ([], State.CLOSED)


def test_a_job_of_another_with_the_same_id(site: Site) -> None:
    """Job ids start again with a new spool, so the job is not released."""
    watched = site.watch(DELIVERED)
    site.cups.put(cups_job(1, job_uuid="urn:uuid:x"))
    assert site.completion.settle([watched])
    assert (site.cups.did, site.state()) == ([], State.CLOSED)


def test_a_job_that_is_printed_again(site: Site) -> None:
    """CUPS shows the new print, so the old document is closed."""
    watched = site.watch(DELIVERED)
    again = KEY._replace(print_run=99)
    site.backend.intent(
        again, PrintJob(1, KEY.job_uuid, "ann", "Report", 1, "q"), [TARGET], now_s=1.0
    )
    assert site.completion.settle([watched])
    assert (site.cups.did, site.state()) == ([], State.CLOSED)


# --- jobs that were moved, or sent to a class


def test_a_job_of_a_class(site: Site) -> None:
    """The job moves to the member that sent the document; another member would print it again."""
    watched = site.watch(DELIVERED, class_name="all")
    site.cups.put(cups_job(1, queue="all"))
    site.completion.settle([watched])
    assert site.cups.did == [("move", 1, "q"), ("release", 1)]


@pytest.mark.parametrize("error", [CupsNotPossible("no"), None])
def test_a_job_of_a_class_that_cannot_go_there(site: Site, error: CupsNotPossible | None) -> None:
    """If the member or the job is gone, the job is not released, but shows the outcome."""
    watched = site.watch(DELIVERED, class_name="all")
    site.cups.put(cups_job(1, queue="all"))
    if error:
        site.cups.fails["move"] = error
    else:
        del site.cups.by_name["q"]
    assert site.completion.settle([watched])
    assert site.cups.done("release") == []
    assert "A release would print this job again" in str(site.cups.did[-1])
    assert site.state() is State.CLOSED


@pytest.mark.parametrize(("queue", "is_released"), [("same", True), ("ipp", False), ("x", False)])
def test_a_job_that_was_moved(site: Site, queue: str, *, is_released: bool) -> None:
    """The job is released only if its new queue leads to the same destination."""
    watched = site.watch(DELIVERED)
    site.cups.put(cups_job(1, queue=queue))
    assert site.completion.settle([watched]) is not is_released
    assert site.cups.done("release") == [1] * is_released
    assert site.cups.done("say") == [1] * (not is_released)
    assert site.state() is (State.HELD if is_released else State.CLOSED)


def test_a_queue_that_another_program_serves_now(site: Site) -> None:
    """The job is not released, as the other program would print the document."""
    watched = site.watch(DELIVERED)
    site.cups = StubCups(cups_job(1), q="ipp://printer/")
    site.completion.cups = site.cups
    assert site.completion.settle([watched])
    assert site.cups.done("release") == []


def test_a_job_that_was_moved_and_printed_there(site: Site) -> None:
    """The job's message belongs to its print there, so the job is left alone."""
    watched = site.watch(DELIVERED)
    site.backend.intent(
        KEY._replace(destination="cirrus://h/C/Rome:L1"),
        PrintJob(1, KEY.job_uuid, "ann", "Report", 1, "ipp"),
        [TARGET],
        now_s=1.0,
    )
    rome = KEY._replace(destination="cirrus://h/C/Rome:L1")
    site.backend.submitting(rome, "ab", 9, 5, submit_key="k", submit_form="f", now_s=1.0)
    site.backend.accepted(rome, [Receipt(TARGET, "7-7")], now_s=1.0)
    site.cups.put(cups_job(1, queue="ipp"))
    assert site.completion.settle([watched])
    assert (site.cups.did, site.state()) == ([], State.CLOSED)


# --- failed deliveries


def test_onfailure_is_report(site: Site) -> None:
    """The backend reports the failure."""
    watched = site.watch(DELETED)
    site.completion.settle([watched])
    assert site.cups.did == [("release", 1)]
    assert site.state() is State.HELD


def test_a_reprint(site: Site) -> None:
    """The journal records the reprint before the release, and a document is printed again only
    once."""
    watched = site.watch(DELETED, options="?onfailure=reprint")
    assert not site.completion.settle([watched])
    assert site.cups.did == [("release", 1)]
    assert site.events == [("reprinted", NOTICE), ("released", INFO)]
    assert site.state() is State.REPRINT
    site.cups.put(cups_job(1))
    site.clock.passed_s += 1000
    again = site.watch(DELETED, options="?onfailure=reprint")
    assert again.document.reprints == 1
    site.completion.settle([again])
    assert site.events[2:] == [("not-reprinted", WARNING), ("released", INFO)]
    assert site.state() is State.HELD


def test_what_is_sent_again_is_not_closed(site: Site) -> None:
    """A backend may already be sending the document."""
    watched = site.watch(DELETED, options="?onfailure=reprint")
    site.completion.settle([watched])
    site.completion.close([watched])
    assert site.state() is State.REPRINT


def test_a_poller_that_is_killed_before_it_releases_a_reprint(site: Site) -> None:
    """The journal tells the next run to send the document."""
    watched = site.watch(DELETED, options="?onfailure=reprint")
    site.cups.fails["release"] = CupsAway("cupsd does not answer.")
    with pytest.raises(CupsAway):
        site.completion.settle([watched])
    assert site.state() is State.REPRINT


@pytest.mark.parametrize(
    "states",
    [
        (DELETED, DELIVERED),
        (DELETED, DeliveryState.SAVED),
        (DELETED, DeliveryState.TRASHED),
        (DELETED, DeliveryState.UNKNOWN),
        (DELETED, DeliveryState.RECEIVED),
        (DeliveryState.UNKNOWN,),
    ],
)
@pytest.mark.parametrize("handover", ["hold", "complete"])
def test_nothing_is_reprinted_that_somebody_may_have(
    site: Site, states: tuple[DeliveryState, ...], handover: str
) -> None:
    """A single target that may have the document is enough."""
    watched = site.watch(*states, options=";Lyon:L2?onfailure=reprint", handover=handover)
    if handover == "complete":
        site.cups.put(cups_job(1, COMPLETED))
    site.completion.settle([watched])
    assert ("not-reprinted", WARNING) in site.events
    assert site.cups.done("restart") == []
    assert site.state() is (State.HELD if handover == "hold" else State.CLOSED)


def test_one_of_two_files_may_have_come_out(site: Site) -> None:
    """CUPS could only restart both files, so nothing is printed again."""
    first = site.watch(DELETED, options="?onfailure=reprint", handover="complete")
    other = KEY._replace(number=2)
    second = site.watch(DELIVERED, options="?onfailure=reprint", handover="complete", key=other)
    site.cups.put(cups_job(1, COMPLETED))
    assert site.completion.settle([first, second])
    assert site.events == [("not-reprinted", WARNING)]
    assert site.cups.did == []


def test_one_of_two_files_of_a_held_job(site: Site) -> None:
    """Only the failed file is printed again."""
    first = site.watch(DELETED, options="?onfailure=reprint")
    other = KEY._replace(number=2)
    second = site.watch(DELIVERED, options="?onfailure=reprint", key=other)
    site.completion.settle([first, second])
    assert (site.state(), site.state(other)) == (State.REPRINT, State.HELD)


@pytest.mark.parametrize(
    ("how", "print_run", "is_restarted"),
    [(COMPLETED, 0, True), (COMPLETED, 5, False), (ABORTED, 0, False), (None, 0, False)],
)
def test_the_reprint_of_a_job_that_cups_has_ended(
    site: Site, how: int | None, print_run: int, *, is_restarted: bool
) -> None:
    """CUPS restarts the job once, if it still has the job."""
    key = KEY._replace(print_run=print_run)
    watched = site.watch(DELETED, options="?onfailure=reprint", handover="complete", key=key)
    if how:
        site.cups.put(cups_job(1, how))
    else:
        del site.cups.by_id[1]
    assert site.completion.settle([watched])
    assert site.cups.done("restart") == [1] * is_restarted
    assert site.events == [("reprinted", NOTICE) if is_restarted else ("not-reprinted", WARNING)]
    assert site.state(key) is State.CLOSED


def test_a_job_is_closed_before_it_is_restarted(site: Site) -> None:
    """A poller that is killed in between does not print twice."""
    watched = site.watch(DELETED, options="?onfailure=reprint", handover="complete")
    site.cups.put(cups_job(1, COMPLETED))
    site.cups.fails["restart"] = CupsAway("cupsd does not answer.")
    with pytest.raises(CupsAway):
        site.completion.settle([watched])
    assert site.state() is State.CLOSED


def test_cups_refuses_to_restart_it(site: Site) -> None:
    """The poller reports the refusal."""
    watched = site.watch(DELETED, options="?onfailure=reprint", handover="complete")
    site.cups.put(cups_job(1, COMPLETED))
    site.cups.fails["restart"] = CupsRefused("CUPS has no files of it.")
    assert site.completion.settle([watched])
    assert site.events == [("not-reprinted", WARNING)]
    assert "no files" in site.told[0].text


@pytest.mark.parametrize("handover", ["hold", "complete"])
@pytest.mark.parametrize("is_stopped", [True, False])
def test_onfailure_stops_the_queue(site: Site, handover: str, *, is_stopped: bool) -> None:
    """The queue shows the reason, unless the queue was already stopped."""
    watched = site.watch(DELETED, options="?onfailure=stop", handover=handover)
    if handover == "complete":
        site.cups.put(cups_job(1, COMPLETED))
    if is_stopped:
        site.cups.pause("q", "by a person")
        site.cups.did.clear()
    site.completion.settle([watched])
    assert site.cups.done("pause") == ["q"]
    assert site.cups.by_name["q"].state == STOPPED
    assert ("was not delivered" in site.cups.by_name["q"].message) is not is_stopped
    assert (("stopped", NOTICE) in site.events) is not is_stopped


@pytest.mark.parametrize("policy", ["reprint", "stop"])
def test_a_job_that_was_canceled(site: Site, policy: str) -> None:
    """A person who cancels a job wants neither a reprint nor a stopped queue."""
    watched = site.watch(DELETED, options=f"?onfailure={policy}")
    site.cups.put(cups_job(1, CANCELED))
    assert site.completion.settle([watched])
    assert (site.cups.did, site.told, site.state()) == ([], [], State.CLOSED)


@pytest.mark.parametrize(
    ("at_lyon", "stops"), [(DELIVERED, True), (DeliveryState.MISMATCHED, False)]
)
def test_onfailure_waits_for_a_person(site: Site, at_lyon: DeliveryState, *, stops: bool) -> None:
    """Nothing happens automatically while a person has to check one target, even if another target
    failed."""
    watched = site.watch(DELETED, at_lyon, options=";Lyon:L2?onfailure=stop")
    assert not site.completion.settle([watched])
    assert site.cups.done("pause") == ["q"] * stops
    assert site.cups.done("release") == [1]


# --- messages


def test_a_message_is_written_once(site: Site) -> None:
    """CUPS writes its jobs to the disk for each message; the language is the job's."""
    watched = site.watch(DELIVERED, language="de_DE")
    text = "Waiting"
    site.completion.say(site.cups.by_id[1], watched, text)
    site.completion.say(site.cups.by_id[1], watched, text)
    assert site.cups.did == [("say", 1, text)]
    site.cups.did.clear()
    site.completion.say(cups_job(1, message=text), watched, text)
    assert site.cups.did == []
    for message in (text, ""):
        site.cups.did.clear()
        told = cups_job(1, message=message, told=operator_message("x"))
        site.completion.say(told, watched, "")
        assert site.cups.did == [("say", 1, "")]


def test_a_message_for_a_job_that_has_ended(site: Site) -> None:
    """The refusal of CUPS is ignored."""
    watched = site.watch(DELIVERED)
    site.cups.fails["say"] = CupsNotPossible("It is completed.")
    site.completion.say(site.cups.by_id[1], watched, "Waiting")
