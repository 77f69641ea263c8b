"""Use case: jobs that CUPS holds until their server works again are released when it does.

Each server is probed by one request at a time. When it answers, its jobs are released in their
order. If they come back, the server answers probes but takes no jobs: then only the first job of
each queue is released, ever more rarely, until one is accepted.
"""

from __future__ import annotations

import functools
import itertools
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from cirrus_bridge.asking import Askers
from cirrus_bridge.change import INFO, NOTICE, WARNING, Change
from cirrus_bridge.clock import Clock
from cirrus_bridge.cups_queue import FINAL, CupsJob, CupsQueues
from cirrus_bridge.errors import CirrusError, CupsGone, CupsNotPossible, Refused
from cirrus_bridge.journal_poller import PollerJournal, WaitingDocument
from cirrus_bridge.lifecycle import State
from cirrus_bridge.model import DocumentKey, Target
from cirrus_bridge.patience import FOR_CORRECTION
from cirrus_bridge.retry import waits
from cirrus_bridge.timer import Timer
from cirrus_bridge.uri import QueueUri
from cirrus_bridge.words import Words, joined, tr, trn

LOOK_S = 2.0
RELEASE_AGAIN_S, LONGEST_RELEASE_S = 10.0, 600.0
ANSWERS_S = 30.0  # how long one round waits for all answers

Server: TypeAlias = tuple[str, str, str]  # name, company, what its jobs wait for


class ProbeApi(Protocol):
    """A server that can be probed."""

    def version(self) -> object:
        """Anything, if the server works (no key is sent)."""

    def device(self, target: Target) -> object:
        """Anything, if the server accepts our requests."""


