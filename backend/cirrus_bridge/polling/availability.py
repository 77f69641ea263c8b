"""The poller's knowledge of servers and locations: troubles and signs of life. No I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from cirrus_bridge.base.model import Place
from cirrus_bridge.config.queue_uri import QueueUri
from cirrus_bridge.delivery.messages import OFFLINE_AFTER_S

Company: TypeAlias = tuple[str, str]  # server, company


@dataclass(slots=True)
class Availability:
    """The servers that cannot be queried, and the locations that ignore their jobs.

    Attributes:
        signs_s: the last sign of life of each place (seconds since the epoch).
    """

    signs_s: dict[Place, float] = field(default_factory=dict)
    _trouble: dict[Company, str] = field(default_factory=dict)  # a server's trouble has no company

    def trouble_of(self, queue: QueueUri) -> str:
        """The reason why a queue's cloud cannot be queried; empty if it can."""
        return self._trouble.get(company_of(queue)) or self._trouble.get((queue.server, ""), "")

    def has_trouble(self, queue: QueueUri, text: str, *, of_company: bool) -> bool:
        """Note why a queue's cloud cannot be queried, by this company only or by all; return
        whether this is news."""
        is_new = not self.trouble_of(queue)
        self._trouble[company_of(queue) if of_company else (queue.server, "")] = text
        return is_new

    def trouble_is_over(self, queue: QueueUri) -> bool:
        """Note a proper answer of a queue's cloud; return whether this is news."""
        ended = [self._trouble.pop(at, "") for at in (company_of(queue), (queue.server, ""))]
        return any(ended)

    def offline(
        self, waiting_s: Mapping[Place, float], wall_s: float
    ) -> defaultdict[Company, dict[str, float]]:
        """The locations of each company that ignore their jobs, with the start of their silence.
        All times are seconds since the epoch.

        Args:
            waiting_s: the places where documents wait, and since when.
        """
        offline: defaultdict[Company, dict[str, float]] = defaultdict(dict)
        for where, since_s in waiting_s.items():
            quiet_since_s = max(since_s, self.signs_s.get(where, 0.0))
            if wall_s - quiet_since_s > OFFLINE_AFTER_S:
                offline[where.server, where.company][where.location] = quiet_since_s
        return offline


def company_of(queue: QueueUri) -> Company:
    """The company of a queue, at its server."""
    return queue.server, queue.company
