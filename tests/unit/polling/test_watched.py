"""The documents that a poller follows, by queue and place."""

from __future__ import annotations

import random

from cirrus_bridge.base.model import (
    DeliveryState,
    DocumentKey,
    JobStatus,
    Place,
    Receipt,
    Target,
)
from cirrus_bridge.journal.documents import Delivery, Document
from cirrus_bridge.journal.lifecycle import State
from cirrus_bridge.polling.watched import SPARE_ENTRIES, WatchedDocument, WatchedDocuments
from stubs import URI, new_watch_list

PARIS = Place("h", "C", "Paris")


def _watch(watched: WatchedDocuments, number: int, accepted_at_s: float) -> WatchedDocument:
    key = DocumentKey(f"urn:uuid:{number}", number, 0, URI, 1)
    receipt = Receipt(Target("Paris", "L1"), f"1-{number}")
    deliveries = (Delivery(0, receipt, JobStatus(DeliveryState.SUBMITTED)),)
    state = State.HELD if number % 2 else State.LEFT
    document = Document(
        key, state, f"q{number % 3}", accepted_at_s=accepted_at_s, deliveries=deliveries
    )
    return watched.add(document, 0.0, 0.0)


def test_the_oldest_waiting_document_of_a_place() -> None:
    """The oldest document is known after any change, and nothing is kept of those that are over."""
    watched, rng = new_watch_list(), random.Random(5)
    waiting: dict[WatchedDocument, float] = {}
    for number in range(300):
        at_s = rng.uniform(0, 1000)
        waiting[_watch(watched, number, at_s)] = at_s
        if rng.random() < 0.8:
            gone = rng.choice(list(waiting))
            del waiting[gone]
            if rng.random() < 0.5:
                gone.targets[0].learn(JobStatus(DeliveryState.RECEIVED))
                watched.note(gone, at_s)
            watched.remove(gone)
        oldest_s = {PARIS: min(waiting.values())} if waiting else {}
        assert watched.oldest_waiting_s() == oldest_s
        assert set(watched.held.values()) == {each for each in waiting if each.is_held}
        listed = [each for queue in watched.queues.values() for each in queue.documents.values()]
        assert set(listed) == set(waiting)
    (heap,) = (each._heap for each in watched._waiting.values())
    assert len(heap) <= 2 * len(waiting) + SPARE_ENTRIES
    for each in list(watched):
        watched.remove(each)
    assert not watched.queues and not watched.held and not watched._waiting


def test_a_document_that_waits_for_its_release() -> None:
    """The location can fetch the document only after the release, so its wait begins then."""
    watched = new_watch_list()
    document = _watch(watched, 1, 100.0)
    _watch(watched, 2, 200.0)
    (target,) = document.targets
    for message, at_s, oldest_s in (
        ("Waiting for release", 300.0, 200.0),
        ("", 400.0, 200.0),
    ):
        assert target.learn(JobStatus(DeliveryState.SUBMITTED, message=message))
        watched.note(document, at_s)
        assert watched.oldest_waiting_s() == {PARIS: oldest_s}
    other = next(each for each in watched if each is not document)
    watched.remove(other)
    assert watched.oldest_waiting_s() == {PARIS: 400.0}
