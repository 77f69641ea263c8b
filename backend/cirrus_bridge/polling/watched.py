"""The documents that a poller follows, indexed by key, job, target, queue and place. No I/O."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from cirrus_bridge.base.model import DeliveryState, DocumentKey, Place
from cirrus_bridge.config.queue_uri import QueueUri
from cirrus_bridge.delivery.counts import DeliveryCounts
from cirrus_bridge.delivery.tracking import TrackedDelivery, is_settled, tracked_deliveries
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.lifecycle import State
from cirrus_bridge.polling.schedule import Schedule

SPARE_ENTRIES = 16  # of a heap

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
class _WaitingDeliveries:
    """The deliveries that wait to be fetched at one place, and since when: their acceptance, or
    their release."""

    since_s: dict[TrackedDelivery, float] = field(default_factory=dict)
    _heap: list[tuple[float, int, TrackedDelivery]] = field(default_factory=list)

    def put(self, target: TrackedDelivery, since_s: float) -> None:
        if target not in self.since_s:
            self.since_s[target] = since_s
            heapq.heappush(self._heap, (since_s, id(target), target))  # the id breaks ties

    def drop(self, target: TrackedDelivery) -> None:
        self.since_s.pop(target, None)
        # a heap cannot remove an inner entry
        if len(self._heap) > 2 * len(self.since_s) + SPARE_ENTRIES:
            self._heap = [(at_s, id(each), each) for each, at_s in self.since_s.items()]
            heapq.heapify(self._heap)

    def oldest_s(self) -> float:
        while self.since_s.get(self._heap[0][2]) != self._heap[0][0]:  # it is outdated
            heapq.heappop(self._heap)
        return self._heap[0][0]


@dataclass(slots=True)
class WatchedQueue:
    """The documents of one queue that are followed, and the counts of their deliveries."""

    documents: dict[DocumentKey, WatchedDocument] = field(default_factory=dict)
    counts: DeliveryCounts = field(default_factory=DeliveryCounts)

    @property
    def uri(self) -> QueueUri:
        """The queue URI of the first of the documents."""
        return next(iter(self.documents.values())).queue


@dataclass(slots=True)
class WatchedDocuments:
    """All documents that are followed, and the schedule of the queries about their targets.

    Attributes:
        queue_of: reads a queue's URI.
        held: the documents whose jobs CUPS holds, by key.
        queues: the queues with documents, by name.
    """

    schedule: Schedule[TrackedDelivery]
    queue_of: Callable[[str], QueueUri]
    by_target: dict[TrackedDelivery, WatchedDocument] = field(default_factory=dict)
    held: dict[DocumentKey, WatchedDocument] = field(default_factory=dict)
    queues: dict[str, WatchedQueue] = field(default_factory=dict)
    _by_key: dict[DocumentKey, WatchedDocument] = field(default_factory=dict)
    _by_job: dict[Job, list[WatchedDocument]] = field(default_factory=dict)
    _waiting: dict[Place, _WaitingDeliveries] = field(default_factory=dict)

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
        self.queues.setdefault(document.queue, WatchedQueue()).documents[document.key] = watched
        self.by_target |= dict.fromkeys(targets, watched)
        self.hold(watched, is_held=watched.is_held)
        self.note(watched, document.accepted_at_s)
        for target in targets:
            if not target.status.state.is_final:
                self.schedule.add(
                    target,
                    watched.place(target),
                    now_s,
                    age_s=age_s,
                    unreleased=target.status.waits_for_release,
                )
        return watched

    def hold(self, watched: WatchedDocument, *, is_held: bool) -> None:
        """Note whether CUPS should hold the job of a document."""
        watched.is_held = is_held
        if is_held:
            self.held[watched.document.key] = watched
        else:
            self.held.pop(watched.document.key, None)

    def note(self, watched: WatchedDocument, wall_s: float) -> None:
        """Note that deliveries of a document changed at `wall_s` (seconds since the epoch)."""
        queue = self.queues.get(watched.document.queue)
        if queue is not None and watched.document.key in queue.documents:
            for target in watched.targets:
                queue.counts.put(target)
                place, status = watched.place(target), target.status
                # the location cannot fetch a job before its owner has released it
                if status.state is DeliveryState.SUBMITTED and not status.waits_for_release:
                    self._waiting.setdefault(place, _WaitingDeliveries()).put(target, wall_s)
                else:
                    self._waits_no_longer(place, target)

    def remove(self, watched: WatchedDocument) -> None:
        """Stop following a document, if it is followed."""
        document = watched.document
        if self._by_key.pop(document.key, None) is None:
            return
        self.held.pop(document.key, None)
        of_job, queue = self._by_job[watched.job], self.queues[document.queue]
        of_job.remove(watched)
        if not of_job:
            del self._by_job[watched.job]
        del queue.documents[document.key]
        if not queue.documents:
            del self.queues[document.queue]
        for target in watched.targets:
            del self.by_target[target]
            queue.counts.drop(target)
            self._waits_no_longer(watched.place(target), target)
            self.schedule.forget(target)

    def of_job(self, watched: WatchedDocument) -> list[WatchedDocument]:
        """The documents of the same job and print run."""
        return list(self._by_job.get(watched.job, ()))

    def oldest_waiting_s(self) -> dict[Place, float]:
        """The places where documents wait to be fetched, and when the longest wait began: with the
        document's acceptance, or its owner's release (seconds since the epoch)."""
        return {place: waiting.oldest_s() for place, waiting in self._waiting.items()}

    def _waits_no_longer(self, place: Place, target: TrackedDelivery) -> None:
        waiting = self._waiting.get(place)
        if waiting is not None:
            waiting.drop(target)
            if not waiting.since_s:
                del self._waiting[place]
