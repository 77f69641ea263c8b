"""Journals of earlier versions keep their documents when they are upgraded."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from pathlib import Path

import pytest

from cirrus_bridge.base.model import DeliveryState, JobStatus, PrintJob, Receipt, Target
from cirrus_bridge.journal.health import look
from cirrus_bridge.journal.lifecycle import State
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.journal.schema import STEPS, VERSION
from cirrus_bridge.journal.submissions import Journal
from stubs import KEY, TARGET, taken

LEASES = 8  # the last version with leases


def old_journal(folder: Path) -> None:
    """Create a journal with leases and four documents.

    A poller follows two of them, nobody one, and a backend one.
    """
    with contextlib.closing(sqlite3.connect(folder / "journal.db")) as db, db:
        for step in STEPS[:LEASES]:
            for statement in filter(str.strip, step.split(";")):
                db.execute(statement)
        for number, (state, poller) in enumerate(
            [("held", "h:1"), ("left", "h:1"), ("held", None), ("followed", None)], 1
        ):
            key = (f"u{number}", number, 0, "cirrus://h/C/L:D", 1)
            db.execute(
                "INSERT INTO document (job_uuid, job_id, print_run, destination, number, queue,"
                " user, title, state, poller, created_at, updated_at, accepted_at, size_bytes)"
                " VALUES (?, ?, ?, ?, ?, 'q', 'ann', 't', ?, ?, 1, 2, 3, 4)",
                (*key, state, poller),
            )
            db.execute(
                "INSERT INTO delivery (job_uuid, job_id, print_run, destination, number,"
                " target_number, location, device, cloud_job_id, state, updated_at)"
                " VALUES (?, ?, ?, ?, ?, 0, 'L', 'D', ?, 1, 2)",
                (*key, f"1-{number}"),
            )
        db.execute("INSERT INTO poller VALUES ('h:1', 9e12)")
        db.execute(f"PRAGMA user_version = {LEASES}")


def rows(folder: Path) -> list[dict[str, object]]:
    """The rows without the columns that only one version has."""
    with contextlib.closing(sqlite3.connect(folder / "journal.db")) as db:
        db.row_factory = sqlite3.Row
        documents = [dict(row) for row in db.execute("SELECT * FROM document ORDER BY job_id")]
        deliveries = [dict(row) for row in db.execute("SELECT * FROM delivery ORDER BY job_id")]
    for document in documents:
        for column in ("poller", "hand_overs", "pages", "counted", "account", "accounting_user"):
            document.pop(column, None)
        document.pop("poller_serial", None)
    for delivery in deliveries:
        for column in ("accepted_at", "undelivered_at", "has_stopped_queue"):
            delivery.pop(column, None)
    return documents + deliveries


def test_leases_go_and_documents_stay(tmp_path: Path) -> None:
    """The poller takes each document that was handed over, even if a lease has not expired."""
    old_journal(tmp_path)
    before = rows(tmp_path)
    with PollerJournal(tmp_path) as journal:
        assert not journal.poller_is_alive()
        assert journal.take_over("p", now_s=1.0)
        assert [document.key.job_id for document in taken(journal)] == [1, 2, 3]
        assert [orphan.state for orphan in journal.orphans()] == [State.FOLLOWED]
    assert rows(tmp_path) == before
    with Journal(tmp_path) as backend:
        assert backend.trusted_since_s() == 0
        backend.check()


def test_a_program_of_the_version_before_writes_nothing(tmp_path: Path) -> None:
    """An old program that has the journal open fails when it writes, so its poller ends."""
    old_journal(tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as old:
        with Journal(tmp_path):
            pass
        assert old.execute("PRAGMA user_version").fetchone() == (VERSION,)
        for statement in (
            "UPDATE poller SET alive_until = 1",
            "UPDATE document SET poller = NULL, state = 'followed'",
        ):
            with pytest.raises(sqlite3.OperationalError, match="no such"):
                old.execute(statement)


def test_the_copies_of_an_upgraded_journal(tmp_path: Path) -> None:
    """The poller, the backend's messages and the doctor find what happened before the upgrade."""
    old_journal(tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
        db.execute("UPDATE delivery SET state = 0")
        db.execute("UPDATE delivery SET state = 2, received_at = 5, final_at = 6 WHERE job_id = 2")
        db.execute("UPDATE document SET state = 'closed', closed_at = 7 WHERE job_id IN (2, 3)")
    with PollerJournal(tmp_path) as journal:
        assert journal.quiet_since_s("cirrus://h/C/", "L") == 6
        assert {key.job_id for key in journal.hand_over_changes()} == {1}
        journal.check_job("u4", 4)
    assert [(each.location, each.count, each.oldest_s) for each in look(tmp_path).waiting] == [
        ("L", 2, 3)
    ]
    assert tally(tmp_path) == counted(tmp_path) == {("q", 0): 1, ("q", 2): 1}


def test_a_queue_that_the_version_before_has_stopped(tmp_path: Path) -> None:
    """An upgrade does not stop the queue once more for the error that a location reports."""
    old_journal(tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
        db.execute("UPDATE delivery SET message = 'Error: no paper' WHERE job_id = 1")
    with PollerJournal(tmp_path) as journal:
        known = {each.key.job_id: each.deliveries[0].has_stopped_queue for each in taken(journal)}
    assert known == {1: True, 2: False, 3: False}


def tally(folder: Path) -> dict[tuple[str, int], int]:
    """The numbers of deliveries of closed documents by queue and state, as the metrics use them."""
    with contextlib.closing(sqlite3.connect(folder / "journal.db")) as db:
        rows = db.execute("SELECT queue, state, deliveries FROM tally WHERE deliveries != 0")
        return {(queue, state): count for queue, state, count in rows}


def counted(folder: Path) -> dict[tuple[str, int], int]:
    """The same, counted."""
    with contextlib.closing(sqlite3.connect(folder / "journal.db")) as db:
        rows = db.execute(
            "SELECT queue, delivery.state, count(*) FROM document JOIN delivery USING (job_uuid,"
            " job_id, print_run, destination, number) WHERE document.state = 'closed'"
            " AND cloud_job_id IS NOT NULL GROUP BY 1, 2"
        )
        return {(queue, state): count for queue, state, count in rows}


def test_the_tally_follows_each_change(tmp_path: Path) -> None:
    """The tally is what a count of all closed documents finds, after any change."""
    rng, targets = random.Random(3), [TARGET, Target("Lyon", "L2")]
    with Journal(tmp_path) as backend, PollerJournal(tmp_path) as poller:
        for number in range(1, 41):
            key = KEY._replace(job_uuid=f"u{number}", job_id=number)
            job = PrintJob(number, key.job_uuid, "u", "t", 1, f"q{number % 2}")
            backend.intent(key, job, targets, now_s=number)
            backend.submitting(key, "a", 9, 5, submit_key="k", submit_form="f", now_s=number)
            receipts = [Receipt(each, f"{number}-{each.device}") for each in targets]
            backend.accepted(key, receipts, now_s=number)
            for state in rng.choices(list(DeliveryState), k=2):
                backend.state(key, rng.randrange(2), JobStatus(state), now_s=number)
            if rng.random() < 0.8:
                backend.close([key], now_s=number)
                backend.close([key], now_s=number + 1)
                if rng.random() < 0.3:  # a person has restarted the job
                    done = JobStatus(DeliveryState.DELIVERED)
                    backend.state(key, rng.randrange(2), done, now_s=number)
            assert tally(tmp_path) == counted(tmp_path)
        poller.prune(20)
        assert tally(tmp_path) == counted(tmp_path) != {}
        poller.prune(99)
        assert tally(tmp_path) == counted(tmp_path) == {}


def test_a_program_of_the_version_before_hands_over(tmp_path: Path) -> None:
    """A backend that runs during the upgrade has the journal open, and the poller notices what it
    writes."""
    with Journal(tmp_path) as journal:
        job = PrintJob(1, KEY.job_uuid, "u", "t", 1, "q")
        journal.intent(KEY, job, [TARGET], now_s=1)
    with (
        PollerJournal(tmp_path) as poller,
        contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as old,
    ):
        assert poller.hand_over_changes() == {}
        for statement in (
            "UPDATE meta SET serial = serial + 1",
            "UPDATE document SET state = 'followed', accepted_at = 3",
            "UPDATE delivery SET state = 0, cloud_job_id = '1-1'",
            "UPDATE document SET state = 'left', hand_overs = 1",
        ):
            old.execute(statement)
        old.commit()
        assert {key.job_id for key in poller.hand_over_changes()} == {1}
        assert poller.quiet_since_s("cirrus://h/C/", TARGET.location) == 3
