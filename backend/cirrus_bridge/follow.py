"""Use case: receipts → how their delivery ends, told as it goes.

Asks the cloud for each job's state until the wanted state is there or the time is over. Whatever
a status query answers, the document is with the cloud: nothing here submits anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cirrus_bridge.api import CloudApi
from cirrus_bridge.clock import Clock
from cirrus_bridge.errors import ApiError, Refused, Retryable
from cirrus_bridge.journal import Journal
from cirrus_bridge.model import DeliveryState, DocumentKey, JobStatus, Receipt

FIRST_WAIT_S = 0.3
WAIT_FACTOR = 1.5
LONGEST_WAIT_S = 10.0
UNKNOWN_LIMIT = 5  # so many answers in a row that the server does not know the job: believe it

# `wait` of the queue → when a target's state is good enough to stop following
ENOUGH: dict[str, Callable[[DeliveryState], bool]] = {
    "submitted": lambda state: True,
    "received": lambda state: state is not DeliveryState.SUBMITTED,
    "delivered": lambda state: state.is_final,
}
WORDS = {
    DeliveryState.SUBMITTED: "Waiting for {location} to fetch the job",
    DeliveryState.RECEIVED: "Received at {location}",
    DeliveryState.DELIVERED: "Delivered at {location}:{device}",
    DeliveryState.DELETED: "Deleted at {location}",
    DeliveryState.SAVED: "Saved by the recipient at {location}",
    DeliveryState.TRASHED: "Put into the trash by the recipient at {location}",
}


class Report(Protocol):
    """Where following says how it goes."""

    def debug(self, text: str) -> None: ...
    def info(self, text: str) -> None: ...
    def server_away(self, text: str) -> None: ...
    def server_back(self) -> None: ...


def describe(receipt: Receipt, status: JobStatus) -> str:
    """One target's state in words, with the location's own message."""
    where = receipt.target
    words = WORDS[status.state].format(location=where.location, device=where.device)
    return f"{words}: {status.message}" if status.message else words


@dataclass(slots=True)
class Tracked:
    """One target of a document: what is known of it, and how often it was not known."""

    number: int
    receipt: Receipt
    status: JobStatus = field(default_factory=lambda: JobStatus(DeliveryState.SUBMITTED))
    unknown_count: int = 0

    @property
    def is_lost(self) -> bool:
        """The server says again and again that it has no such job."""
        return self.unknown_count >= UNKNOWN_LIMIT


def follow(
    receipts: Sequence[Receipt],
    *,
    key: DocumentKey,
    wait: str,
    timeout_s: int,
    api: CloudApi,
    journal: Journal,
    clock: Clock,
    report: Report,
) -> list[Tracked]:
    """Follow the jobs of one document.

    Args:
        wait: submitted, received or delivered: how far.
        timeout_s: for how long at most, 0 for no limit.

    Returns:
        The last known state of every target, in their order.

    Raises:
        Interrupted: a signal asked for an end.
    """
    enough = ENOUGH[wait]
    targets = [Tracked(number, receipt) for number, receipt in enumerate(receipts)]
    deadline_s = clock.monotonic_s() + timeout_s if timeout_s else float("inf")
    wait_s = FIRST_WAIT_S
    open_targets = targets if wait != "submitted" else []
    clock.sleep(0)  # a stop request may have come while the answer to the submit was noted
    while open_targets:
        changed = [_ask(target, key, api, journal, clock, report) for target in open_targets]
        open_targets = [t for t in open_targets if not (enough(t.status.state) or t.is_lost)]
        left_s = deadline_s - clock.monotonic_s()
        if not open_targets or left_s <= 0:
            break
        wait_s = FIRST_WAIT_S if any(changed) else min(wait_s * WAIT_FACTOR, LONGEST_WAIT_S)
        clock.sleep(min(wait_s, left_s))
    return targets


def _ask(
    target: Tracked,
    key: DocumentKey,
    api: CloudApi,
    journal: Journal,
    clock: Clock,
    report: Report,
) -> bool:
    """Ask for one target's state; journal and tell it if it is new. A failed query changes
    nothing but the count of refusals."""
    try:
        status = api.job_status(target.receipt)
    except ApiError as error:
        target.unknown_count += isinstance(error, Refused)
        if isinstance(error, Retryable):
            report.server_away(f"The cloud has the job; how it goes on is not seen. {error}")
        report.debug(f"status of {target.receipt.cloud_job_id}: {error} {error.detail}")
        return False
    report.server_back()
    target.unknown_count = 0
    before = target.status
    if (status.state, status.message) == (before.state, before.message):
        target.status = status
        return False
    if not before.state.may_become(status.state):
        report.debug(f"{target.receipt.cloud_job_id}: {before.state.name} → {status.state.name}?")
        return False
    target.status = status
    journal.state(key, target.number, status, now_s=clock.wall_s())
    report.info(describe(target.receipt, status))
    return True
