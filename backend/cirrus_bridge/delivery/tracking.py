"""The delivery state of each target of a document, doubts about the server's answers, and the
outcome of a job.

Every job state from a server passes through `TrackedDelivery.learn`, for backend and poller.
A state that is not about the document is discarded. The fault may pass, so the server is asked
again, and only the poller reaches a `TrackedDelivery.verdict`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cirrus_bridge.base.errors import (
    CirrusError,
    DeliveryEnded,
    DeliveryFailing,
    DeliveryUnknown,
    StatusMismatch,
)
from cirrus_bridge.base.model import DeliveryState, DocumentKey, JobStatus, Receipt
from cirrus_bridge.base.translation import Words, joined, marked, tr
from cirrus_bridge.journal.documents import Document

DOUBT_LIMIT = 5  # answers in a row that are not about the document

# the queue's `wait` → whether a state is good enough to stop following
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
        "The server no longer has a record of the job for {location}:{device}"
    ),
    DeliveryState.SUBMITTED: marked("Waiting for {location} to fetch the job"),
    DeliveryState.RECEIVED: marked("Received at {location}"),
    DeliveryState.DELIVERED: marked("Delivered at {location}:{device}"),
    DeliveryState.DELETED: marked("Deleted at {location}"),
    DeliveryState.SAVED: marked("Saved by the recipient at {location}"),
    DeliveryState.TRASHED: marked("Moved to the trash by the recipient at {location}"),
}
UNRELEASED = marked("Waiting for release at {location}:{device}")
_UNDELIVERED = {
    "mismatched": marked("{states}."),
    "unknown": marked("{states}. The document may have been printed."),
    "partial": marked("Not delivered everywhere. {states}."),
    "not delivered": marked("Not delivered. {states}."),
}
# TRASHED is missing here, because the recipient has decided that
NOT_DELIVERED = frozenset({DeliveryState.DELETED, DeliveryState.UNKNOWN})


def describe(receipt: Receipt, status: JobStatus) -> Words:
    """The text for one target's state, with the location's message."""
    where = receipt.target
    if status.waits_for_release:
        state = tr(UNRELEASED, location=where.location, device=where.device)
    else:
        state = tr(WORDS[status.state], location=where.location, device=where.device)
    return quoting(state, status.remark)


def describe_to_person(receipt: Receipt, status: JobStatus) -> Words:
    """The text for the person who printed. An error of the location is for the administrator, who
    finds the error in the log, in `cirrusctl job` and at the cloud."""
    where = receipt.target
    if status.is_failing:
        return tr(
            "{location} has not been able to print the job yet; if this continues, tell your "
            "administrator ({code})",
            location=where.location,
            code=DeliveryFailing.code,
        )
    told = dataclasses.replace(status, message="") if status.has_error else status
    return describe(receipt, told)


def quoting(what: Words, said: str) -> Words:
    """A text with the cloud's words, if there are any."""
    return tr("{what}: {said}", what=what, said=said) if said else what


@dataclass(frozen=True, slots=True)
class SentDocument:
    """The sent document: its title, its size, and the size of the uploaded data (which may be
    compressed). Empty or 0 means unknown."""

    title: str = ""
    size_bytes: int = 0
    sent_bytes: int = 0


@dataclass(slots=True, eq=False)
class TrackedDelivery:
    """One target of a document, and its delivery state.

    Attributes:
        doubts: the number of the latest answers in a row that were not about the document, all in
            the same way.
        difference: the contradiction in the last of these answers; empty if the server did not
            know the job.
    """

    key: DocumentKey
    number: int
    receipt: Receipt
    status: JobStatus
    sent: SentDocument = field(default_factory=SentDocument)
    doubts: int = 0
    difference: str = ""

    @property
    def is_doubtful(self) -> bool:
        """Whether the server has repeatedly given answers that are not about the document."""
        return self.doubts >= DOUBT_LIMIT

    @property
    def is_contradicted(self) -> bool:
        """Whether the server has repeatedly reported a job that is not the document."""
        return self.is_doubtful and bool(self.difference)

    @property
    def verdict(self) -> JobStatus:
        """The state of the document if the doubts persist."""
        state = DeliveryState.MISMATCHED if self.difference else DeliveryState.UNKNOWN
        message = self.difference or self.status.message
        return dataclasses.replace(self.status, state=state, message=message)

    def doubt(self, difference: str = "") -> None:
        """Count an answer that is not about the document."""
        is_same = bool(difference) == bool(self.difference)
        self.doubts = self.doubts + 1 if is_same else 1
        self.difference = difference

    def learn(self, status: JobStatus) -> bool:
        """Take over the server's status if the status is about the document; return whether it is
        news. A final state does not change."""
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


