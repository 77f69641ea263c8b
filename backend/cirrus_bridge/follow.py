"""Use case: accepted documents → how their delivery ends, told as it goes.

Asks the cloud for each target's state until the wanted state is there, the time is over, or
somebody else needs the queue. Whatever a status query answers, the document is with the cloud:
nothing here submits anything.

Every job state from a server passes through `Tracked.learn`, for this follower and for the poller.
A state of a job that is not the document is not taken over. It may be a passing fault, so the
server is asked again, and only the poller decides that it stays so (`Tracked.verdict`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cirrus_bridge.clock import Clock
from cirrus_bridge.errors import ApiError, Refused, Retryable
from cirrus_bridge.journal_delivery import Accepted, DeliveryJournal
from cirrus_bridge.model import DeliveryState, DocumentKey, JobStatus, Receipt
from cirrus_bridge.verification import SentDocument, difference
from cirrus_bridge.words import Words, marked, tr

FIRST_WAIT_S = 0.3
WAIT_FACTOR = 1.5
LONGEST_WAIT_S = 10.0
OTHERS_EVERY_S = 1.0
DOUBT_LIMIT = 5  # answers in a row that are not about the job

# `wait` of the queue → when a target's state is good enough to stop following
ENOUGH: dict[str, Callable[[DeliveryState], bool]] = {
    "submitted": lambda state: True,
    "received": lambda state: state is not DeliveryState.SUBMITTED,
    "delivered": lambda state: state.is_final,
}
WORDS = {
    DeliveryState.MISMATCHED: marked(
        "The server's job for {location}:{device} is not the document that was sent"
    ),
    DeliveryState.UNKNOWN: marked(
        "The server knows nothing any more of the job for {location}:{device}"
    ),
    DeliveryState.SUBMITTED: marked("Waiting for {location} to fetch the job"),
    DeliveryState.RECEIVED: marked("Received at {location}"),
    DeliveryState.DELIVERED: marked("Delivered at {location}:{device}"),
    DeliveryState.DELETED: marked("Deleted at {location}"),
    DeliveryState.SAVED: marked("Saved by the recipient at {location}"),
    DeliveryState.TRASHED: marked("Put into the trash by the recipient at {location}"),
}


class Report(Protocol):
    """Where following says how it goes."""

    def debug(self, text: str) -> None: ...
    def info(self, text: str) -> None: ...
    def server_away(self, text: str) -> None: ...
    def server_back(self) -> None: ...


def describe(receipt: Receipt, status: JobStatus) -> Words:
    """One target's state in words, with the location's own message."""
    where = receipt.target
    state = tr(WORDS[status.state], location=where.location, device=where.device)
    return tr("{what}: {said}", what=state, said=status.message) if status.message else state


@dataclass(slots=True)
class Tracked:
    """One target of a document: what is known of it, and how many of the server's last answers in
    a row were not about it, in one way: `difference` is what the last of these said of another job,
    or empty if the server did not know the job."""

    key: DocumentKey
    number: int
    receipt: Receipt
    status: JobStatus
    sent: SentDocument = field(default_factory=SentDocument)
    doubts: int = 0
    difference: str = ""

    @property
    def is_doubtful(self) -> bool:
        """The server has repeatedly answered without knowing the document."""
        return self.doubts >= DOUBT_LIMIT

    @property
    def is_contradicted(self) -> bool:
        """The server has repeatedly told of a job that is not the document."""
        return self.is_doubtful and bool(self.difference)

    @property
    def verdict(self) -> JobStatus:
        """The state of the document if the doubts persist."""
        if self.difference:
            mismatched = DeliveryState.MISMATCHED
            return dataclasses.replace(self.status, state=mismatched, message=self.difference)
        return dataclasses.replace(self.status, state=DeliveryState.UNKNOWN)

    def doubt(self, difference: str = "") -> None:
        """Count an answer that is not about the document."""
        is_same = bool(difference) == bool(self.difference)
        self.doubts = self.doubts + 1 if is_same else 1
        self.difference = difference

    def learn(self, status: JobStatus) -> bool:
        """Take over what the server says, if it is about the document; whether it is news. A final
        state stays what it is."""
        if found := difference(self.sent, status):
            self.doubt(found)
            return False
        self.doubts, self.difference = 0, ""
        before = self.status
        is_news = (status.state, status.message) != (before.state, before.message)
        if is_news and not before.state.may_become(status.state):
            return False
        self.status = status
        return is_news


def tracked(documents: Sequence[Accepted]) -> list[Tracked]:
    """Every target of the documents, in their order."""
    return [
        Tracked(
            document.key,
            delivery.number,
            delivery.receipt,
            delivery.status,
            SentDocument(document.title, document.size_bytes, document.sent_bytes),
        )
        for document in documents
        for delivery in document.deliveries
    ]


@dataclass(slots=True)
class Follower:
    """Follows targets for the backend.

    `ask` is `get job`; `others_wait` says whether other jobs wait for the queue.
    """

    ask: Callable[[Receipt], JobStatus]
    journal: DeliveryJournal
    clock: Clock
    report: Report
    others_wait: Callable[[], bool]
    _look_at_s: float = 0.0

    def follow(self, targets: Sequence[Tracked], wait: str, timeout_s: int) -> None:
        """Follow the targets, which know afterwards what was heard.

        Args:
            wait: submitted, received or delivered: how far.
            timeout_s: for how long at most, 0 for no limit.

        Raises:
            Interrupted: a signal asked for an end.
        """
        enough = ENOUGH[wait]
        self._look_at_s = self.clock.monotonic_s() + OTHERS_EVERY_S
        deadline_s = self.clock.monotonic_s() + timeout_s if timeout_s else float("inf")
        wait_s = FIRST_WAIT_S
        open_targets = [target for target in targets if not enough(target.status.state)]
        self.clock.sleep(0)  # a stop request may have come while the submit's answer was noted
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
        """Wait; False as soon as others wait for the queue, who are looked for now and then."""
        while (now_s := self.clock.monotonic_s()) < until_s:
            if now_s >= self._look_at_s:
                self._look_at_s = now_s + OTHERS_EVERY_S
                if self.others_wait():
                    self.report.debug("other jobs wait for this queue")
                    return False
            self.clock.sleep(max(0.0, min(until_s, self._look_at_s) - now_s))
        return True

    def _ask(self, target: Tracked) -> bool:
        """Ask for one target's state; journal and tell it if it is new. A failed query changes
        nothing but the count of doubts."""
        try:
            status = self.ask(target.receipt)
        except ApiError as error:
            if isinstance(error, Refused):
                target.doubt()
            if isinstance(error, Retryable):
                self.report.server_away(
                    tr("The cloud has the job; how it goes is not seen. {error}", error=error)
                )
            self.report.debug(f"status of {target.receipt.cloud_job_id}: {error} {error.detail}")
            return False
        self.report.server_back()
        if not target.learn(status):
            if target.difference:
                job = target.receipt.cloud_job_id
                self.report.debug(f"the answer about {job} describes another: {target.difference}")
            return False
        self.journal.state(target.key, target.number, status, now_s=self.clock.wall_s())
        self.report.info(describe(target.receipt, status))
        return True


def _is_done(target: Tracked, enough: Callable[[DeliveryState], bool]) -> bool:
    return enough(target.status.state) or target.is_doubtful
