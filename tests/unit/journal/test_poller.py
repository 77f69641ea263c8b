"""Hand-over, and the poller's part of the journal, with real files."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cirrus_bridge.base.model import (
    DeliveryState,
    DocumentKey,
    JobStatus,
    PrintJob,
    Receipt,
    Target,
)
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.health import look
from cirrus_bridge.journal.lifecycle import State
from cirrus_bridge.journal.poller import PRUNED_AT_ONCE, PollerJournal
from cirrus_bridge.journal.statistics import StatisticsReader
from cirrus_bridge.journal.submissions import Journal
from stubs import taken

TARGET = Target("Paris", "L1")
URI = "cirrus://h/C/Paris:L1"


def _key(number: int = 1) -> DocumentKey:
    return DocumentKey(f"urn:uuid:{number}", number, 0, URI, 1)


def _accepted(folder: Path, *numbers: int, handover: str = "hold", now_s: float = 10.0) -> None:
    """Write documents that the cloud has, and hand them over."""
    with Journal(folder) as journal:
        for number in numbers:
            key = _key(number)
            job = PrintJob(number, key.job_uuid, "u", "t", 1, "q")
            journal.intent(key, job, [TARGET], now_s=now_s)
            journal.submitting(key, "ab", 9, 5, submit_key="k", submit_form="f", now_s=now_s)
            journal.accepted(key, [Receipt(TARGET, f"1-{number}")], now_s=now_s)
            if handover:
                journal.hand_over([key], handover, URI, now_s=now_s)


def _ids(documents: Sequence[Document]) -> list[int]:
    return [document.key.job_id for document in documents]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[PollerJournal]:
    """An open journal."""
    with PollerJournal(tmp_path) as opened:
        yield opened


def test_a_document_that_is_over_when_its_job_is_held_for_another(
    tmp_path: Path, journal: PollerJournal
) -> None:
    """The second file of a job was printed before the first one, whose run was killed."""
    _accepted(tmp_path, 1, 2, handover="")
    with Journal(tmp_path) as backend:
        backend.close([_key(2)], now_s=50)
        backend.hand_over([_key(1), _key(2)], "hold", URI, now_s=60)
        assert backend.documents_of(_key(2))[0].closed_at_s == 50
    assert _ids(taken(journal)) == [1]


def test_signs_of_life(tmp_path: Path, journal: PollerJournal) -> None:
    """Locations count that fetched a document while a backend followed it. A deletion does not
    count, because the cloud may delete a document by itself."""
    _accepted(tmp_path, 1, 2, 3, 4, handover="")
    with Journal(tmp_path) as backend:
        for number, state in ((1, 2), (2, 1), (3, 3)):
            status = JobStatus(DeliveryState(state))
            backend.state(_key(number), 0, status, now_s=100.0 + number)
        assert journal.signs_of_life(since_s=100) == [(URI, "Paris", 102)]
        backend.close([_key(1), _key(3)], now_s=105)
        backend.hand_over([_key(2)], "hold", URI, now_s=105)
    assert journal.signs_of_life(since_s=100) == [(URI, "Paris", 101)]
    assert journal.signs_of_life(since_s=101) == []


def test_late_news_of_a_poller_are_dropped(tmp_path: Path, journal: PollerJournal) -> None:
    """A poller whose document was taken back cannot overwrite the backend's news.

    This holds even if the document was handed over again.
    """
    _accepted(tmp_path, 1)
    (asked,) = taken(journal)
    deleted, delivered = JobStatus(DeliveryState.DELETED), JobStatus(DeliveryState.DELIVERED)

    def is_noted(document: Document) -> bool:
        return journal.state(_key(), 0, deleted, now_s=102, hand_overs=document.hand_overs)

    with Journal(tmp_path) as backend:
        assert not backend.state(_key(), 0, delivered, now_s=101)
        backend.take_back([_key()], now_s=101)
        assert not is_noted(asked)
        assert journal.handed_over() == {}
        assert backend.state(_key(), 0, delivered, now_s=103)
        backend.hand_over([_key()], "hold", URI, now_s=104)
        assert not is_noted(asked)
        (document,) = backend.documents_of(_key())
    assert document.deliveries[0].status.state is DeliveryState.DELIVERED
    (again,) = taken(journal)
    assert is_noted(again)
    journal.close([_key()], now_s=105)
    assert not is_noted(again)


def test_only_documents_that_were_handed_over_are_taken(
    tmp_path: Path, journal: PollerJournal
) -> None:
    """The poller takes no document that a backend follows or that is closed."""
    _accepted(tmp_path, 1, handover="")
    _accepted(tmp_path, 2, 3)
    journal.close([_key(3)], now_s=11)
    assert _ids(taken(journal)) == [2]
    assert [each.state for each in journal.handed_over().values()] == [State.HELD]
    hand_overs = list(journal.handed_over().values())
    with Journal(tmp_path) as backend:
        backend.take_back([_key(2)], now_s=12)
    assert journal.documents(hand_overs) == []


def test_only_changed_hand_overs_are_read(tmp_path: Path, journal: PollerJournal) -> None:
    """The first call lists what the poller follows; later calls list what has changed."""
    _accepted(tmp_path, 1, 2, 3)
    _accepted(tmp_path, 4, handover="")
    assert {key.job_id for key in journal.hand_over_changes()} == {1, 2, 3}
    with Journal(tmp_path) as backend:
        backend.take_back([_key(2)], now_s=11)
        backend.hand_over([_key(4)], "complete", URI, now_s=12)
        backend.close([_key(1)], now_s=13)
    changed = {key.job_id: each.state for key, each in journal.hand_over_changes().items()}
    assert changed == {1: State.CLOSED, 2: State.FOLLOWED, 4: State.LEFT}
    with Journal(tmp_path) as backend:
        backend.run_ended(_key(3), now_s=14)  # changes nothing for the poller
    journal.hand_over_changes()  # may repeat the last change that was seen
    assert journal.hand_over_changes() == {}


def test_a_quiet_location(tmp_path: Path, journal: PollerJournal) -> None:
    """A location is quiet since its oldest waiting document was accepted, or since it fetched the
    last one. Documents that are no longer followed do not wait."""
    at = "cirrus://h/C/"
    assert journal.quiet_since_s(at, "Paris") == math.inf
    for number, now_s in ((1, 10), (2, 20), (3, 30)):
        _accepted(tmp_path, number, handover="complete", now_s=now_s)
    assert journal.quiet_since_s(at, "Paris") == 10
    assert journal.quiet_since_s(at, "Lyon") == journal.quiet_since_s("cirrus://h/", "Paris")
    journal.close([_key(1)], now_s=40)  # a person canceled its job
    assert journal.quiet_since_s(at, "Paris") == 20
    journal.state(_key(2), 0, JobStatus(DeliveryState.RECEIVED), now_s=50, hand_overs=1)
    assert journal.quiet_since_s(at, "Paris") == 50
    journal.state(_key(3), 0, JobStatus(DeliveryState.DELETED), now_s=60, hand_overs=1)
    assert journal.quiet_since_s(at, "Paris") == math.inf


def test_a_job_that_waits_for_its_release(tmp_path: Path, journal: PollerJournal) -> None:
    """The location cannot fetch such a job: neither is it quiet, nor does the doctor report it."""
    _accepted(tmp_path, 1, handover="complete", now_s=10)
    for message, quiet_since_s in (("Waiting for release", math.inf), ("", 10)):
        status = JobStatus(DeliveryState.SUBMITTED, message=message)
        assert journal.state(_key(1), 0, status, now_s=20, hand_overs=1)
        assert journal.quiet_since_s("cirrus://h/C/", "Paris") == quiet_since_s
        (waiting_s,) = [each.oldest_s for each in look(tmp_path).waiting] or [math.inf]
        assert waiting_s == quiet_since_s
        oldest_at_s = StatisticsReader(tmp_path).look(30).oldest_at_s
        assert min(oldest_at_s.values(), default=math.inf) == quiet_since_s


def test_changes_of_others_are_noticed(tmp_path: Path, journal: PollerJournal) -> None:
    """A change is noticed once. The poller's own writes are not changes."""
    _accepted(tmp_path, 1)
    assert journal.has_changed()
    assert not journal.has_changed()
    journal.close([_key()], now_s=11)
    journal.give_sign(now_s=11)
    assert not journal.has_changed()
    _accepted(tmp_path, 2)
    assert journal.has_changed()