def difference(sent: SentDocument, status: JobStatus) -> str:
    """The server's claim that contradicts the document; empty if there is none.

    An id may belong to two jobs, a proxy may mix up answers, and a server that was restored from a
    backup may have put another file into the job. The API document is vague, so only a clear
    contradiction counts. A field that is missing, empty or 0 says nothing. `Size` is "in bytes",
    either of the document or of the uploaded data. `Name` is "the file name or title". Servers
    shorten the name, clean it, or add an extension, so one name must contain the letters of the
    other, in order. Characters outside ASCII are ignored, because servers may replace or recode
    them. `Target` does not count: the location derives it from the device by tag substitutions,
    such as a printer's name or a path.
    """
    sizes = (sent.size_bytes, sent.sent_bytes)
    if all(sizes) and status.size_bytes > 0 and status.size_bytes not in sizes:
        return tr(
            "its size is {found} bytes instead of {sent}",
            found=status.size_bytes,
            sent=sent.size_bytes,
        )
    found, wanted = _letters(status.name), _letters(sent.title)
    if not (_holds(found, wanted) or _holds(wanted, found)):
        return tr("its name is “{found}” instead of “{sent}”", found=status.name, sent=sent.title)
    return ""


def tracked_deliveries(documents: Sequence[Document]) -> list[TrackedDelivery]:
    """Every target of the documents, in their order."""
    found = []
    for document in documents:
        sent = SentDocument(document.title, document.size_bytes or 0, document.sent_bytes)
        for each in document.deliveries:
            target = TrackedDelivery(document.key, each.number, each.receipt, each.status, sent)
            found.append(target)
    return found


def is_settled(targets: Sequence[TrackedDelivery], wait: str) -> bool:
    """Whether every target has reached the state that the queue waits for (`wait`)."""
    return all(ENOUGH[wait](target.status.state) for target in targets)


def told(targets: Sequence[TrackedDelivery]) -> Words:
    """The states of all targets, for the administrator."""
    return joined("; ", (describe(target.receipt, target.status) for target in targets))


def told_to_person(targets: Sequence[TrackedDelivery]) -> Words:
    """The states of all targets, for the person who printed."""
    return joined("; ", (describe_to_person(each.receipt, each.status) for each in targets))


def check_delivered(targets: Sequence[TrackedDelivery]) -> None:
    """Raise an error if any target will never get the document.

    Raises:
        StatusMismatch: the server's job for a target is not the document.
        DeliveryUnknown: the server no longer has a record of a target's job.
        DeliveryEnded: the cloud or a recipient ended a delivery.
    """
    states = {target.status.state for target in targets}
    if DeliveryState.MISMATCHED in states:
        hint = tr(
            "Look at the printer (pages may be missing or belong to someone else). Cancel this "
            "job, print the missing pages again, and tell your administrator."
        )
        raise _undelivered(StatusMismatch, targets, "mismatched", hint)
    if DeliveryState.UNKNOWN in states:
        hint = tr("Look at the printer. Print the document again if it was not printed.")
        raise _undelivered(DeliveryUnknown, targets, "unknown", hint)
    if any(state.is_final and not state.reached_recipient for state in states):
        what = "partial" if any(state.reached_recipient for state in states) else "not delivered"
        hint = tr("If you do not know why, ask your administrator.")
        raise _undelivered(DeliveryEnded, targets, what, hint)


def _undelivered(
    cls: type[CirrusError], targets: Sequence[TrackedDelivery], what: str, hint: str = ""
) -> CirrusError:
    """An error with the states of the targets, told to both of its readers."""
    error = cls(tr(_UNDELIVERED[what], states=told(targets)), hint)
    for_person = tr(_UNDELIVERED[what], states=told_to_person(targets))
    error.told_to_person = joined(" ", filter(None, (for_person, hint)))
    return error


def _letters(name: str) -> str:
    return "".join(each for each in name.casefold() if each.isascii() and each.isalnum())


def _holds(name: str, part: str) -> bool:
    """Whether `name` contains all letters of `part`, in order."""
    rest = iter(name)
    return all(letter in rest for letter in part)
