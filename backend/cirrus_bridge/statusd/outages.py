"""Use case: release held jobs when their server works again.

Each server is probed by one request at a time. When the server answers, its jobs are released in
their order. If the jobs come back, the server answers probes but takes no jobs. Then only the first
job of each queue is released, less and less often, until the server accepts a job.
"""

from __future__ import annotations

import functools
import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import CirrusError, CupsGone, CupsNotPossible, NotPermitted, Refused
from cirrus_bridge.base.model import DocumentKey, Target
from cirrus_bridge.base.translation import Words, joined, trn
from cirrus_bridge.config.queue_uri import QueueUri
from cirrus_bridge.cups.jobs import CupsJob
from cirrus_bridge.cups.queues import CupsQueues
from cirrus_bridge.delivery.events import WARNING, Change, of_document
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.polling.queries import Queries
from cirrus_bridge.polling.timers import Timer
from cirrus_bridge.sending.patience import FOR_CORRECTION, waits

LOOK_S = 3.0
RELEASE_AGAIN_S, LONGEST_RELEASE_S = 10.0, 600.0
ANSWERS_S = 30.0  # the longest wait for the answers of one round

Held: TypeAlias = tuple[Document, CupsJob]


class AwaitedServer(NamedTuple):
    """A server that jobs wait for. If they wait for a correction, `target` is probed."""

    name: str
    company: str
    target: Target | None


@dataclass(slots=True)
class _ServerOutage:
    """The known facts about one server's outage; times are monotonic seconds."""

    queue: QueueUri
    held: list[Held] = field(default_factory=list)
    due_s: float = 0.0
    asked: bool = False
    trouble: str = ""
    released: frozenset[DocumentKey] = frozenset()
    release_wait_s: float = RELEASE_AGAIN_S
    waits_s: Iterator[float] = field(default_factory=lambda: waits(random.Random()))  # noqa: S311

    @property
    def keys(self) -> set[DocumentKey]:
        """The documents that wait."""
        return {document.key for document, _ in self.held}


