"""Messages of held jobs and of queues while documents wait in the cloud. Pure.

The API reports the states of jobs, not of locations. So a location counts as offline if it has not
fetched a job for OFFLINE_AFTER_S.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cirrus_bridge.base.model import DeliveryState
from cirrus_bridge.base.translation import Words, joined, tr, translated, trn
from cirrus_bridge.config.defaults import OFFLINE_REASON
from cirrus_bridge.delivery.counts import DeliveryCounts
from cirrus_bridge.delivery.tracking import TrackedDelivery, describe_to_person, quoting

OFFLINE_AFTER_S = 60.0
CANCELING = tr("The cloud already has the job; canceling it here does not stop it.")
_TELL = tr("If this takes a long time, tell your administrator.")
_RELEASE = tr("Release the job at that device; if you do not know how, ask your administrator.")

_ANY = "\0"
Offline = Mapping[str, float]  # location id → offline since, in seconds since the epoch


@dataclass(frozen=True, slots=True)
class QueueNews:
    """A queue's reasons from Cirrus Bridge (IPP keywords) and its message, which may be empty."""

    reasons: frozenset[str] = frozenset()
    message: str = ""


def held_message(targets: Sequence[TrackedDelivery], offline: Offline, now: datetime) -> str:
    """The message of a job that CUPS holds until the document is delivered. The person who printed
    reads what happens, and what to do or whom to tell."""
    parts, advice = [], dict[Words, None]()
    for target in targets:
        text = describe_to_person(target.receipt, target.status)
        status = target.status
        waits = status.state is DeliveryState.SUBMITTED
        if waits and not (status.is_failing or status.waits_for_release):
            place = _place(target.receipt.target.location, offline, now)
            where = tr("Waiting for delivery at {place}", place=place)
            text = quoting(where, target.status.message)
            if target.receipt.target.location in offline:
                advice[_TELL] = None
        if status.waits_for_release:
            advice[_RELEASE] = None
        parts.append(text)
    states = joined("; ", dict.fromkeys(parts))
    return joined(" ", (tr("{states}.", states=states), *advice, CANCELING))


def queue_news(
    counts: DeliveryCounts,
    offline: Offline,
    notice: str,
    trouble: str,
    now: datetime,
) -> QueueNews:
    """The reasons and message of a queue. Everyone reads them, so they are about the queue alone:
    what became of a person's job is on the job. Dialogs show only the beginning of a long message,
    so the notice comes first.

    Args:
        counts: the deliveries of the queue's documents that a poller follows.
        notice: a text about jobs that are held until a server works again, or empty.
        trouble: the reason why the cloud cannot be asked, or empty.
    """
    waiting = list(counts.of_locations(DeliveryState.SUBMITTED))
    parts: list[str] = []
    for location, jobs in waiting:
        text = trn(
            "{count} job waiting at {place}",
            "{count} jobs waiting at {place}",
            jobs,
            place=_place(location, offline, now),
        )
        parts.append(text)
    for location, jobs in counts.of_locations(DeliveryState.SUBMITTED, unreleased=True):
        text = trn(
            "{count} job waiting for release at {place}",
            "{count} jobs waiting for release at {place}",
            jobs,
            place=location,
        )
        parts.append(text)
    for location, jobs in counts.of_locations(DeliveryState.RECEIVED):
        text = trn(
            "{count} job received at {place}",
            "{count} jobs received at {place}",
            jobs,
            place=location,
        )
        parts.append(text)
    if trouble and parts:
        parts.append(tr("the status cannot be checked right now: {trouble}", trouble=trouble))
    is_location_offline = any(location in offline for location, _ in waiting)
    is_server_away = notice or (trouble and parts)
    reasons = {OFFLINE_REASON} if is_location_offline or is_server_away else set()
    return QueueNews(frozenset(reasons), joined("; ", filter(None, (notice, *parts))))


def is_told_offline(message: str, location: str, language: str) -> bool:
    """Whether a job's message in a language says that a location is offline, since any time."""
    said = translated(_offline_since(location, _ANY), language)
    return said.partition(_ANY)[0] in message


def _place(location: str, offline: Offline, now: datetime) -> str:
    if location not in offline:
        return location
    since = datetime.fromtimestamp(offline[location], now.tzinfo)
    form = "%H:%M" if since.date() == now.date() else "%Y-%m-%d %H:%M"
    return _offline_since(location, since.strftime(form))


def _offline_since(location: str, time: str) -> Words:
    return tr("{location} (offline since {time})", location=location, time=time)
