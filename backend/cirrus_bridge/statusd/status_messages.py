"""Use case: show the state of deliveries at jobs and queues in CUPS.

Held jobs get a message in their owner's language. Queues get our reasons and a message. Only
differences are written. A held job that was canceled is let go: its documents are closed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import CupsGone
from cirrus_bridge.base.model import DeliveryState, Place
from cirrus_bridge.base.translation import Words, joined, tr
from cirrus_bridge.config.queue_uri import QueueUri
from cirrus_bridge.cups.jobs import CANCELED, FINAL, HELD, CupsJob
from cirrus_bridge.cups.queues import REASON_PREFIX, CupsQueues, Queue, is_ours, queue_message
from cirrus_bridge.delivery.events import Change
from cirrus_bridge.delivery.messages import OFFLINE_AFTER_S, QueueNews, held_message, queue_news
from cirrus_bridge.delivery.tracking import describe
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.statusd.completion import LET_GO, JobCompletion
from cirrus_bridge.statusd.watched import WatchedDocument, WatchedDocuments, place

Company: TypeAlias = tuple[str, str]  # server, company
FAILURES_S = 24 * 3600.0  # a queue shows failed deliveries this long
CANCELS_S = 3600.0  # and canceled jobs this long


@dataclass(slots=True)
class StatusMessages:
    """Writes the messages of jobs and queues.

    Args:
        tell: gets each change of a queue's message.
        server_notices: returns the notices about unavailable servers, by queue.
        signs_s: the last sign of life of each place (seconds since the epoch).
    """

    journal: PollerJournal
    cups: CupsQueues
    clock: Clock
    completion: JobCompletion
    tell: Callable[[Change], None]
    server_notices: Callable[[], Mapping[str, Words]] = dict
    signs_s: dict[Place, float] = field(default_factory=dict)
    _trouble: dict[Company, str] = field(default_factory=dict)  # a server's trouble has no company

    def trouble_of(self, queue: QueueUri) -> str:
        """The reason why a queue's cloud cannot be queried; empty if it can."""
        server, company = (self._trouble.get(at, "") for at in _both(queue))
        return company or server

    def has_trouble(self, queue: QueueUri, text: str, *, of_company: bool) -> bool:
        """Note that a queue's cloud cannot be queried.

        Args:
            text: the reason, for people.
            of_company: only this company cannot query the cloud.

        Returns:
            Whether this is news.
        """
        is_new = not self.trouble_of(queue)
        self._trouble[_both(queue)[of_company]] = text
        return is_new

    def trouble_is_over(self, queue: QueueUri) -> bool:
        """Note a proper answer of a queue's cloud; return whether this is news."""
        ended = [self._trouble.pop(at, "") for at in _both(queue)]
        return any(ended)

    def tell_jobs(self, watch_list: WatchedDocuments) -> list[WatchedDocument]:
        """Update the messages of held jobs.

        Jobs that CUPS has ended are let go if they were canceled. Otherwise they are followed on.

        Returns:
            The documents that were let go.

        Raises:
            CupsAway, CupsRefused: cupsd does not answer, or says no.
        """
        held = [watched for watched in watch_list if watched.is_held]
        if not held:
            return []
        jobs = {job.job_id: job for job in self.cups.jobs()}
        offline, now, gone = self._offline(watch_list), self.clock.now(), []
        for watched in held:
            key = watched.document.key
            job = jobs.get(key.job_id)
            if job is None or job.job_uuid != key.job_uuid or self.journal.is_printed_again(key):
                job = self.completion.find(watched)  # the list may be outdated
            if job is None or job.state in FINAL:
                gone += self._ended(watched, job)
            elif job.state == HELD and not watched.is_settled:
                if self.completion.is_printed_elsewhere(watched.document, job):
                    continue
                if job.queue == watched.document.class_name:  # a person may release it
                    self.completion.comes_back(watched.document, job)
                of_job = watch_list.of_job(watched)
                targets = [target for each in of_job for target in each.targets]
                message = held_message(targets, offline[_company(watched)], now)
                self.completion.say(job, watched, message)
        return gone

    def tell_queues(self, watch_list: WatchedDocuments) -> None:
        """Update our reasons and message at all queues, and remove outdated ones.

        Raises:
            CupsAway, CupsRefused: cupsd does not answer, or says no.
        """
        wanted = self._news(watch_list)
        for queue in self.cups.queues():
            news = wanted.get(queue.name, QueueNews())
            if _differs(queue, news):
                try:
                    written = self.cups.tell_queue(queue.name, news.reasons, news.message)
                except CupsGone:
                    continue  # deleted meanwhile
                if written:
                    self.tell(Change("queue", news.message, queue=queue.name))

    def _ended(self, watched: WatchedDocument, job: CupsJob | None) -> list[WatchedDocument]:
        """Handle a document whose held job has ended; return the document if it is let go."""
        if watched.is_settled:
            return []  # the backend or `JobCompletion` completes the job
        if job is None or job.state == CANCELED:
            self.completion.let_go([watched])
            return [watched]
        self.completion.job_is_over([watched])
        return []

    def _news(self, watch_list: WatchedDocuments) -> Mapping[str, QueueNews]:
        """The reasons and messages that queues should show, by queue."""
        now_s = self.clock.wall_s()
        failures: dict[str, list[str]] = defaultdict(list)
        notices: dict[str, list[str]] = defaultdict(list)
        for document in self.journal.not_delivered(since_s=now_s - FAILURES_S):
            failures[document.queue].append(_failure(document))
        for document in self.journal.let_go(since_s=now_s - CANCELS_S):
            notices[document.queue].append(
                tr("Job {job}: {what}", job=document.key.job_id, what=LET_GO)
            )
        away = self.server_notices()
        for queue, notice in away.items():
            notices[queue].append(notice)
        by_queue: dict[str, list[WatchedDocument]] = defaultdict(list)
        for watched in watch_list:
            by_queue[watched.document.queue].append(watched)
        offline, now = self._offline(watch_list), self.clock.now()
        return {
            name: queue_news(
                [target for watched in by_queue[name] for target in watched.targets],
                offline[_company(by_queue[name][0])] if by_queue[name] else {},
                failures[name],
                notices[name],
                self.trouble_of(by_queue[name][0].queue) if by_queue[name] else "",
                now,
                is_away=name in away,
            )
            for name in {*by_queue, *failures, *notices}
        }

    def _offline(self, watch_list: WatchedDocuments) -> defaultdict[Company, dict[str, float]]:
        """The locations of each company that ignore their jobs, with the start of their silence."""
        oldest_s: dict[Place, float] = {}
        for watched in watch_list:
            for target in watched.targets:
                if target.status.state is DeliveryState.SUBMITTED:
                    where, since_s = place(watched, target), watched.document.accepted_at_s
                    oldest_s[where] = min(oldest_s.get(where, since_s), since_s)
        offline: defaultdict[Company, dict[str, float]] = defaultdict(dict)
        for where, since_s in oldest_s.items():
            quiet_since_s = max(since_s, self.signs_s.get(where, 0.0))
            if self.clock.wall_s() - quiet_since_s > OFFLINE_AFTER_S:
                offline[where.server, where.company][where.location] = quiet_since_s
        return offline


def _company(watched: WatchedDocument) -> Company:
    return (watched.queue.server, watched.queue.company)


def _both(queue: QueueUri) -> tuple[Company, Company]:
    return (queue.server, ""), (queue.server, queue.company)


def _failure(document: Document) -> Words:
    said = joined("; ", (describe(each.receipt, each.status) for each in document.deliveries))
    return tr("Job {job} was not delivered: {states}", job=document.key.job_id, states=said)


def _differs(queue: Queue, news: QueueNews) -> bool:
    """Whether the queue may need an update; `tell_queue` decides."""
    ours = {reason for reason in queue.reasons if reason.startswith(REASON_PREFIX)}
    message = queue_message(news.message)
    is_old = bool(message) or is_ours(queue.message)
    return ours != news.reasons or (queue.message != message and is_old)
