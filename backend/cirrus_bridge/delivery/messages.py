"""Messages of held jobs and of queues while documents wait in the cloud. Pure.

The API reports the states of jobs, not of locations. So a location counts as offline if it has not
fetched a job for OFFLINE_AFTER_S.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cirrus_bridge.base.model import DeliveryState
from cirrus_bridge.base.translation import joined, tr, trn
from cirrus_bridge.delivery.counts import DeliveryCounts
from cirrus_bridge.delivery.tracking import TrackedDelivery, describe, quoting

OFFLINE_AFTER_S = 60.0
CANCELING = tr("The cloud already has the job; canceling it here does not stop it.")

WAITING_REASON = "cirrus-delivery-waiting-report"
FAILED_REASON = "cirrus-delivery-failed-warning"
UNASKED_REASON = "cirrus-delivery-unasked-warning"

Offline = Mapping[str, float]  # location id → offline since, in seconds since the epoch


@dataclass(frozen=True, slots=True)
class QueueNews:
    """A queue's reasons from Cirrus Bridge (IPP keywords) and its message, which may be empty."""

    reasons: frozenset[str] = frozenset()
    message: str = ""


def held_message(targets: Sequence[TrackedDelivery], offline: Offline, now: datetime) -> str:
    """The message of a job that CUPS holds until the document is delivered."""
    parts = []
    for target in targets:
        text = describe(target.receipt, target.status)
        if target.status.state is DeliveryState.SUBMITTED and not target.status.waits_for_release:
            place = _place(target.receipt.target.location, offline, now)
            where = tr("Waiting for delivery at {place}", place=place)
            text = quoting(where, target.status.message)
        parts.append(text)
    states = joined("; ", dict.fromkeys(parts))
    return joined(" ", (tr("{states}.", states=states), CANCELING))


def queue_news(
    counts: DeliveryCounts,
    offline: Offline,
    failures: Sequence[str],
    notices: Sequence[str],
    trouble: str,
    now: datetime,
    *,
    is_away: bool = False,
) -> QueueNews:
    """The reasons and message of a queue whose documents a poller follows.

    Args:
        counts: the deliveries of these documents.
        failures: texts about undelivered documents, newest first.
        notices: other texts that the queue shows for a while.
        trouble: the reason why the cloud cannot be asked, or empty.
        is_away: whether jobs are held until a server works again (a notice says so).
    """
    waiting = list(counts.of_locations(DeliveryState.SUBMITTED))
    parts: list[str] = []
    for location, jobs, said in waiting:
        text = trn(
            "{count} job waiting at {place}",
            "{count} jobs waiting at {place}",
            jobs,
            place=_place(location, offline, now),
        )
        parts.append(quoting(text, said))
    for location, jobs, said in counts.of_locations(DeliveryState.SUBMITTED, unreleased=True):
        text = trn(
            "{count} job waiting for release at {place}",
            "{count} jobs waiting for release at {place}",
            jobs,
            place=location,
        )
        parts.append(quoting(text, said))
    for location, jobs, said in counts.of_locations(DeliveryState.RECEIVED):
        text = trn(
            "{count} job received at {place}",
            "{count} jobs received at {place}",
            jobs,
            place=location,
        )
        parts.append(quoting(text, said))
    is_offline = any(location in offline for location, *_ in waiting)
    reasons = {WAITING_REASON} if is_offline else set()
    if failures or counts.is_failing:
        reasons.add(FAILED_REASON)
    if is_away or (trouble and parts):
        reasons.add(UNASKED_REASON)
    if trouble and parts:
        parts.append(tr("the status cannot be checked right now: {trouble}", trouble=trouble))
    parts += notices
    if failures:
        first, more = failures[0], len(failures) - 1
        if more:
            first = trn(
                "{failure} (and {count} more)", "{failure} (and {count} more)", more, failure=first
            )
        parts.insert(0, first)
    return QueueNews(frozenset(reasons), joined("; ", parts))


def _place(location: str, offline: Offline, now: datetime) -> str:
    if location not in offline:
        return location
    since = datetime.fromtimestamp(offline[location], now.tzinfo)
    form = "%H:%M" if since.date() == now.date() else "%Y-%m-%d %H:%M"
    return tr("{location} (offline since {time})", location=location, time=since.strftime(form))
