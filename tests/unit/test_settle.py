"""How often a job is released whose end is known, with a real journal and a CUPS that obeys."""

from __future__ import annotations

from pathlib import Path

import pytest

from cirrus_bridge.change import Change
from cirrus_bridge.clock import Clock
from cirrus_bridge.cups_ipp import CupsServer
from cirrus_bridge.cups_queue import HELD, CupsJob, CupsPrinter, CupsQueues
from cirrus_bridge.journal import Journal
from cirrus_bridge.journal_poller import PollerJournal
from cirrus_bridge.model import DeliveryState, DocumentKey, JobStatus, PrintJob, Receipt, Target
from cirrus_bridge.settle import Settlement
from cirrus_bridge.uri import parse_queue_uri
from cirrus_bridge.watched import WatchList

TARGET = Target("Paris", "L1")
LYON = Target("Lyon", "L2")
URI = "cirrus://h/C/Paris:L1"
KEY = DocumentKey("urn:uuid:1", 1, 0, URI, 1)


class _Cups(CupsQueues):
    """A cupsd that holds the job again whenever it was released."""

    def __init__(self) -> None:
        super().__init__(CupsServer("/nowhere"))
        self.released_s: list[float] = []
        self.now_s = 0.0
        self.is_paused = False

    def job(self, job_id: int, *, also: object = ()) -> CupsJob:
        return CupsJob(job_id, KEY.job_uuid, "q", "q", HELD, (), "", "", "", None, {})

    def printer(self, queue: str) -> CupsPrinter:
        return CupsPrinter(queue, URI, 3, "", ())

    def pause(self, queue: str, message: str) -> bool:
        self.is_paused = True
        return True

    def release_job(self, job_id: int) -> None:
        self.released_s.append(self.now_s)


class _Clock(Clock):
    def __init__(self, cups: _Cups) -> None:
        super().__init__()
        self._cups = cups

    def monotonic_s(self) -> float:
        return self._cups.now_s


def test_a_job_that_something_else_holds(tmp_path: Path) -> None:
    """It is released ever more rarely, as its cause may be gone; an outage of cupsd may have
    swallowed the first release."""
    cups = _Cups()
    told: list[Change] = []
    with Journal(tmp_path) as backend:
        backend.intent(KEY, PrintJob(1, KEY.job_uuid, "u", "t", 1, "q"), [TARGET], now_s=1)
        backend.submitting(KEY, "ab", 9, 5, submit_key="k", submit_form="f", now_s=1)
        backend.accepted(KEY, [Receipt(TARGET, "1-1")], now_s=1)
        backend.hand_over([KEY], "hold", URI, now_s=1)
    with PollerJournal(tmp_path) as journal:
        journal.beat("p", now_s=1)
        (document,) = journal.lease("p", now_s=1)
        watched = WatchList().add(document, parse_queue_uri)
        watched.targets[0].learn(JobStatus(DeliveryState.DELIVERED))
        settlement = Settlement(journal, cups, _Clock(cups), told.append)
        for second in range(0, 300, 15):
            cups.now_s = float(second)
            assert not settlement.settle([watched])
    assert cups.released_s == [0, 30, 90, 210]


@pytest.mark.parametrize(
    ("at_lyon", "stops"), [(DeliveryState.DELIVERED, True), (DeliveryState.MISMATCHED, False)]
)
def test_onfailure_waits_for_a_person(
    tmp_path: Path, at_lyon: DeliveryState, *, stops: bool
) -> None:
    """Nothing is done by itself about a job of which nobody knows what came out, though another
    of its targets has failed."""
    cups = _Cups()
    with Journal(tmp_path) as backend:
        backend.intent(KEY, PrintJob(1, KEY.job_uuid, "u", "t", 1, "q"), [TARGET, LYON], now_s=1)
        backend.submitting(KEY, "ab", 9, 5, submit_key="k", submit_form="f", now_s=1)
        backend.accepted(KEY, [Receipt(TARGET, "1-1"), Receipt(LYON, "1-2")], now_s=1)
        backend.hand_over([KEY], "hold", f"{URI};Lyon:L2?onfailure=stop", now_s=1)
    with PollerJournal(tmp_path) as journal:
        journal.beat("p", now_s=1)
        (document,) = journal.lease("p", now_s=1)
        watched = WatchList().add(document, parse_queue_uri)
        for target, state in zip(watched.targets, (DeliveryState.DELETED, at_lyon), strict=True):
            target.learn(JobStatus(state))
        told: list[Change] = []
        assert not Settlement(journal, cups, _Clock(cups), told.append).settle([watched])
    assert cups.is_paused is stops
    assert cups.released_s == [0]