def test_held_jobs_are_counted(tmp_path: Path, journal: PollerJournal) -> None:
    """Jobs that ended in CUPS or are closed do not count."""
    _accepted(tmp_path, 1, 2, 3)
    _accepted(tmp_path, 4, handover="complete")
    journal.close([_key(3)], now_s=11)
    assert journal.held_counts("q") == (2, 2)
    assert journal.held_counts("other") == (0, 2)
    journal.job_is_over([_key(2)], now_s=12)
    assert journal.held_counts("q") == (1, 1)


def test_orphans(tmp_path: Path, journal: PollerJournal) -> None:
    """A document that the poller follows, or that is closed, is not an orphan."""
    _accepted(tmp_path, 1, handover="")
    _accepted(tmp_path, 2)
    (orphan,) = journal.orphans()
    assert (orphan.key, orphan.state, orphan.queue) == (_key(1), State.FOLLOWED, "q")
    assert not journal.is_at_work(_key().job_uuid, _key().job_id)
    journal.close([_key(1)], now_s=60)
    assert journal.orphans() == []


def test_a_reprint_is_another_submit(tmp_path: Path, journal: PollerJournal) -> None:
    """The next run finds a document to be submitted, without confirmed segments."""
    _accepted(tmp_path, 1)
    with Journal(tmp_path) as backend:
        backend.uploading(_key(), "f1", "", now_s=11)
        backend.confirmed(_key(), position=0, length=9, sha256="a", now_s=11)
    journal.reprint([_key()], now_s=20)
    with Journal(tmp_path) as backend:
        backend.uploading(_key(), "f2", "", now_s=21)
        (entry,) = backend.entries(_key().job_uuid, 1)
        assert (entry.state, entry.reprints) == (State.REPRINT, 1)
        assert backend.upload(_key()) is None
        assert backend.documents_of(_key()) == []