@dataclass(slots=True)
class _Outage:
    """What is known of one server's outage; times are monotonic seconds."""

    queue: QueueUri
    documents: Sequence[WaitingDocument] = ()
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
        askers: for probes alone.
        max_hold_s: after how long CUPS cancels a held job (MaxHoldTime); 0 for never.
    """

    journal: PollerJournal
    cups: CupsQueues
    clock: Clock
    tell: Callable[[Change], None]
    askers: Askers[object]
    queue_of: Callable[[str], QueueUri]
    api_of: Callable[[QueueUri], ProbeApi]
    max_hold_s: float = 0.0
    _outages: dict[Server, _Outage] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _asked: dict[int, Server] = field(default_factory=dict)
    _look: Timer = field(default_factory=lambda: Timer(LOOK_S))
    _hold_again: Timer | None = None

    def __post_init__(self) -> None:
        if self.max_hold_s:
            self._hold_again = Timer(self.max_hold_s / 3)

    def step(self, now_s: float) -> None:
        """Probe what is due, and release what can go on.

        Raises:
            CupsAway, CupsRefused: cupsd does not answer, or says no.
        """
        self._take_answers(0.0)
        if self._look.is_due(now_s):
            self._see_who_waits()
            self._probe(now_s)
            self._end_contimeout()
        if self._hold_again is not None and self._hold_again.is_due(now_s):
            self._keep_held()

    def run_once(self) -> None:
        """Probe each server once, and release what can go on.

        Raises:
            CupsAway, CupsRefused: cupsd does not answer, or says no.
        """
        self._see_who_waits()
        self._probe(self.clock.monotonic_s())
        while self._asked and self._take_answers(ANSWERS_S):
            pass
        self._end_contimeout()

    def notices(self) -> Mapping[str, Words]:
        """What queues are to say of the jobs that wait for a server."""
        found: dict[str, Words] = {}
        for (server, _, _), outage in self._outages.items():
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

    def _see_who_waits(self) -> None:
        documents: dict[Server, list[WaitingDocument]] = defaultdict(list)
        for document in self.journal.waiting():
            queue = self.queue_of(document.device_uri)
            documents[queue.server, queue.company, document.waits_for].append(document)
        for server in self._outages.keys() - documents.keys():
            del self._outages[server]
        for server, waiting in documents.items():
            if server not in self._outages:
                self._outages[server] = _Outage(self.queue_of(waiting[0].device_uri))
            self._outages[server].documents = waiting

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
            self.askers.ask(number, question)

    def _take_answers(self, wait_s: float) -> bool:
        """Act on the answers that are there; whether there was one."""
        found = False
        while answer := self.askers.answer(0.0 if found else wait_s):
            found = True
            server = self._asked.pop(answer.number)
            outage = self._outages.get(server)
            if outage is None:
                continue
            outage.asked = False
            # only a client that it accepts is told that the server does not know a device
            is_corrected = server[2] == FOR_CORRECTION and isinstance(answer.result, Refused)
            if isinstance(answer.result, CirrusError) and not is_corrected:
                self._failed(outage, answer.result)
            else:
                self._works(server, outage)
        return found

    def _failed(self, outage: _Outage, error: CirrusError) -> None:
        outage.due_s = self.clock.monotonic_s() + next(outage.waits_s)
        text = joined(" ", (error.text, f"({error.code})"))
        if not outage.trouble:
            self.tell(Change("server-away", f"{text} {error.detail}".strip(), WARNING))
        outage.trouble = text

    def _works(self, server: Server, outage: _Outage) -> None:
        """The server answers: its jobs are released, the oldest first."""
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
        outage.released = frozenset(self._release(to_release))

    def _end_contimeout(self) -> None:
        """Backends say at the jobs that their time is over."""
        now_s = self.clock.wall_s()
        for outage in self._outages.values():
            self._release([each for each in outage.documents if each.give_up_at_s <= now_s])

    def _release(self, documents: Iterable[WaitingDocument]) -> list[DocumentKey]:
        """Release the jobs of these documents that CUPS holds; the documents of those."""
        wanted = sorted(documents, key=lambda each: each.key.job_id)
        if not wanted:
            return []
        jobs = {job.job_id: job for job in self.cups.jobs()}
        done = []
        for document in wanted:
            job = self._job(document, jobs)
            if job is None or job.state in FINAL:
                self._gone(document)
            elif job.waits_for_release:
                try:
                    self.cups.release_job(job.job_id)
                except (CupsGone, CupsNotPossible):
                    continue  # a person was quicker
                done.append(document.key)
                self.tell(_change("released", document, "", INFO))
        return done

    def _job(self, document: WaitingDocument, jobs: Mapping[int, CupsJob]) -> CupsJob | None:
        job = jobs.get(document.key.job_id)
        if job is None:  # it has ended, or is younger than the list
            try:
                job = self.cups.job(document.key.job_id)
            except CupsGone:
                return None
        return job if job.job_uuid == document.key.job_uuid else None

    def _gone(self, document: WaitingDocument) -> None:
        """CUPS ended the job, or has forgotten it."""
        if self.journal.is_at_work(document.key.job_uuid, document.key.job_id):
            return
        state = self.journal.abandon(document.key, now_s=self.clock.wall_s())
        if state is State.ABANDONED_IN_DOUBT:
            self.tell(_change("may-be-printed", document, _ENDED_IN_DOUBT, WARNING))
        elif state is State.ABANDONED:
            self.tell(_change("not-sent", document, _ENDED, NOTICE))

    def _keep_held(self) -> None:
        """CUPS counts MaxHoldTime from the last hold."""
        jobs = {job.job_id: job for job in self.cups.jobs()}
        for outage in self._outages.values():
            for document in outage.documents:
                job = jobs.get(document.key.job_id)
                if job and job.waits_for_release and job.job_uuid == document.key.job_uuid:
                    self.cups.hold_job(job.job_id)


def _change(event: str, document: WaitingDocument, text: str, level: int) -> Change:
    return Change(
        *(event, text, level, document.queue, document.key.job_id, document.user, document.title),
        language=document.language,
    )


_ENDED = tr("CUPS ended the job before it was sent to the cloud. Print it again if it is wanted.")
_ENDED_IN_DOUBT = tr(
    "CUPS ended the job while it was not known whether the cloud took it: it may be printed. Look "
    "at the printer; print it again if it did not come out."
)
