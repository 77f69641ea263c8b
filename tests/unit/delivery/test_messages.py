"""Messages of held jobs and of queues while documents wait."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cirrus_bridge.base.errors import DeliveryEnded, DeliveryUnknown
from cirrus_bridge.base.model import DeliveryState, DocumentKey, JobStatus, Receipt, Target
from cirrus_bridge.config.defaults import OFFLINE_REASON
from cirrus_bridge.delivery.counts import DeliveryCounts
from cirrus_bridge.delivery.messages import (
    held_message,
    queue_news,
)
from cirrus_bridge.delivery.tracking import TrackedDelivery, check_delivered, is_settled

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
SUBMITTED, RECEIVED, DELIVERED, DELETED, UNKNOWN = (
    DeliveryState.SUBMITTED,
    DeliveryState.RECEIVED,
    DeliveryState.DELIVERED,
    DeliveryState.DELETED,
    DeliveryState.UNKNOWN,
)


def _target(
    state: DeliveryState, location: str = "Paris", message: str = "", job_id: int = 1
) -> TrackedDelivery:
    key = DocumentKey("u", job_id, 0, "cirrus://h/C/L:D", 1)
    receipt = Receipt(Target(location, "L1"), "1-1")
    return TrackedDelivery(key, 0, receipt, JobStatus(state, message=message))


def _at(hour: int, minute: int, day: int = 25) -> float:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC).timestamp()


def test_a_held_job_says_where_it_waits_and_since_when() -> None:
    """A held job's message has the location and time (with the date if not today)."""
    targets = [
        _target(SUBMITTED),
        _target(SUBMITTED, "Lyon"),
        _target(RECEIVED, "Rome", "no paper"),
    ]
    said = held_message(targets, {"Paris": _at(9, 12), "Lyon": _at(9, 12, day=24)}, NOW)
    assert said == (
        "Waiting for delivery at Paris (offline since 09:12); "
        "Waiting for delivery at Lyon (offline since 2026-11-24 09:12); "
        "Received at Rome: no paper. "
        "If this takes a long time, tell your administrator. "
        "The cloud already has the job; canceling it here does not stop it."
    )


def test_a_queue_counts_by_location() -> None:
    """A queue counts waiting and received jobs by location, and omits ended jobs."""
    targets = [
        _target(SUBMITTED),
        _target(SUBMITTED),  # another file of the same job
        _target(SUBMITTED, job_id=2),
        _target(SUBMITTED, "Lyon"),
        _target(RECEIVED),
        _target(DELIVERED),
    ]
    news = queue_news(DeliveryCounts(targets), {"Paris": _at(9, 12)}, "", "", NOW)
    assert news.message == (
        "1 job waiting at Lyon; 2 jobs waiting at Paris (offline since 09:12); "
        "1 job received at Paris"
    )
    assert news.reasons == {OFFLINE_REASON}


def test_a_server_that_is_away_comes_first() -> None:
    """Dialogs cut a long message off, so a queue begins with what keeps everyone from printing."""
    counts = DeliveryCounts([_target(SUBMITTED)])
    news = queue_news(counts, {"Paris": _at(9, 12)}, "The server is away. 1 job is held", "", NOW)
    assert news.message == (
        "The server is away. 1 job is held; 1 job waiting at Paris (offline since 09:12)"
    )
    assert news.reasons == {OFFLINE_REASON}


def test_counts_follow_changes() -> None:
    """A delivery counts once, in its present state, until it is dropped."""
    targets = [_target(SUBMITTED, message="Error: no paper"), _target(SUBMITTED, job_id=2)]
    counts = DeliveryCounts(targets)
    for target in targets:
        target.learn(JobStatus(RECEIVED, message="fetched"))
        counts.put(target)
        counts.put(target)
    assert list(counts.of_locations(SUBMITTED)) == []
    assert list(counts.of_locations(RECEIVED)) == [("Paris", 2)]
    counts.drop(targets[0])
    counts.drop(targets[0])
    assert list(counts.of_locations(RECEIVED)) == [("Paris", 1)]
    targets[1].learn(JobStatus(DELIVERED))
    counts.put(targets[1])
    assert list(counts.of_locations(RECEIVED)) == []


@pytest.mark.parametrize("message", ["no paper", "Error: no paper"])
def test_a_queue_says_nothing_of_a_job(message: str) -> None:
    """The location's words about one person's job are not the state of everyone's queue."""
    targets = [_target(RECEIVED), _target(RECEIVED, message=message, job_id=2)]
    news = queue_news(DeliveryCounts(targets), {}, "", "", NOW)
    assert news.message == "2 jobs received at Paris"
    assert not news.reasons


