"""The documents that a poller follows, indexed by key, job and query. No I/O."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from cirrus_bridge.base.model import DocumentKey, Place
from cirrus_bridge.config.queue_uri import QueueUri
from cirrus_bridge.delivery.tracking import TrackedDelivery, is_settled, tracked_deliveries
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.lifecycle import State

Job: TypeAlias = tuple[str, int, int, str]  # uuid, id, print run, destination


@dataclass(slots=True, eq=False)
class WatchedDocument:
    """A document that is followed. `is_held` means that CUPS should hold its job meanwhile."""

    document: Document
    queue: QueueUri
    is_held: bool
    targets: list[TrackedDelivery]
    numbers: list[int] = field(default_factory=list)

    @property
    def job(self) -> Job:
        """The job and print run that the document shares with its job's other documents."""
        key = self.document.key
        return (key.job_uuid, key.job_id, key.print_run, key.destination)

    @property
    def is_settled(self) -> bool:
        """Whether all targets have reached the state that `wait` names. If CUPS does not hold the
        job, that is the delivery."""
        wait = self.queue.settings.wait if self.is_held else "delivered"
        return is_settled(self.targets, wait)


class WatchedDocuments:
    """All documents that are followed. Each target has a number for its queries."""

    def __init__(self) -> None:
        self._by_key: dict[DocumentKey, WatchedDocument] = {}
        self._by_job: dict[Job, dict[DocumentKey, WatchedDocument]] = {}
        self._by_number: dict[int, tuple[WatchedDocument, TrackedDelivery]] = {}
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[WatchedDocument]:
        return iter(list(self._by_key.values()))

    def __contains__(self, key: object) -> bool:
        return key in self._by_key

    def add(self, document: Document, queue_of: Callable[[str], QueueUri]) -> WatchedDocument:
        """Follow a document.

        Args:
            queue_of: reads the queue's URI.

        Raises:
            BadQueueUri: the URI in the journal is invalid.
        """
        queue = queue_of(document.device_uri or document.key.destination)
        watched = WatchedDocument(
            document, queue, document.state is State.HELD, tracked_deliveries([document])
        )
        for target in watched.targets:
            number = next(self._numbers)
            watched.numbers.append(number)
            self._by_number[number] = (watched, target)
        self._by_key[document.key] = watched
        self._by_job.setdefault(watched.job, {})[document.key] = watched
        return watched

    def remove(self, watched: WatchedDocument) -> None:
        """Stop following a document."""
        key = watched.document.key
        if self._by_key.pop(key, None):
            of_job = self._by_job[watched.job]
            del of_job[key]
            if not of_job:
                del self._by_job[watched.job]
        for number in watched.numbers:
            self._by_number.pop(number, None)

    def find(self, number: int) -> tuple[WatchedDocument, TrackedDelivery] | None:
        """The target that a query is about, or None if it is no longer followed."""
        return self._by_number.get(number)

    def get(self, key: DocumentKey) -> WatchedDocument | None:
        """The document with this key, or None."""
        return self._by_key.get(key)

    def of_job(self, watched: WatchedDocument) -> list[WatchedDocument]:
        """The documents of the same job and print run."""
        return list(self._by_job.get(watched.job, {}).values())


def place(watched: WatchedDocument, target: TrackedDelivery) -> Place:
    """The place where a target's job waits."""
    queue = watched.queue
    return Place(queue.server, queue.company, target.receipt.target.location)
