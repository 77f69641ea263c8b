"""The deliveries of a queue that are not over, counted by state and location. No I/O.

A queue may have very many deliveries, so each change costs the same, however many there are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from cirrus_bridge.base.model import DeliveryState
from cirrus_bridge.delivery.tracking import TrackedDelivery

_Group: TypeAlias = tuple[DeliveryState, str, bool]  # the last: jobs wait for their owners' release


class LocationCount(NamedTuple):
    """The number of a location's CUPS jobs in one state."""

    location: str
    jobs: int


class DeliveryCounts:
    """Counts deliveries. `put` has to be called after each change of a delivery."""

    def __init__(self, targets: Iterable[TrackedDelivery] = ()) -> None:
        # the deliveries of each job, with all its files and targets
        self._jobs: defaultdict[_Group, Counter[tuple[str, int, int]]] = defaultdict(Counter)
        self._counted: dict[TrackedDelivery, _Group] = {}
        for target in targets:
            self.put(target)

    def put(self, target: TrackedDelivery) -> None:
        """Count a delivery in its present state, once; leave it out if it is over."""
        status = target.status
        group = (status.state, target.receipt.target.location, status.waits_for_release)
        if self._counted.get(target) == group:
            return
        self.drop(target)
        if not status.state.is_final:
            self._counted[target] = group
            self._jobs[group][target.key[:3]] += 1

    def drop(self, target: TrackedDelivery) -> None:
        """Leave a delivery out."""
        group = self._counted.pop(target, None)
        if group is None:
            return
        jobs, job = self._jobs[group], target.key[:3]
        jobs[job] -= 1
        if not jobs[job]:
            del jobs[job]
        if not jobs:
            del self._jobs[group]

    def of_locations(
        self, state: DeliveryState, *, unreleased: bool = False
    ) -> Iterator[LocationCount]:
        """The counts of the locations that have deliveries in a state, by location. With
        `unreleased`, those that wait for their owners' release, else the others."""
        for (of_state, location, waits), jobs in sorted(
            self._jobs.items(), key=lambda item: item[0]
        ):
            if of_state is state and waits is unreleased:
                yield LocationCount(location, len(jobs))
