"""The documents that a poller follows, indexed by key, job and target. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from cirrus_bridge.base.model import DocumentKey, Place
from cirrus_bridge.config.queue_uri import QueueUri
from cirrus_bridge.delivery.tracking import TrackedDelivery, is_settled, tracked_deliveries
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.lifecycle import State
from cirrus_bridge.statusd.schedule import Schedule

Job: TypeAlias = tuple[str, int, int, str]  # uuid, id, print run, destination


@dataclass(slots=True, eq=False)
class WatchedDocument:
    """A document that is followed.

    Attributes:
        is_held: whether CUPS should hold its job meanwhile.
        doubted_since_s: the first of the present doubts about each target (monotonic seconds).
        puzzling: the targets about which the server has sent an unexpected answer.
    """

    document: Document
    queue: QueueUri
    is_held: bool
    targets: list[TrackedDelivery]
    doubted_since_s: dict[TrackedDelivery, float] = field(default_factory=dict)
    puzzling: set[TrackedDelivery] = field(default_factory=set)

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

    def place(self, target: TrackedDelivery) -> Place:
        """The place where a target's job waits."""
        return Place(self.queue.server, self.queue.company, target.receipt.target.location)


@dataclass(slots=True)
class WatchedDocuments:
    """All documents that are followed, and the schedule of the queries about their targets.
    `queue_of` reads a queue's URI."""

    schedule: Schedule[TrackedDelivery]
    queue_of: Callable[[str], QueueUri]
    by_target: dict[TrackedDelivery, WatchedDocument] = field(default_factory=dict)
    _by_key: dict[DocumentKey, WatchedDocument] = field(default_factory=dict)
    _by_job: dict[Job, list[WatchedDocument]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[WatchedDocument]:
        return iter(list(self._by_key.values()))

    def get(self, key: DocumentKey) -> WatchedDocument | None:
        """The document with this key, if it is followed."""
        return self._by_key.get(key)

    def add(self, document: Document, now_s: float, age_s: float) -> WatchedDocument:
        """Follow a document that the cloud accepted `age_s` seconds ago.

        Raises:
            BadQueueUri: the URI in the journal is invalid.
        """
        queue = self.queue_of(document.device_uri or document.key.destination)
        targets = tracked_deliveries([document])
        watched = WatchedDocument(document, queue, document.state is State.HELD, targets)
        self._by_key[document.key] = watched
        self._by_job.setdefault(watched.job, []).append(watched)
        self.by_target |= dict.fromkeys(targets, watched)
        for target in targets:
            if not target.status.state.is_final:
                self.schedule.add(target, watched.place(target), now_s, age_s=age_s)
        return watched

    def remove(self, watched: WatchedDocument) -> None:
        """Stop following a document, if it is followed."""
        if self._by_key.pop(watched.document.key, None) is None:
            return
        of_job = self._by_job[watched.job]
        of_job.remove(watched)
        if not of_job:
            del self._by_job[watched.job]
        for target in watched.targets:
            del self.by_target[target]
            self.schedule.forget(target)

    def of_job(self, watched: WatchedDocument) -> list[WatchedDocument]:
        """The documents of the same job and print run."""
        return list(self._by_job.get(watched.job, ()))
