"""What people read while documents wait in the cloud: on a held job, and at a queue. Pure.

A location that has fetched nothing since a job was submitted to it counts as offline after a
while: the API tells of jobs, not of locations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cirrus_bridge.follow import Tracked, describe
from cirrus_bridge.model import DeliveryState

OFFLINE_AFTER_S = 60.0
CANCELING = "The cloud has it: canceling it here does not stop it."

WAITING_REASON = "cirrus-delivery-waiting-report"
FAILED_REASON = "cirrus-delivery-failed-warning"
UNASKED_REASON = "cirrus-delivery-unasked-warning"

Offline = Mapping[str, float]  # locations by id → since when, in seconds since the epoch


@dataclass(frozen=True, slots=True)
class QueueNews:
    """What a queue is to say: our reasons (IPP keywords) and one message, empty for none."""

    reasons: frozenset[str] = frozenset()
    message: str = ""


def held_message(targets: Sequence[Tracked], offline: Offline, now: datetime) -> str:
    """The message of a job that CUPS holds until its targets have it."""
    parts: dict[str, None] = {}
    for target in targets:
        location = target.receipt.target.location
        if target.status.state is DeliveryState.SUBMITTED:
            said = f": {target.status.message}" if target.status.message else ""
            parts[f"Waiting for delivery at {_place(location, offline, now)}{said}"] = None
        else:
            parts[describe(target.receipt, target.status)] = None
    return f"{'; '.join(parts)}. {CANCELING}"


def queue_news(
    targets: Iterable[Tracked],
    offline: Offline,
    failures: Sequence[str],
    notices: Sequence[str],
    trouble: str,
    now: datetime,
) -> QueueNews:
    """What a queue is to say of the documents that a poller follows for it.

    Args:
        targets: all of them.
        failures: what became of documents that were not delivered, the newest first.
        notices: what else is to be known for a while.
        trouble: why the cloud can not be asked, or empty.
    """
    waiting: Counter[str] = Counter()
    received: Counter[str] = Counter()
    for target in targets:
        if not target.status.state.is_final:
            by_state = waiting if target.status.state is DeliveryState.SUBMITTED else received
            by_state[target.receipt.target.location] += 1
    parts = [
        f"{_jobs(count)} waiting at {_place(location, offline, now)}"
        for location, count in sorted(waiting.items())
    ]
    parts += [
        f"{_jobs(count)} received at {location}" for location, count in sorted(received.items())
    ]
    reasons = {WAITING_REASON} if offline.keys() & waiting.keys() else set()
    if trouble and parts:
        reasons.add(UNASKED_REASON)
        parts.append(f"how it goes on is not seen: {trouble}")
    parts += notices
    if failures:
        reasons.add(FAILED_REASON)
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        parts.insert(0, f"{failures[0]}{more}")
    return QueueNews(frozenset(reasons), "; ".join(parts))


def _jobs(count: int) -> str:
    return f"{count} job{'' if count == 1 else 's'}"


def _place(location: str, offline: Offline, now: datetime) -> str:
    if location not in offline:
        return location
    since = datetime.fromtimestamp(offline[location], now.tzinfo)
    form = "%H:%M" if since.date() == now.date() else "%Y-%m-%d %H:%M"
    return f"{location} (offline since {since:{form}})"
