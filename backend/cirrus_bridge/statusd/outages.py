"""Use case: release held jobs when their server works again.

Each server is probed by one request at a time. When the server answers, its jobs are released in
their order. If the jobs come back, the server answers probes but takes no jobs. Then only the first
job of each queue is released, less and less often, until the server accepts a job.
"""

from __future__ import annotations

import functools
import itertools
import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import CirrusError, CupsGone, CupsNotPossible, NotPermitted, Refused
from cirrus_bridge.base.model import DocumentKey, Target
from cirrus_bridge.base.translation import Words, joined, trn
from cirrus_bridge.config.queue_uri import QueueUri
from cirrus_bridge.cups.jobs import CupsJob
from cirrus_bridge.cups.queues import CupsQueues
from cirrus_bridge.delivery.events import INFO, WARNING, Change, of_document
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.sending.patience import FOR_CORRECTION, waits
from cirrus_bridge.statusd.queries import Queries
from cirrus_bridge.statusd.timers import Timer

LOOK_S = 3.0
RELEASE_AGAIN_S, LONGEST_RELEASE_S = 10.0, 600.0
ANSWERS_S = 30.0  # the longest wait for the answers of one round

# name, company, what its jobs wait for, and for a correction, the target to probe
Server: TypeAlias = tuple[str, str, str, str]


class ProbeApi(Protocol):
    """A server that can be probed."""

    def version(self) -> object:
        """Send a request without the key; any answer shows that the server works."""

    def device(self, target: Target) -> object:
        """Send a request with the key; any answer shows that the server accepts our requests."""


@dataclass(slots=True)
class _ServerOutage:
    """The known facts about one server's outage; times are monotonic seconds."""

    queue: QueueUri
    documents: list[Document] = field(default_factory=list)
    due_s: float = 0.0
    asked: bool = False
    trouble: str = ""
    released: frozenset[DocumentKey] = frozenset()
    release_wait_s: float = RELEASE_AGAIN_S
    waits_s: Iterator[float] = field(default_factory=lambda: waits(random.Random()))  # noqa: S311


