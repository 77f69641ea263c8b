"""Runs whose server reports the state of another job, over real HTTP and with a real journal."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cirrus_bridge.api.client import clients_of
from cirrus_bridge.backend.run import OK, BackendRun
from cirrus_bridge.base.errors import Disposition, RepeatedId, StatusMismatch
from cirrus_bridge.base.model import DeliveryState, JobStatus, PrintJob
from cirrus_bridge.config.load import Configuration, UploadSettings
from cirrus_bridge.config.queue_options import QueueSettings
from cirrus_bridge.config.queue_uri import parse_queue_uri
from cirrus_bridge.config.servers import Secret, Server
from cirrus_bridge.cups.job import SpooledDocument
from cirrus_bridge.cups.status_lines import EXIT_CODES, CupsReport
from cirrus_bridge.delivery.tracking import DOUBT_LIMIT
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.lifecycle import State
from cirrus_bridge.journal.submissions import Journal
from scripted_server import Answer, Request, ScriptedServer
from stubs import StubClock

HELD = EXIT_CODES[Disposition.HOLD]
DATA = b"x" * 1000
OURS = '{"State": 2, "Name": "Report", "Size": 1000}'
OTHER = '{"State": 2, "Name": "Salaries", "Size": 4711}'


class Site:
    """A queue to a server that answers by `status` and gives the ids of `ids` in order."""

    def __init__(self, folder: Path, status: Callable[[int], str], **settings: Any) -> None:
        self._folder = folder
        self._status = status
        self._settings = QueueSettings(encryption="never", **settings)
        self.server = ScriptedServer(self._script)
        self.journal = Journal(folder / "state")
        self.targets, self.ids = "Paris:L1", ["1-1"]
        self.submits = self.asked = 0
        self.said = io.BytesIO()

    def _script(self, request: Request) -> Answer:
        if request.method == "PUT":
            self.submits += 1
            return Answer(self.ids[min(self.submits, len(self.ids)) - 1])
        if request.path == "/api/version":
            return Answer("a\nb\nc\nd", headers={"Idempotency-Supported": "1"})
        self.asked += 1
        return Answer(self._status(self.asked))

    def print(self, job_id: int = 1) -> int:
        """Do one run and return its exit code.

        Raises:
            CirrusError: the run failed.
        """
        spool = self._folder / "d00001-001"
        spool.write_bytes(DATA)
        entry = Server(self.server.name, Secret("k"), "Acme", ())
        configuration = Configuration(self._folder, self._settings, UploadSettings(), (entry,))
        queue = parse_queue_uri(f"cirrus://{self.server.name}/Acme/{self.targets}", self._settings)
        job = PrintJob(
            job_id,
            f"urn:uuid:{job_id}",
            "u",
            "Report",
            1,
            "q",
        )
        report = CupsReport(self.said)
        api_of = clients_of(configuration)
        asks = (lambda: False, lambda: 0)
        run = BackendRun(
            job, queue, configuration, api_of, self.journal, StubClock(), report, *asks
        )
        with spool.open("rb") as stdin:
            return run.print(SpooledDocument(job, stdin, os.getpid()))

    def document(self) -> Document:
        """The document's entry in the journal."""
        key = self.journal.entries("urn:uuid:1", 1)[0].key
        (document,) = self.journal.documents_of(key)
        return document

    def state(self) -> DeliveryState:
        """The document's state in the journal."""
        return self.document().deliveries[0].status.state


