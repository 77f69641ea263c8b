"""The deliveries of a queue that are not over, counted by state and location. No I/O.

A queue may have very many deliveries, so each change costs the same, however many there are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from cirrus_bridge.base.model import DeliveryState, JobStatus
from cirrus_bridge.delivery.tracking import TrackedDelivery


class LocationCount(NamedTuple):
    """The number of a location's CUPS jobs in one state, and the cloud's first message about them;
    errors go before remarks."""

    location: str
    jobs: int
    message: str


@dataclass(slots=True)
class _Group:
    """The deliveries of one state and location; a job may have several files and targets."""

    jobs: Counter[tuple[str, int, int]] = field(default_factory=Counter)
    failing: dict[TrackedDelivery, str] = field(default_factory=dict)
    remarks: dict[TrackedDelivery, str] = field(default_factory=dict)


class DeliveryCounts:
    """Counts deliveries. `put` has to be called after each change of a delivery."""

    def __init__(self, targets: Iterable[TrackedDelivery] = ()) -> None:
        # by state, location, and whether the jobs wait for their owners' release
        self._groups: defaultdict[tuple[DeliveryState, str, bool], _Group] = defaultdict(_Group)
        self._counted: dict[TrackedDelivery, JobStatus] = {}
        for target in targets:
            self.put(target)

    @property
    def is_failing(self) -> bool:
        """Whether a location reports an error."""
        return any(group.failing for group in self._groups.values())

    def put(self, target: TrackedDelivery) -> None:
        """Count a delivery in its present state, once; leave it out if it is over."""
        status = target.status
        if self._counted.get(target) is status:
            return
        self.drop(target)
        if status.state.is_final:
            return
        self._counted[target] = status
        group = self._groups[_group_of(target, status)]
        group.jobs[target.key[:3]] += 1
        if status.remark:
            (group.failing if status.is_failing else group.remarks)[target] = status.remark

    def drop(self, target: TrackedDelivery) -> None:
        """Leave a delivery out."""
        status = self._counted.pop(target, None)
        if status is None:
            return
        where, job = _group_of(target, status), target.key[:3]
        group = self._groups[where]
        group.jobs[job] -= 1
        if not group.jobs[job]:
            del group.jobs[job]
        group.failing.pop(target, None)
        group.remarks.pop(target, None)
        if not group.jobs:
            del self._groups[where]

    def of_locations(
        self, state: DeliveryState, *, unreleased: bool = False
    ) -> Iterator[LocationCount]:
        """The counts of the locations that have deliveries in a state, by location. With
        `unreleased`, those that wait for their owners' release, else the others."""
        for (of_state, location, waits), group in sorted(
            self._groups.items(), key=lambda item: item[0]
        ):
            if of_state is state and waits is unreleased:
                said = next(iter((group.failing or group.remarks).values()), "")
                yield LocationCount(location, len(group.jobs), said)


def _group_of(target: TrackedDelivery, status: JobStatus) -> tuple[DeliveryState, str, bool]:
    return status.state, target.receipt.target.location, status.waits_for_release