@dataclass(slots=True)
class Outages:
    """Watches the servers that jobs wait for.

    Args:
        queries: for probes only.
        max_hold_s: CUPS cancels a job after this hold time (MaxHoldTime); 0 means never.
    """

    journal: PollerJournal
    cups: CupsQueues
    clock: Clock
    tell: Callable[[Change], None]
    queries: Queries[object]
    queue_of: Callable[[str], QueueUri]
    api_of: Callable[[QueueUri], ProbeApi]
    max_hold_s: float = 0.0
    _outages: dict[Server, _ServerOutage] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _asked: dict[int, Server] = field(default_factory=dict)
    _released_s: dict[DocumentKey, float] = field(default_factory=dict)
    _look: Timer = field(default_factory=lambda: Timer(LOOK_S))
    _jobs: Mapping[int, CupsJob] = field(default_factory=dict)
    _hold_again: Timer | None = None

    def __post_init__(self) -> None:
        if self.max_hold_s:
            self._hold_again = Timer(self.max_hold_s / 3)

    def step(self, now_s: float) -> None:
        """Probe the servers that are due, and release the jobs that can continue.

        Raises:
            CupsAway, CupsRefused: cupsd does not answer, or says no.
        """
        self._take_answers(0.0)
        if self._look.is_due(now_s):
            self._find_waiting_jobs()
            self._probe(now_s)
            self._end_contimeout()
        if self._hold_again is not None and self._hold_again.is_due(now_s):
            self._keep_held()

    def run_once(self) -> None:
        """Probe each server once, and release the jobs that can continue.

        Raises:
            CupsAway, CupsRefused: cupsd does not answer, or says no.
        """
        self._find_waiting_jobs()
        self._probe(self.clock.monotonic_s())
        while self._asked and self._take_answers(ANSWERS_S):
            pass
        self._end_contimeout()

    def notices(self) -> Mapping[str, Words]:
        """The texts that queues show about jobs that wait for a server."""
        found: dict[str, Words] = {}
        for (server, *_), outage in self._outages.items():
            by_queue: defaultdict[str, set[int]] = defaultdict(set)
            for document in outage.documents:
                by_queue[document.queue].add(document.key.job_id)
            for queue, jobs in by_queue.items():
                text = trn(
                    "{count} job is held until {server} works again",
                    "{count} jobs are held until {server} works again",
                    len(jobs),
                    server=server,
                )
                found[queue] = joined(": ", filter(None, (text, outage.trouble)))
        return found

    def _find_waiting_jobs(self) -> None:
        """Group the waiting jobs by server; a server without waiting jobs has no outage."""
        waiting = self.journal.waiting()
        found: dict[Server, _ServerOutage] = {}
        if waiting:
            self._jobs = {job.job_id: job for job in self.cups.jobs()}
            uris = {queue.name: queue.device_uri for queue in self.cups.queues()}
            for document in waiting:
                queue = self._queue_of(document, uris)
                if queue is not None:
                    server = _server(queue, document)
                    if server not in found:
                        found[server] = self._outages.get(server) or _ServerOutage(queue)
                        found[server].queue, found[server].documents = queue, []
                    found[server].documents.append(document)
        for outage in found.values():
            self._notice_success(outage)
        self._outages = found
        kept = {document.key for document in waiting}
        self._released_s = {key: at for key, at in self._released_s.items() if key in kept}

    def _notice_success(self, outage: _ServerOutage) -> None:
        """Reset the pause if a released job was accepted: the server takes documents again."""
        gone = outage.released - {document.key for document in outage.documents}
        if any(document.key == key for key in gone for document in self.journal.documents_of(key)):
            outage.released = frozenset()
            outage.due_s = -math.inf

    def _job_of(self, document: Document) -> CupsJob | None:
        """The document's job at the last look; another job may have the same number since."""
        job = self._jobs.get(document.key.job_id)
        return job if job is not None and job.job_uuid == document.key.job_uuid else None

    def _queue_of(self, document: Document, uris: Mapping[str, str]) -> QueueUri | None:
        """The queue of the document's job, if the job still waits there for a server of ours."""
        job = self._job_of(document)
        if job is None:
            return None  # the job has ended; `orphans` handles it
        if job.queue not in (document.queue, document.class_name):
            self.journal.abandon(document.key, now_s=self.clock.wall_s())  # a person has moved it
            return None
        try:
            return self.queue_of(uris.get(document.queue, ""))
        except CirrusError:
            return None  # the queue is misconfigured, or is another program's now

    def _probe(self, now_s: float) -> None:
        for server, outage in self._outages.items():
            if outage.asked or now_s < outage.due_s:
                continue
            try:
                api = self.api_of(outage.queue)
            except CirrusError as error:
                self._failed(outage, error)
                continue
            question: Callable[[], object] = api.version
            if server[2] == FOR_CORRECTION:
                question = functools.partial(api.device, outage.queue.targets[0])
            number = next(self._numbers)
            self._asked[number] = server
            outage.asked = True
            self.queries.ask(number, question)

    def _take_answers(self, wait_s: float) -> bool:
        """Act on the answers that have arrived, and return whether there were any."""
        found = False
        while answer := self.queries.answer(0.0 if found else wait_s):
            found = True
            server = self._asked.pop(answer.number)
            outage = self._outages.get(server)
            if outage is None:
                continue
            outage.asked = False
            # the server tells only a client that it accepts that a device is unknown
            # (a key may print without the right to read devices)
            is_corrected = server[2] == FOR_CORRECTION and isinstance(
                answer.result, Refused | NotPermitted
            )
            if isinstance(answer.result, CirrusError) and not is_corrected:
                self._failed(outage, answer.result)
            else:
                self._works(server, outage)
        return found

    def _failed(self, outage: _ServerOutage, error: CirrusError) -> None:
        outage.due_s = self.clock.monotonic_s() + next(outage.waits_s)
        text = joined(" ", (error.text, f"({error.code})"))
        if not outage.trouble:
            self.tell(Change("server-away", f"{text} {error.detail}".strip(), WARNING))
        outage.trouble = text

    def _works(self, server: Server, outage: _ServerOutage) -> None:
        """Release the jobs of a server that works, the oldest first."""
        if outage.trouble:
            self.tell(Change("server-back", f"{server[0]} answers again", INFO))
            outage.trouble = ""
        keys = {document.key for document in outage.documents}
        came_back = bool(outage.released) and outage.released <= keys
        to_release = list(outage.documents)
        if came_back:
            to_release = list({each.queue: each for each in reversed(to_release)}.values())
        else:
            outage.release_wait_s = RELEASE_AGAIN_S
        outage.due_s = self.clock.monotonic_s() + outage.release_wait_s
        outage.release_wait_s = min(outage.release_wait_s * 2, LONGEST_RELEASE_S)
        outage.released = frozenset(self._release(to_release)) or outage.released

    def _end_contimeout(self) -> None:
        """Release the jobs whose contimeout is over, so that their backends say so."""
        now_s = self.clock.wall_s()
        for outage in self._outages.values():
            self._release([each for each in outage.documents if each.give_up_at_s <= now_s])

    def _release(self, documents: Iterable[Document]) -> list[DocumentKey]:
        """Release the jobs of these documents that CUPS holds, and return the documents' keys."""
        wanted = sorted(documents, key=lambda each: each.key.job_id)
        done = []
        for document in wanted:
            job = self._job_of(document)
            if job is None or not self._is_ours_to_release(document, job):
                continue
            try:
                self.cups.release_job(job.job_id)
            except (CupsGone, CupsNotPossible):
                continue  # a person was faster
            self._released_s[document.key] = document.updated_at_s
            done.append(document.key)
            self.tell(of_document("released", "", document))
        return done

    def _is_ours_to_release(self, document: Document, job: CupsJob) -> bool:
        """Whether the job is held only for its server. A person may hold the job until a set time,
        or hold the job after its release. In the latter case, no backend has written of the job
        since."""
        return job.waits_for_release and self._released_s.get(document.key) != document.updated_at_s

    def _keep_held(self) -> None:
        """Hold the waiting jobs again, as CUPS counts MaxHoldTime from the last hold.

        The poller looks first: a job that runs by now, held again, would seem held by a person.
        """
        self._find_waiting_jobs()
        for outage in self._outages.values():
            for document in outage.documents:
                job = self._job_of(document)
                if job is not None and job.waits_for_release:
                    self.cups.hold_job(job.job_id)


def _server(queue: QueueUri, document: Document) -> Server:
    target = str(queue.targets[0]) if document.waits_for == FOR_CORRECTION else ""
    return (queue.server, queue.company, document.waits_for, target)
