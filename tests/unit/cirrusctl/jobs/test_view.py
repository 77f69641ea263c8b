"""Jobs joined from CUPS and the journal."""

from __future__ import annotations

import dataclasses

from cirrus_bridge.base.model import DeliveryState, DocumentKey, JobStatus, Receipt, Target
from cirrus_bridge.cirrusctl.jobs.view import job_rows, job_views
from cirrus_bridge.cups.jobs import COMPLETED, CupsJob
from cirrus_bridge.ipp.message import Attributes
from cirrus_bridge.journal.documents import Delivery, Document
from cirrus_bridge.journal.lifecycle import State

SECOND_S = 1_800_000_000


def document(uuid: str, job_id: int, created_at_s: float) -> Document:
    """A document that the cloud has delivered."""
    key = DocumentKey(uuid, job_id, 0, "cirrus://h/C/Paris:L1", 1)
    return Document(key, State.CLOSED, "office", created_at_s=created_at_s, closed_at_s=SECOND_S)


def in_cups(uuid: str, job_id: int) -> CupsJob:
    """A completed job that CUPS created in the second SECOND_S."""
    created = Attributes({"time-at-creation": [SECOND_S]})
    return CupsJob(job_id, uuid, "office", "office", COMPLETED, (), "", "", "", None, created)


def test_the_newest_of_one_number_and_second() -> None:
    """Of two jobs with one number, the one in CUPS is newer, although CUPS has whole seconds."""
    forgotten = document("urn:uuid:old", 1, SECOND_S + 0.2)
    views = job_views([in_cups("urn:uuid:new", 1)], [forgotten])
    assert [view.state for view in views] == ["completed", "forgotten"]


def test_the_newest_number_of_a_second() -> None:
    """In one second, CUPS gives later jobs higher numbers."""
    forgotten = document("urn:uuid:old", 1, SECOND_S + 0.2)
    later = dataclasses.replace(forgotten, key=forgotten.key._replace(job_id=3))
    views = job_views([in_cups("urn:uuid:new", 2)], [forgotten, later])
    assert [view.job_id for view in views] == [3, 2, 1]


def test_two_messages_in_one_cell() -> None:
    """The table separates what the location says from what the job says."""
    deliveries = [{"target": "L:D", "cloud_job": "1", "state": "received", "message": "Jam"}]
    job = {"documents": [{"deliveries": deliveries}], "progress": None, "state": "held"}
    (row,) = job_rows({**job, "message": "Tell your administrator."})
    assert row["says"] == "Jam; Tell your administrator."


def test_pages() -> None:
    """A site charges for delivered pages: each target that got the document counts."""
    targets = [Receipt(Target("Paris", device), "1") for device in "ABC"]
    states = (DeliveryState.DELIVERED, DeliveryState.DELETED, DeliveryState.SAVED)
    deliveries = tuple(
        Delivery(number, receipt, JobStatus(state))
        for number, (receipt, state) in enumerate(zip(targets, states, strict=True))
    )
    sent = dataclasses.replace(document("u", 1, SECOND_S), deliveries=deliveries)
    for pages, total, delivered in ((4, 12, 8), (None, None, None)):
        (view,) = job_views([], [dataclasses.replace(sent, pages=pages)])
        assert view.document["pages"] == total
        assert view.document["delivered_pages"] == delivered
        assert view.document["documents"][0]["pages"] == pages
    waiting = dataclasses.replace(sent, state=State.SENDING, deliveries=deliveries[1:2])
    (view,) = job_views([], [waiting])
    assert (view.document["pages"], view.document["delivered_pages"]) == (0, 0)
