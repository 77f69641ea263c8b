"""Use case: follow accepted documents until the wanted state is reached.

Following also ends when the time is over, or when other jobs need the queue or this process. The
cloud already has the document, so nothing here submits anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import ApiError, Refused, Retryable
from cirrus_bridge.base.translation import joined, tr
from cirrus_bridge.config.queue_uri import QueueUri
from cirrus_bridge.delivery.tracking import ENOUGH, TrackedDelivery, describe, describe_to_person
from cirrus_bridge.journal.deliveries import DeliveryJournal
from cirrus_bridge.sending.patience import Report

FIRST_WAIT_S = 0.3
WAIT_FACTOR = 1.5
LONGEST_WAIT_S = 10.0
OTHERS_EVERY_S, NEEDED_EVERY_S = 1.0, 0.2


@dataclass(slots=True)
class Follower:
    """Follows documents that went to `queue`; `others_wait` says whether other jobs wait there, and
    `is_needed` whether another job waits for this process."""

    queue: QueueUri
    api_of: Callable[[QueueUri], CloudApi]
    journal: DeliveryJournal
    clock: Clock
    report: Report
    others_wait: Callable[[], bool]
    is_needed: Callable[[], bool] = lambda: False
    _has_poller: bool = False
    _look_at_s: float = 0.0

    def follow(self, targets: Sequence[TrackedDelivery], *, is_brief: bool = False) -> None:
        """Follow the targets as long as the queue's settings say, and update their states. If
        `is_brief`, ask once for each target.

        Raises:
            Interrupted: a signal asked the program to stop.
            JournalError: a state cannot be written.
        """
        enough, timeout_s = ENOUGH[self.queue.settings.wait], self.queue.settings.wait_timeout_s
        now_s = self.clock.monotonic_s()
        self._look_at_s = now_s
        self._has_poller = self.journal.poller_is_alive()
        if not self._has_poller:  # nobody would release the held job
            self._look_at_s += OTHERS_EVERY_S
        deadline_s = now_s + timeout_s if timeout_s else math.inf  # 0: no limit
        wait_s = FIRST_WAIT_S
        open_targets = [target for target in targets if not enough(target.status.state)]
        self.clock.sleep(0)  # a signal may have come while the submit's answer was journaled
        while open_targets:
            changed = [self._ask(target) for target in open_targets]
            open_targets = [
                target
                for target in open_targets
                if not (
                    enough(target.status.state)
                    or target.is_doubtful
                    or target.status.waits_for_release  # may take days, so the queue is free
                )
            ]
            now_s = self.clock.monotonic_s()
            if not open_targets or now_s >= deadline_s or (is_brief and not any(changed)):
                break
            wait_s = FIRST_WAIT_S if any(changed) else min(wait_s * WAIT_FACTOR, LONGEST_WAIT_S)
            if not self._keep_the_queue(min(now_s + wait_s, deadline_s)):
                break

    def _keep_the_queue(self, until_s: float) -> bool:
        """Wait until `until_s`; False as soon as other jobs wait for the queue or this process."""
        while (now_s := self.clock.monotonic_s()) < until_s:
            if self._has_poller and self.is_needed():
                self.report.debug("another job waits for this process")
                return False
            if now_s >= self._look_at_s:
                self._look_at_s = now_s + OTHERS_EVERY_S
                if self.others_wait():
                    self.report.debug("other jobs wait for this queue")
                    return False
            until_look_s = min(until_s, self._look_at_s, now_s + NEEDED_EVERY_S)
            self.clock.sleep(max(0.0, until_look_s - now_s))
        return True

    def _ask(self, target: TrackedDelivery) -> bool:
        """Ask for a target's state; journal and report a new state. Return whether it is new."""
        job = target.receipt.cloud_job_id
        try:
            status = self.api_of(self.queue).job_status(target.receipt)
        except ApiError as error:
            if isinstance(error, Refused):
                target.doubt()
            if isinstance(error, Retryable):
                self.report.server_away(
                    tr(
                        "The job was accepted, but its status cannot be checked right now. {error}",
                        error=joined(" ", (error.for_person, f"({error.code})")),
                    )
                )
            self.report.debug(f"status of {job}: {error} {error.detail}")
            return False
        self.report.server_back()
        if target.learn(status):
            self.journal.state(target.key, target.number, status, now_s=self.clock.wall_s())
            self.report.debug(describe(target.receipt, status))
            self.report.info(describe_to_person(target.receipt, status))
            return True
        if target.difference:
            self.report.debug(f"answer about {job} describes another job: {target.difference}")
        return False
