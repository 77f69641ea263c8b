"""Use case: what CUPS says of jobs and queues is what the cloud says, as far as it may be changed.

Held jobs get their message, in the language of whoever printed them; queues our reasons and
message. Nothing is written that is so already. A job that was canceled while it was held is let go.
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
from cirrus_bridge.journal.deliveries import AcceptedDocument
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.statusd.completion import LET_GO, JobCompletion
from cirrus_bridge.statusd.watched import WatchedDocument, WatchedDocuments, place

Company: TypeAlias = tuple[str, str]  # server, company
FAILURES_S = 24 * 3600.0  # so long a queue tells of what was not delivered
CANCELS_S = 3600.0


@dataclass(slots=True)
class StatusMessages:
    """Tells CUPS. `signs_s` is when each place was last seen to do something (seconds since the
    epoch)."""

    journal: PollerJournal
    cups: CupsQueues
    clock: Clock
    settlement: JobCompletion
    tell: Callable[[Change], None]
    server_notices: Callable[[], Mapping[str, Words]] = dict
    signs_s: dict[Place, float] = field(default_factory=dict)
    _trouble: dict[Company, str] = field(default_factory=dict)  # without a company, a server's

    def trouble_of(self, queue: QueueUri) -> str:
        """Why a queue's cloud can not be asked; empty if it can."""
        server, company = (self._trouble.get(at, "") for at in _both(queue))
        return company or server

    def has_trouble(self, queue: QueueUri, text: str, *, of_company: bool) -> bool:
        """A queue's cloud can not be asked, perhaps by its company alone; whether that is new."""
        is_new = not self.trouble_of(queue)
        self._trouble[_both(queue)[of_company]] = text
        return is_new

    def trouble_is_over(self, queue: QueueUri) -> bool:
        """A queue's cloud has told what it was asked for; whether that is new."""
        ended = [self._trouble.pop(at, "") for at in _both(queue)]
        return any(ended)

    def tell_jobs(self, watch_list: WatchedDocuments) -> list[WatchedDocument]:
        """Held jobs say how it goes; those that are held no more are let go, or followed on.

        Returns:
            The documents that were let go.

        Raises:
            CupsAway: cupsd does not answer.
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
                job = self.settlement.find(watched)  # its end may be younger than the list
            if job is None or job.state in FINAL:
                gone += self._ended(watched, job)
            elif job.state == HELD and not watched.is_settled:
                if self.settlement.is_printed_elsewhere(watched.document, job):
                    continue
                if job.queue == watched.document.class_name:  # a person may release it
                    self.settlement.comes_back(watched.document, job)
                of_job = watch_list.of_job(watched)
                targets = [target for each in of_job for target in each.targets]
                message = held_message(targets, offline[_company(watched)], now)
                self.settlement.say(job, watched, message)
        return gone

    def tell_queues(self, watch_list: WatchedDocuments) -> None:
        """Queues have our reasons and message, and none where there is nothing to say.

        Raises:
            CupsAway: cupsd does not answer.
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
        if watched.is_settled:
            return []  # its backend, or the settlement, ends it
        if job is None or job.state == CANCELED:
            self.settlement.let_go([watched])
            return [watched]
        self.settlement.job_is_over([watched])
        return []

    def _news(self, watch_list: WatchedDocuments) -> Mapping[str, QueueNews]:
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
        """Since when each company's locations have done nothing though jobs wait for them."""
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


def _failure(document: AcceptedDocument) -> Words:
    said = joined("; ", (describe(each.receipt, each.status) for each in document.deliveries))
    return tr("Job {job} was not delivered: {states}", job=document.key.job_id, states=said)


def _differs(queue: Queue, news: QueueNews) -> bool:
    """Whether there may be something to write; `tell_queue` knows for sure."""
    ours = {reason for reason in queue.reasons if reason.startswith(REASON_PREFIX)}
    message = queue_message(news.message)
    is_old = bool(message) or is_ours(queue.message)
    return ours != news.reasons or (queue.message != message and is_old)
