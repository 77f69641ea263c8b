"""What the states of a job's targets amount to, for CUPS and for people. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from cirrus_bridge.base.errors import DeliveryEnded, DeliveryUnknown, StatusMismatch
from cirrus_bridge.base.model import DeliveryState
from cirrus_bridge.base.translation import Words, joined, tr
from cirrus_bridge.delivery.tracking import ENOUGH, Tracked, describe

# what nobody has got, and nobody put away; TRASHED is a recipient's own word
NOT_DELIVERED = frozenset({DeliveryState.DELETED, DeliveryState.UNKNOWN})


def is_settled(targets: Sequence[Tracked], wait: str) -> bool:
    """Whether every target is as far as the queue wants to wait for."""
    return all(ENOUGH[wait](target.status.state) for target in targets)


def told(targets: Sequence[Tracked]) -> Words:
    """All targets in words."""
    return joined("; ", (describe(target.receipt, target.status) for target in targets))


def check_delivered(targets: Sequence[Tracked]) -> None:
    """Raise an error if a target is never going to be delivered.

    Raises:
        StatusMismatch: the server's job for a target is not the document.
        DeliveryUnknown: the server has forgotten a target's job.
        DeliveryEnded: the cloud or its recipient ended one.
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
            tr("{states}. It may have been printed.", states=told(targets)),
            tr("Look at the printer, and print again if it was not."),
        )
    if any(state.is_final and not state.reached_recipient for state in states):
        if any(state.reached_recipient for state in states):
            raise DeliveryEnded(tr("Not delivered everywhere. {states}.", states=told(targets)))
        raise DeliveryEnded(tr("Not delivered. {states}.", states=told(targets)))