@dataclass(slots=True)
class Outages:
    """Watches the servers that jobs wait for.

    Args:
        max_hold_s: CUPS cancels a job after this hold time (MaxHoldTime); 0 means never.
        queries: for probes only.
    """

    journal: PollerJournal
    cups: CupsQueues
    clock: Clock
    tell: Callable[[Change], None]
    queue_of: Callable[[str], QueueUri]
    api_of: Callable[[QueueUri], CloudApi]
    max_hold_s: float = 0.0
    queries: Queries[AwaitedServer, object] = field(default_factory=Queries)
    _outages: dict[AwaitedServer, _ServerOutage] = field(default_factory=dict)
    _released_s: dict[DocumentKey, float] = field(default_factory=dict)
    _look: Timer = field(default_factory=lambda: Timer(LOOK_S))
    _hold_again: Timer = field(init=False)

    def __post_init__(self) -> None:
        self._hold_again = Timer(self.max_hold_s / 3)

    def step(self, now_s: float) -> None:
        """Probe the servers that are due, and release the jobs that can continue."""
        self._take_answers(0.0)
        if self._look.is_due(now_s):
            self._find_waiting_jobs()
            self._probe(now_s)
            self._end_contimeout()
        if self.max_hold_s and self._hold_again.is_due(now_s):
            self._keep_held()

    def run_once(self) -> None:
        """Probe each server once, and release the jobs that can continue."""
        self._find_waiting_jobs()
        self._probe(self.clock.monotonic_s())
        while self.queries.open and self._take_answers(ANSWERS_S):
            pass
        self._end_contimeout()

    def notices(self) -> Mapping[str, Words]:
        """The texts that queues show about jobs that wait for a server.

        The cause comes first, because dialogs cut long texts off.
        """
        found: dict[str, Words] = {}
        for server, outage in self._outages.items():
            jobs_of: defaultdict[str, set[int]] = defaultdict(set)
            for document, job in outage.held:
                jobs_of[document.queue].add(job.job_id)
            for queue, jobs in jobs_of.items():
                text = trn(
                    "{count} job is held until {server} works again",
                    "{count} jobs are held until {server} works again",
                    len(jobs),
                    server=server.name,
                )
                found[queue] = joined(" ", filter(None, (outage.trouble, text)))
        return found

    def _find_waiting_jobs(self) -> None:
        """Group the waiting jobs by server; a server without waiting jobs has no outage."""
        waiting = self.journal.waiting()
        found: dict[AwaitedServer, _ServerOutage] = {}
        if waiting:
            jobs = {(job.job_id, job.job_uuid): job for job in self.cups.jobs()}
            uris = {queue.name: queue.device_uri for queue in self.cups.queues()}
            for document in waiting:
                job = jobs.get((document.key.job_id, document.key.job_uuid))
                if job is None:
                    continue  # the job has ended; `orphans` handles it
                if job.queue not in (document.queue, document.class_name):  # a person has moved it
                    self.journal.abandon(document.key, now_s=self.clock.wall_s())
                    continue
                try:
                    queue = self.queue_of(uris.get(document.queue, ""))
                except CirrusError:
                    continue  # the queue is misconfigured, or is another program's now
                target = queue.targets[0] if document.waits_for == FOR_CORRECTION else None
                server = AwaitedServer(queue.server, queue.company, target)
                if server not in found:
                    found[server] = self._outages.get(server) or _ServerOutage(queue)
                    found[server].queue, found[server].held = queue, []
                found[server].held.append((document, job))
        for outage in found.values():
            self._notice_success(outage)
        self._outages = found
        kept = {document.key for document in waiting}
        self._released_s = {key: at for key, at in self._released_s.items() if key in kept}

    def _notice_success(self, outage: _ServerOutage) -> None:
        """Reset the pause if a released job was accepted: the server takes documents again."""
        gone = outage.released - outage.keys
        if any(document.key == key for key in gone for document in self.journal.documents_of(key)):
            outage.released = frozenset()
            outage.due_s = -math.inf

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
            if server.target is not None:
                question = functools.partial(api.device, server.target)
            outage.asked = True
            self.queries.ask(server, question)

    def _take_answers(self, wait_s: float) -> bool:
        """Act on the answers that have arrived, and return whether there were any."""
        found = False
        for server, result in self.queries.answers(wait_s):
            found = True
            outage = self._outages.get(server)
            if outage is None:
                continue
            outage.asked = False
            # only a client with a valid key learns that a device is unknown, or that the key has no
            # right to read devices
            is_corrected = server.target and isinstance(result, Refused | NotPermitted)
            if isinstance(result, CirrusError) and not is_corrected:
                self._failed(outage, result)
            else:
                self._works(server, outage)
        return found

    def _failed(self, outage: _ServerOutage, error: CirrusError) -> None:
        outage.due_s = self.clock.monotonic_s() + next(outage.waits_s)
        if not outage.trouble:
            said = f"{error.text} ({error.code}) {error.detail}".strip()
            self.tell(Change("server-away", said, WARNING, server=outage.queue.server))
        # everyone reads a queue's message
        outage.trouble = joined(" ", (error.for_person, f"({error.code})"))

    def _works(self, server: AwaitedServer, outage: _ServerOutage) -> None:
        """Release the jobs of a server that works, the oldest first."""
        if outage.trouble:
            self.tell(Change("server-back", f"{server.name} answers again", server=server.name))
            outage.trouble = ""
        to_release = outage.held
        if outage.released and outage.released <= outage.keys:  # all came back
            to_release = list({held[0].queue: held for held in reversed(to_release)}.values())
        else:
            outage.release_wait_s = RELEASE_AGAIN_S
        outage.due_s = self.clock.monotonic_s() + outage.release_wait_s
        outage.release_wait_s = min(outage.release_wait_s * 2, LONGEST_RELEASE_S)
        outage.released = frozenset(self._release(to_release)) or outage.released

    def _end_contimeout(self) -> None:
        """Release the jobs whose contimeout is over, so that their backends say so."""
        now_s = self.clock.wall_s()
        for outage in self._outages.values():
            self._release(held for held in outage.held if held[0].give_up_at_s <= now_s)

    def _release(self, wanted: Iterable[Held]) -> list[DocumentKey]:
        """Release those of these jobs that are held only for their server; return their documents.

        A person may hold a job until a set time, or hold the job after its release. In the latter
        case, no backend has written of the job since.
        """
        done = []
        for document, job in sorted(wanted, key=lambda held: held[1].job_id):
            is_held_again = self._released_s.get(document.key) == document.updated_at_s
            if is_held_again or not job.waits_for_release:
                continue
            try:
                self.cups.release_job(job.job_id)
            except (CupsGone, CupsNotPossible):
                continue  # a person was faster
            self._released_s[document.key] = document.updated_at_s
            done.append(document.key)
            self.tell(of_document("released", "", document))
        return done

    def _keep_held(self) -> None:
        """Hold the waiting jobs again, as CUPS counts MaxHoldTime from the last hold.

        The poller looks first: a job that runs by now, held again, would seem held by a person.
        """
        self._find_waiting_jobs()
        for outage in self._outages.values():
            for _, job in outage.held:
                if job.waits_for_release:
                    self.cups.hold_job(job.job_id)
