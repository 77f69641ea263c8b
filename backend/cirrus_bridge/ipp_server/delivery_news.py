"""Use case: tell the service what becomes of its documents in the cloud, and of its printers.

Each change of a document is told at least once. After that, a settled document is closed in the
journal, so after a crash in between, the outcome is told again. Documents without a receipt are not
followed here: the service sends them from its spool.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.model import DocumentKey
from cirrus_bridge.delivery.messages import queue_news
from cirrus_bridge.delivery.tracking import TrackedDelivery
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.polling.availability import Availability, company_of
from cirrus_bridge.polling.timers import Timer
from cirrus_bridge.polling.watched import WatchedDocument, WatchedDocuments

TROUBLES_S = 5.0  # between looks for locations that went offline
LEAST_S = 1.0  # between two looks, however much news there is


class ChangeListener(Protocol):
    """Takes the news of a document."""

    def __call__(
        self, key: DocumentKey, targets: Sequence[TrackedDelivery], *, settled: bool
    ) -> None:
        """Take the present state of each of the document's targets, which the poller changes later.
        `settled` tells that no target will change. The same news may come again."""


@dataclass(slots=True)
class DeliveryNews:
    """The poller's publisher of the service. It raises JournalError, and what `changed` and
    `troubles` raise.

    Attributes:
        changed: takes the news of a document.
        troubles: gets the queues whose jobs the cloud or its location does not take now, with a
            text for people that can be translated. Called when the queues or texts differ.
    """

    journal: PollerJournal
    clock: Clock
    watch_list: WatchedDocuments
    availability: Availability
    changed: ChangeListener
    troubles: Callable[[Mapping[str, str]], None]
    _changed: dict[DocumentKey, WatchedDocument] = field(default_factory=dict)
    _told: Mapping[str, str] | None = None
    _look: Timer = field(default_factory=lambda: Timer(TROUBLES_S))
    _free_s: float = -math.inf

    @property
    def due_s(self) -> float:
        """The time of the next look for troubles (monotonic seconds)."""
        return self._look.due_s

    def note(self, watched: WatchedDocument, *, fails: bool = False) -> None:
        """Note a new or changed document. Its targets tell whether their locations fail."""
        self._changed[watched.document.key] = watched

    def soon(self) -> None:
        """Look for troubles soon: there is news."""
        self._look.due_s = min(self._look.due_s, max(self.clock.monotonic_s(), self._free_s))

    def step(self, now_s: float) -> None:
        """Tell all changes, and the troubles if they are due at this time (monotonic seconds)."""
        if self._changed:
            self._tell_changes()
        if self._look.is_due(now_s):
            self._free_s = now_s + LEAST_S
            self._tell_troubles()

    def run_once(self) -> None:
        """Tell all changes and troubles."""
        self._tell_changes()
        self._tell_troubles()

    def _tell_changes(self) -> None:
        """Tell the changes, then close the settled documents."""
        changed, self._changed = self._changed, {}
        settled = []
        for key, watched in changed.items():
            if self.watch_list.get(key) is not watched:
                continue  # a run of the service follows the document again
            self.changed(key, watched.targets, settled=watched.is_settled)
            if watched.is_settled:
                settled.append(watched)
        if settled:
            keys = [watched.document.key for watched in settled]
            self.journal.close(keys, now_s=self.clock.wall_s())
        for watched in settled:
            self.watch_list.remove(watched)

    def _tell_troubles(self) -> None:
        """Tell which queues wait for a server or a location that is away, if that has changed."""
        waiting_s, now = self.watch_list.oldest_waiting_s(), self.clock.now()
        offline = self.availability.offline(waiting_s, self.clock.wall_s())
        found = {}
        for name, queue in self.watch_list.queues.items():
            trouble = self.availability.trouble_of(queue.uri)
            news = queue_news(queue.counts, offline[company_of(queue.uri)], "", trouble, now)
            if news.reasons:
                found[name] = news.message
        if found != self._told:
            self._told = found
            self.troubles(found)
