"""The outcome of a job, from the states of all its targets. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from cirrus_bridge.base.errors import DeliveryEnded, DeliveryUnknown, StatusMismatch
from cirrus_bridge.base.model import DeliveryState
from cirrus_bridge.base.translation import Words, joined, tr
from cirrus_bridge.delivery.tracking import ENOUGH, TrackedDelivery, describe

# TRASHED is missing here, because the recipient has decided that
NOT_DELIVERED = frozenset({DeliveryState.DELETED, DeliveryState.UNKNOWN})


def is_settled(targets: Sequence[TrackedDelivery], wait: str) -> bool:
    """Whether every target has reached the state that the queue waits for (`wait`)."""
    return all(ENOUGH[wait](target.status.state) for target in targets)


def told(targets: Sequence[TrackedDelivery]) -> Words:
    """The states of all targets as text."""
    return joined("; ", (describe(target.receipt, target.status) for target in targets))


def check_delivered(targets: Sequence[TrackedDelivery]) -> None:
    """Raise an error if any target will never get the document.

    Raises:
        StatusMismatch: the server's job for a target is not the document.
        DeliveryUnknown: the server no longer has a record of a target's job.
        DeliveryEnded: the cloud or a recipient ended a delivery.
    """
    states = {target.status.state for target in targets}
    if DeliveryState.MISMATCHED in states:
        raise StatusMismatch(
            tr("{states}.", states=told(targets)),
            tr(
                "Look at the printer (pages may be missing or belong to someone "
                "else). Cancel this job, print the missing pages again, and tell "
                "your administrator."
            ),
        )
    if DeliveryState.UNKNOWN in states:
        raise DeliveryUnknown(
            tr("{states}. The document may have been printed.", states=told(targets)),
            tr("Look at the printer. Print the document again if it was not printed."),
        )
    if any(state.is_final and not state.reached_recipient for state in states):
        if any(state.reached_recipient for state in states):
            raise DeliveryEnded(tr("Not delivered everywhere. {states}.", states=told(targets)))
        raise DeliveryEnded(tr("Not delivered. {states}.", states=told(targets)))