@pytest.mark.parametrize("state", [SUBMITTED, RECEIVED])
def test_an_error_of_the_location(state: DeliveryState) -> None:
    """The person learns whom to tell; the administrator finds the location's words by the code."""
    said = held_message([_target(state, message="Error: false: exit status 1")], {}, NOW)
    assert said.startswith(
        "Paris has not been able to print the job yet; if this continues, tell your administrator"
        " (CB-704). "
    )
    with pytest.raises(DeliveryEnded) as caught:
        check_delivered([_target(DELETED, message="Error: false: exit status 1")])
    assert caught.value.for_person == (
        "Not delivered. Deleted at Paris. If you do not know why, ask your administrator."
    )
    assert "exit status 1" in caught.value.text


def test_nothing_to_say() -> None:
    """A queue whose jobs have ended has no reason and no message."""
    news = queue_news(DeliveryCounts([_target(DELIVERED)]), {"Paris": 1.0}, "", "away", NOW)
    assert (news.reasons, news.message) == (frozenset(), "")


def test_servers_that_do_not_work() -> None:
    """The queue says what cannot be asked, and what waits for its server."""
    news = queue_news(DeliveryCounts([_target(SUBMITTED)]), {}, "1 job is held", "no key", NOW)
    assert news.message == (
        "1 job is held; 1 job waiting at Paris; the status cannot be checked right now: no key"
    )
    assert news.reasons == {OFFLINE_REASON}


@pytest.mark.parametrize(
    ("states", "wait", "settled"),
    [
        ((DELIVERED, SUBMITTED), "delivered", False),
        ((DELIVERED, DELETED), "delivered", True),
        ((RECEIVED, DELIVERED), "received", True),
        ((RECEIVED, SUBMITTED), "received", False),
        ((UNKNOWN,), "delivered", True),
    ],
)
def test_settled(states: tuple[DeliveryState, ...], wait: str, settled: bool) -> None:
    """A job is settled when every target has the state that the queue waits for."""
    assert is_settled([_target(state) for state in states], wait) is settled


def test_what_was_not_delivered_is_an_error() -> None:
    """A deletion raises DeliveryEnded, and an unknown job raises DeliveryUnknown first."""
    check_delivered([_target(DELIVERED), _target(DeliveryState.SAVED)])
    with pytest.raises(DeliveryEnded, match="Delivered at Paris:L1; Deleted at Paris"):
        check_delivered([_target(DELIVERED), _target(DELETED)])
    with pytest.raises(DeliveryEnded, match=r"^Not delivered\. Deleted at Paris\."):
        check_delivered([_target(DELETED)])
    with pytest.raises(DeliveryUnknown, match="may have been printed"):
        check_delivered([_target(UNKNOWN), _target(DELETED)])


def test_final_is_final() -> None:
    """cloud-print-connector#334, #343: a final state stays final."""
    target = _target(DELIVERED)
    for later in (SUBMITTED, RECEIVED, DELETED, UNKNOWN):
        assert not target.learn(JobStatus(later))
    assert target.status.state is DELIVERED
    assert _target(RECEIVED).learn(JobStatus(UNKNOWN))
    assert not _target(RECEIVED).learn(JobStatus(SUBMITTED))


def test_jobs_that_wait_for_their_owners() -> None:
    """A job or queue whose jobs wait for a release says so, even if the location is offline. No
    reason marks the queue, because nothing is wrong."""
    targets = [
        _target(SUBMITTED, message="Waiting for release"),
        _target(SUBMITTED, message="Waiting for release: the job names no user.", job_id=2),
    ]
    offline = {"Paris": _at(9, 12)}
    assert held_message(targets[:1], offline, NOW) == (
        "Waiting for release at Paris:L1. Release the job at that device; if you do not know how, "
        "ask your administrator. The cloud already has the job; canceling it here does not stop it."
    )
    assert held_message(targets[1:], offline, NOW).startswith(
        "Waiting for release at Paris:L1: the job names no user."
    )
    news = queue_news(DeliveryCounts(targets), offline, "", "", NOW)
    assert news.message == "2 jobs waiting for release at Paris"
    assert news.reasons == set()
    counts = DeliveryCounts(targets[:1])
    targets[0].learn(JobStatus(SUBMITTED))
    counts.put(targets[0])
    assert queue_news(counts, {}, "", "", NOW).message == "1 job waiting at Paris"
