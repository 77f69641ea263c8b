"""Use case: show the state of deliveries at jobs and queues in CUPS.

Held jobs get a message in their owner's language. Queues get our reasons and a message. Only
differences are written. A held job that was canceled is let go: its documents are closed.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import CupsGone
from cirrus_bridge.base.model import DeliveryState
from cirrus_bridge.base.translation import Words, tr
from cirrus_bridge.cups.jobs import CANCELED, FINAL, HELD, CupsJob
from cirrus_bridge.cups.queues import CupsQueues, Queue, is_ours, queue_message
from cirrus_bridge.delivery.counts import DeliveryCounts
from cirrus_bridge.delivery.events import NOTICE, Change, of_document
from cirrus_bridge.delivery.messages import (
    QueueNews,
    held_message,
    is_told_offline,
    queue_news,
)
from cirrus_bridge.delivery.tracking import TrackedDelivery
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.polling.availability import Availability, Company, company_of
from cirrus_bridge.polling.watched import Job, WatchedDocument, WatchedDocuments
from cirrus_bridge.statusd.completion import JobCompletion

MOST_TOLD = 10_000
_LET_GO = tr(
    "Canceled in CUPS (by a person, or by MaxHoldTime), but the cloud already has the job and will "
    "print it."
)


@dataclass(slots=True)
class StatusMessages:
    """Writes the messages of jobs and queues.

    Attributes:
        server_notices: returns the notices about unavailable servers, by queue.
    """

    journal: PollerJournal
    cups: CupsQueues
    clock: Clock
    completion: JobCompletion
    tell: Callable[[Change], None]
    watch_list: WatchedDocuments
    availability: Availability
    server_notices: Callable[[], Mapping[str, Words]]
    # the start of the outage of which a job's backend was to tell, by job and location
    _told_again: dict[tuple[Job, str], float] = field(default_factory=dict)

    def tell_jobs(self) -> None:
        """Update the messages of held jobs.

        Jobs that CUPS has ended are let go if they were canceled. Otherwise they are followed on.
        """
        # the backend or `JobCompletion` completes a settled job
        held = [each for each in self.watch_list.held.values() if not each.is_settled]
        if not held:
            return
        jobs = {job.job_id: job for job in self.cups.jobs()}
        offline, now = self._offline(), self.clock.now()
        for watched in held:
            key = watched.document.key
            job = jobs.get(key.job_id)
            if job is None or job.job_uuid != key.job_uuid or self.journal.is_printed_again(key):
                job = self.completion.find(watched)  # the list may be outdated
            if job is None or job.state == CANCELED:
                self.completion.close([watched])
                self.tell(of_document("let-go", _LET_GO, watched.document, level=NOTICE))
                self.watch_list.remove(watched)
            elif job.state in FINAL:
                self.journal.job_is_over([watched.document.key], now_s=self.clock.wall_s())
                self.watch_list.hold(watched, is_held=False)
            elif job.state == HELD:
                if self.completion.is_printed_elsewhere(watched.document, job):
                    continue
                if job.queue == watched.document.class_name:  # a person may release it
                    self.completion.comes_back(watched.document, job)
                of_job = self.watch_list.of_job(watched)
                targets = [target for each in of_job for target in each.targets]
                away = offline[company_of(watched.queue)]
                self.completion.say(job, watched, held_message(targets, away, now))
                self._tell_again(job, watched, targets, away)

    def _tell_again(
        self,
        job: CupsJob,
        watched: WatchedDocument,
        targets: Sequence[TrackedDelivery],
        offline: Mapping[str, float],
    ) -> None:
        """Let the backend say on a job that a location went offline after the job was held.

        Only the backend may set the message that lpstat and dialogs show (CONTRIBUTING.md, "The
        message of a held job"). One run is enough for an outage of a location.
        """
        said, language = job.text("job-printer-state-message"), watched.document.language
        waits_at = {
            target.receipt.target.location
            for target in targets
            if target.status.state is DeliveryState.SUBMITTED
            and not target.status.waits_for_release
        }
        for location in sorted(waits_at & offline.keys()):
            outage = (watched.job, location)
            since_s = self._told_again.get(outage)
            if is_told_offline(said, location, language) or since_s == offline[location]:
                continue
            if self.completion.run_again(watched):
                self._told_again[outage] = offline[location]
                while len(self._told_again) > MOST_TOLD:
                    del self._told_again[next(iter(self._told_again))]
            return

    def tell_queues(self) -> None:
        """Update our reasons and message at all queues, and remove outdated ones."""
        wanted = self._news()
        for queue in self.cups.queues():
            news = wanted.get(queue.name, QueueNews())
            with contextlib.suppress(CupsGone):  # deleted meanwhile
                if _differs(queue, news) and self.cups.tell_queue(
                    queue.name, news.reasons, news.message
                ):
                    self.tell(Change("queue", news.message, queue=queue.name))

    def _news(self) -> Mapping[str, QueueNews]:
        """The reasons and messages that queues should show, by queue."""
        away, offline, now = self.server_notices(), self._offline(), self.clock.now()
        followed = self.watch_list.queues
        news = {}
        for name in {*followed, *away}:
            counts, of_company, trouble = DeliveryCounts(), dict[str, float](), ""
            if queue := followed.get(name):
                counts, of_company = queue.counts, offline[company_of(queue.uri)]
                trouble = self.availability.trouble_of(queue.uri)
            news[name] = queue_news(counts, of_company, away.get(name, ""), trouble, now)
        return news

    def _offline(self) -> defaultdict[Company, dict[str, float]]:
        """The locations of each company that ignore their jobs, with the start of their silence."""
        return self.availability.offline(self.watch_list.oldest_waiting_s(), self.clock.wall_s())


def _differs(queue: Queue, news: QueueNews) -> bool:
    """Whether the queue may need an update; `tell_queue` decides."""
    ours = {reason for reason in queue.reasons if queue.is_ours(reason)}
    message = queue_message(news.message)
    is_old = bool(message) or is_ours(queue.message)
    return ours != news.reasons or (queue.message != message and is_old)