def test_a_late_poller_does_not_reprint(tmp_path: Path, journal: PollerJournal) -> None:
    """A late poller resets neither a document that is being reprinted, nor one that a backend
    follows."""
    _accepted(tmp_path, 1)
    _accepted(tmp_path, 2, handover="")
    for _ in range(2):
        journal.reprint([_key(1), _key(2)], now_s=20)
    with Journal(tmp_path) as backend:
        (first,) = backend.entries(_key(1).job_uuid, 1)
        (second,) = backend.entries(_key(2).job_uuid, 2)
    assert (first.state, first.reprints) == (State.REPRINT, 1)
    assert (second.state, second.reprints) == (State.FOLLOWED, 0)


def _prune(journal: PollerJournal, *, before_s: float, most: int) -> int:
    """Prune all that is to be pruned; return in how many steps."""
    until_s = journal.pruned_until_s(before_s=before_s, most=most)
    steps = 1
    while journal.prune(until_s):
        steps += 1
    return steps


def test_pruning_by_age_and_number(tmp_path: Path, journal: PollerJournal) -> None:
    """The oldest closed documents are deleted. Open documents stay."""
    _accepted(tmp_path, 1)
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
        # copies by SQL, because the journal's own methods would take seconds
        db.execute("CREATE TEMP TABLE one_document AS SELECT * FROM document")
        db.execute("CREATE TEMP TABLE one_delivery AS SELECT * FROM delivery")
        for number in range(2, 1301):
            key = _key(number)
            for statement in (
                "UPDATE one_document SET job_uuid = ?, job_id = ?",
                "UPDATE one_delivery SET job_uuid = ?, job_id = ?",
            ):
                db.execute(statement, (key.job_uuid, key.job_id))
            db.execute("INSERT INTO document SELECT * FROM one_document")
            db.execute("INSERT INTO delivery SELECT * FROM one_delivery")
    journal.close([_key(number) for number in range(1, 1201)], now_s=20)
    journal.close([_key(number) for number in range(1201, 1300)], now_s=30)
    assert _prune(journal, before_s=25, most=1_000_000) == 1200 // PRUNED_AT_ONCE + 1
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        rows = db.execute("SELECT count(*), count(closed_at) FROM document").fetchall()
        left = db.execute("SELECT count(*) FROM delivery").fetchall()
    assert (rows, left) == ([(100, 99)], [(100,)])
    _prune(journal, before_s=0, most=10)
    assert _ids(taken(journal)) == [1300]
