"""The poller's thread, with a real journal and clock, and a stubbed cloud."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import JournalDamaged
from cirrus_bridge.base.model import DeliveryState, DocumentKey, JobStatus, PrintJob, Receipt
from cirrus_bridge.config.load import PollerSettings
from cirrus_bridge.config.queue_uri import parse_queue_uri
from cirrus_bridge.delivery.events import Change
from cirrus_bridge.delivery.tracking import TrackedDelivery
from cirrus_bridge.ipp_server.delivery_poller import DeliveryPoller
from cirrus_bridge.journal.lifecycle import State
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.journal.submissions import Journal
from stubs import KEY, TARGET, URI, empty_journal, start_poller

LIMIT_S = 60.0


class Site:
    """A service's poller whose cloud has delivered each document."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.news: list[tuple[DocumentKey, bool]] = []
        self.told: list[Change] = []
        self.error: Exception | None = None  # for the next change
        self.settled, self.failed = threading.Event(), threading.Event()
        self.waits, self.replaced = threading.Event(), threading.Event()
        self.at_work, self.interrupted = threading.Event(), threading.Event()
        self.poller = DeliveryPoller(
            folder=folder,
            clock=self.clock,
            settings=PollerSettings(),
            queue_of=parse_queue_uri,
            status_of=lambda _: lambda _: JobStatus(DeliveryState.DELIVERED),
            tell=self._tell,
            changed=self._changed,
            troubles=self._troubles,
            failed=self.failed.set,
            at_work=lambda _: self.at_work.set(),
        )

    def send(self) -> None:
        """Let the cloud accept a document, as a run of the service does."""
        now_s = self.clock.wall_s()
        with Journal(self.folder) as journal:
            job = PrintJob(1, KEY.job_uuid, "ann", "Report", 1, "q")
            journal.intent(KEY, job, [TARGET], now_s=now_s)
            journal.submitting(KEY, "ab", 9, 5, submit_key="k", submit_form="f", now_s=now_s)
            assert not journal.accepted(KEY, [Receipt(TARGET, "1-1")], now_s=now_s)
            journal.hand_over([KEY], "complete", URI, now_s=now_s)

    def state(self) -> State:
        """The document's state in the journal."""
        with Journal(self.folder) as journal:
            (document,) = journal.entries(KEY.job_uuid, KEY.job_id)
            return document.state

    def has_poller(self) -> bool:
        """Whether a poller has the journal's lock."""
        with Journal(self.folder) as journal:
            return journal.poller_is_alive()

    def _tell(self, change: Change) -> None:
        self.told.append(change)
        if change.event == "second":
            self.waits.set()
        if change.event == "interrupted":
            self.interrupted.set()
        if change.event == "journal-replaced":
            self.replaced.set()

    def _changed(
        self, key: DocumentKey, targets: Sequence[TrackedDelivery], *, settled: bool
    ) -> None:
        assert threading.current_thread() is not threading.main_thread()
        if self.error:
            raise self.error
        self.news.append((key, settled))
        if settled:
            self.settled.set()

    def _troubles(self, troubles: Mapping[str, str]) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A service with an empty journal, whose poller has not started."""
    made = Site(empty_journal(tmp_path / "printers"))
    yield made
    with contextlib.suppress(Exception):  # a test checks its error itself
        made.poller.stop()


def test_a_document_while_the_poller_runs(site: Site) -> None:
    """Its end is told and noted, and a poller that was stopped leaves the journal to the next."""
    site.poller.start()
    assert site.at_work.wait(LIMIT_S)
    site.send()
    assert site.settled.wait(LIMIT_S)
    assert site.has_poller()
    site.poller.stop()
    assert site.news == [(KEY, False), (KEY, True)]
    assert site.state() is State.CLOSED
    assert not site.has_poller()
    with PollerJournal(site.folder) as journal:
        assert journal.last_sign() is None  # it ended normally
    assert not site.failed.is_set()


def test_an_error_of_the_service(site: Site) -> None:
    """The thread ends, says so, frees the journal, and the main thread gets the error."""
    site.error = LookupError("no such printer")
    site.send()
    site.poller.start()
    assert site.failed.wait(LIMIT_S)
    with pytest.raises(LookupError, match="no such printer"):
        site.poller.stop()
    (change,) = site.told
    assert (change.event, "no such printer" in change.text) == ("failed", True)
    assert site.state() is State.LEFT
    assert not site.has_poller()


@pytest.mark.parametrize("error", [OSError("disk full"), sqlite3.OperationalError("disk full")])
def test_a_full_disk(site: Site, error: Exception) -> None:
    """The poller says so, and tells the news again when there is room."""
    site.error = error
    site.send()
    site.poller.start()
    assert site.interrupted.wait(LIMIT_S)
    assert "disk full" in site.told[0].text
    site.error = None
    assert site.settled.wait(LIMIT_S)
    site.poller.stop()
    assert site.state() is State.CLOSED
    assert not site.failed.is_set()


def test_a_damaged_journal(site: Site) -> None:
    """The poller does not start, and the error has its code."""
    (site.folder / "journal.db").write_bytes(b"x" * 8192)
    site.poller.start()
    assert site.failed.wait(LIMIT_S)
    with pytest.raises(JournalDamaged):
        site.poller.stop()
    assert f"({JournalDamaged.code})" in site.told[0].text


def test_a_journal_that_is_replaced(site: Site) -> None:
    """The poller says so, and follows the documents of the new journal."""
    site.poller.start()
    assert site.at_work.wait(LIMIT_S)
    site.folder.rename(site.folder.with_name("moved"))
    assert site.replaced.wait(LIMIT_S)
    site.send()
    assert site.settled.wait(LIMIT_S)
    site.poller.stop()
    assert site.state() is State.CLOSED


def test_another_poller(site: Site) -> None:
    """The poller waits for the end of another process's poller, and says so once."""
    with start_poller(site.folder, now_s=site.clock.wall_s()):
        site.send()
        site.poller.start()
        assert site.waits.wait(LIMIT_S)
        assert site.news == []
    assert site.settled.wait(LIMIT_S)
    site.poller.stop()
    assert [change.event for change in site.told].count("second") == 1


def test_a_stop_while_another_poller_runs(site: Site) -> None:
    """The poller ends, and the other one stays."""
    with start_poller(site.folder, now_s=site.clock.wall_s()):
        site.poller.start()
        assert site.waits.wait(LIMIT_S)
        site.poller.stop()
        assert "poller" not in [thread.name for thread in threading.enumerate()]
        assert site.has_poller()