@pytest.fixture
def site_of(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Create sites, and close them at the end."""
    with contextlib.ExitStack() as stack:

        def make(status: Callable[[int], str], **settings: Any) -> Site:
            site = Site(tmp_path, status, **settings)
            stack.enter_context(site.server)
            stack.enter_context(site.journal)
            return site

        yield make


SiteOf = Callable[..., Site]


def test_what_was_sent_is_known_later(site_of: SiteOf) -> None:
    """The journal keeps title, size and upload size for everything that follows the document."""
    site = site_of(lambda _: OURS)
    assert site.print() == OK
    document = site.document()
    assert (document.title, document.size_bytes) == ("Report", len(DATA))
    assert 0 < document.sent_bytes < len(DATA)


def test_another_job_is_told_of_for_a_moment(site_of: SiteOf) -> None:
    """A proxy may mix up answers: the server is asked again, and its correct answer counts."""
    site = site_of(lambda count: OTHER if count <= 3 else OURS)
    assert site.print() == OK
    assert (site.asked, site.state()) == (4, DeliveryState.DELIVERED)


@pytest.mark.parametrize("handover", ["hold", "complete"])
@pytest.mark.parametrize("wait", ["received", "delivered"])
def test_another_job_is_told_of_all_the_time(site_of: SiteOf, handover: str, wait: str) -> None:
    """The job is held, not completed, whatever the queue's settings. The poller decides."""
    site = site_of(lambda _: OTHER, handover=handover, wait=wait)
    assert site.print() == HELD
    assert (site.asked, site.state()) == (DOUBT_LIMIT, DeliveryState.SUBMITTED)
    assert site.document().state is State.HELD


@pytest.mark.parametrize("wait", ["received", "delivered"])
def test_a_job_that_waits_for_its_release(site_of: SiteOf, wait: str) -> None:
    """The owner may come tomorrow, so the run leaves the job to the poller at once."""
    unreleased = '{"State": 0, "Message": "Waiting for release"}'
    site = site_of(lambda _: unreleased, wait=wait, wait_timeout_s=0)
    assert site.print() == HELD
    assert site.asked == 1
    assert site.document().state is State.HELD
    assert "Waiting for release at Paris:L1. " in site.said.getvalue().decode()


@pytest.mark.parametrize("wait", ["submitted", "received", "delivered"])
def test_a_job_that_is_not_the_document(site_of: SiteOf, wait: str) -> None:
    """After the decision, each run reports the mismatch and sends nothing."""
    site = site_of(lambda _: '{"State": 0}', wait=wait, wait_timeout_s=1)
    site.print()
    mismatched = JobStatus(DeliveryState.MISMATCHED, message="its size is 5 bytes instead of 1000")
    document = site.document()
    assert site.journal.state(
        document.key, 0, mismatched, now_s=document.accepted_at_s, hand_overs=document.hand_overs
    )
    for _ in range(2):
        with pytest.raises(StatusMismatch, match=r"its size is 5 bytes.*Look at the printer"):
            site.print()
    assert site.submits == 1
    assert StatusMismatch.disposition is Disposition.HOLD


def test_one_of_several_targets_is_not_the_document(site_of: SiteOf) -> None:
    """A mismatch at one target keeps the job from ending as received by the other one."""
    site = site_of(lambda count: '{"State": 1}' if count == 1 else OTHER, wait="received")
    site.targets, site.ids = "Paris:L1;Lyon:L2", ["1-1\n1-2"]
    assert site.print() == HELD
    mismatched = JobStatus(DeliveryState.MISMATCHED)
    document = site.document()
    assert site.journal.state(
        document.key, 1, mismatched, now_s=document.accepted_at_s, hand_overs=document.hand_overs
    )
    with pytest.raises(StatusMismatch, match=r"Received at Paris; .*Lyon:L2 is not the document"):
        site.print()


def test_an_id_that_another_job_has(site_of: SiteOf) -> None:
    """The second job is held with a message, not followed or sent again.

    The first job is unchanged.
    """
    site = site_of(lambda _: OURS)
    assert site.print(1) == OK
    with pytest.raises(RepeatedId, match=r"gave this job the id 1-1.*may be printed"):
        site.print(2)
    assert site.submits == 2
    (entry,) = site.journal.entries("urn:uuid:2", 2)
    assert entry.state is State.UNANSWERED
    assert site.journal.documents_of(entry.key) == []
    assert site.state() is DeliveryState.DELIVERED


def test_a_person_releases_the_job_with_that_id(site_of: SiteOf) -> None:
    """A released job is sent once more."""
    site = site_of(lambda _: OURS)
    site.ids = ["1-1", "1-1", "1-2"]
    assert site.print(1) == OK
    with pytest.raises(RepeatedId):
        site.print(2)
    assert site.print(2) == OK
    assert site.submits == 3


@pytest.mark.parametrize("onambiguous", ["hold", "resubmit", "drop"])
def test_no_policy_repeats_it(site_of: SiteOf, onambiguous: str) -> None:
    """No `onambiguous` repeats the submit: a server that repeats ids would print each time."""
    site = site_of(lambda _: OURS, onambiguous=onambiguous)
    assert site.print(1) == OK
    with pytest.raises(RepeatedId):
        site.print(2)
    assert site.submits == 2
