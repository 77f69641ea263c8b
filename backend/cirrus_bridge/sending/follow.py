"""Use case: follow accepted documents until the wanted state is reached.

Following also ends when the time is over or when other jobs need the queue. The cloud already has
the document, so nothing here submits anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import ApiError, Refused, Retryable
from cirrus_bridge.base.model import DeliveryState, JobStatus, Receipt
from cirrus_bridge.base.translation import tr
from cirrus_bridge.delivery.tracking import ENOUGH, TrackedDelivery, describe
from cirrus_bridge.journal.deliveries import DeliveryJournal
from cirrus_bridge.sending.report import Report

FIRST_WAIT_S = 0.3
WAIT_FACTOR = 1.5
LONGEST_WAIT_S = 10.0
OTHERS_EVERY_S = 1.0


@dataclass(slots=True)
class Follower:
    """Follows targets for the backend.

    Args:
        ask: the API's `get job`.
        others_wait: whether other jobs wait for the queue.
    """

    ask: Callable[[Receipt], JobStatus]
    journal: DeliveryJournal
    clock: Clock
    report: Report
    others_wait: Callable[[], bool]
    _look_at_s: float = 0.0

    def follow(self, targets: Sequence[TrackedDelivery], wait: str, timeout_s: int) -> None:
        """Follow the targets and update their states.

        Args:
            wait: the wanted state: submitted, received or delivered.
            timeout_s: 0 for no limit.

        Raises:
            Interrupted: a signal asked the program to stop.
            JournalError: a state cannot be written.
        """
        enough = ENOUGH[wait]
        self._look_at_s = self.clock.monotonic_s() + OTHERS_EVERY_S
        deadline_s = self.clock.monotonic_s() + timeout_s if timeout_s else float("inf")
        wait_s = FIRST_WAIT_S
        open_targets = [target for target in targets if not enough(target.status.state)]
        self.clock.sleep(0)  # a signal may have come while the submit's answer was journaled
        while open_targets:
            changed = [self._ask(target) for target in open_targets]
            open_targets = [t for t in open_targets if not _is_done(t, enough)]
            now_s = self.clock.monotonic_s()
            if not open_targets or now_s >= deadline_s:
                break
            wait_s = FIRST_WAIT_S if any(changed) else min(wait_s * WAIT_FACTOR, LONGEST_WAIT_S)
            if not self._keep_the_queue(min(now_s + wait_s, deadline_s)):
                break

    def _keep_the_queue(self, until_s: float) -> bool:
        """Wait until `until_s`; False as soon as other jobs wait for the queue."""
        while (now_s := self.clock.monotonic_s()) < until_s:
            if now_s >= self._look_at_s:
                self._look_at_s = now_s + OTHERS_EVERY_S
                if self.others_wait():
                    self.report.debug("other jobs wait for this queue")
                    return False
            self.clock.sleep(max(0.0, min(until_s, self._look_at_s) - now_s))
        return True

    def _ask(self, target: TrackedDelivery) -> bool:
        """Ask for a target's state; journal and report a new state.

        Returns:
            Whether the state is new. After a failed query it is not.
        """
        try:
            status = self.ask(target.receipt)
        except ApiError as error:
            if isinstance(error, Refused):
                target.doubt()
            if isinstance(error, Retryable):
                self.report.server_away(
                    tr(
                        "The job was accepted, but its status cannot be checked right now. {error}",
                        error=error,
                    )
                )
            self.report.debug(f"status of {target.receipt.cloud_job_id}: {error} {error.detail}")
            return False
        self.report.server_back()
        if not target.learn(status):
            if target.difference:
                job = target.receipt.cloud_job_id
                self.report.debug(f"answer about {job} describes another job: {target.difference}")
            return False
        self.journal.state(target.key, target.number, status, now_s=self.clock.wall_s())
        self.report.info(describe(target.receipt, status))
        return True


def _is_done(target: TrackedDelivery, enough: Callable[[DeliveryState], bool]) -> bool:
    return enough(target.status.state) or target.is_doubtful
