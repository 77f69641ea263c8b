"""A document's row and the rows of its deliveries, as values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from cirrus_bridge.base.model import DeliveryState, DocumentKey, JobStatus, Receipt, Target
from cirrus_bridge.journal.lifecycle import ACCEPTED, IN_DOUBT, State, sql_list
from cirrus_bridge.journal.schema import KEY, in_document

BY_KEY = f"({KEY}) = (?, ?, ?, ?, ?)"
JOINED = f"document JOIN delivery USING ({KEY})"

_COLUMNS = (
    f"{KEY}, document.state, queue, class_name, user, title, language, device_uri, completed_at,"
    " created_at, document.updated_at, coalesce(document.accepted_at, 0.0),"
    " coalesce(closed_at, 0.0), size_bytes, coalesce(sent_bytes, 0), reprints, hand_overs,"
    " open_runs, was_in_doubt, waits_for, coalesce(give_up_at, 0.0),"
    f" iif(document.state IN {sql_list(ACCEPTED)}, 0,"
    f" (SELECT coalesce(sum(length), 0) FROM segment WHERE {in_document('segment')})),"
    " pages, counted, account, accounting_user"
)
_WIDTH = 30  # columns of a document
_DELIVERY = (
    "target_number, location, device, coalesce(cloud_job_id, ''), coalesce(delivery.state, 0),"
    " message, submitted, received, delivered, received_at, final_at, has_stopped_queue"
)
DOCUMENTS = f"SELECT {_COLUMNS} FROM document WHERE "
WITH_DELIVERIES = f"SELECT {_COLUMNS}, {_DELIVERY} FROM {JOINED} WHERE "


@dataclass(frozen=True, slots=True)
class Delivery:
    """One target of a document, with its number (from 0) and its last known status.

    Attributes:
        receipt: without a cloud job id until the cloud has the document.
        received_at_s, final_at_s: when the backend or the poller noticed these states, in seconds
            since the epoch.
        has_stopped_queue: whether the queue was stopped for the error that the location reports.
    """

    number: int
    receipt: Receipt
    status: JobStatus
    received_at_s: float | None = None
    final_at_s: float | None = None
    has_stopped_queue: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A document. Times are in seconds since the epoch, 0 for never.

    Attributes:
        class_name: the class through which the job came, or empty.
        device_uri: the queue URI with the options for the poller, once the document was left to it.
        completed_at: when CUPS had last completed the job, at the last run of this print.
        updated_at_s: when the row was last written.
        closed_at_s: 0 while something is left to be done.
        size_bytes: the document's size; None if it is not known.
        sent_bytes: the size of the uploaded stream; 0 if it is not known.
        reprints: how often the document was submitted again because the cloud did not deliver it.
        open_runs: how many runs in a row were killed, each within SOON_S of the run before.
        was_in_doubt: whether a submit may have been accepted, whatever a person has decided since.
        waits_for: what a held job last waited for: `server`, or `correction` for a fault of the
            configuration.
        give_up_at_s: when the queue's contimeout is over.
        confirmed_bytes: the size of the segments that the server has confirmed; 0 once the server
            has accepted the document.
        pages: the pages of the document and its copies, as CUPS counts them; None if unknown.
        counted: CUPS's page count of the whole job when a run of this document last ended.
        deliveries: empty if they were not read.
    """

    key: DocumentKey
    state: State
    queue: str
    class_name: str = ""
    user: str = ""
    title: str = ""
    language: str = ""
    device_uri: str = ""
    completed_at: int = 0
    created_at_s: float = 0.0
    updated_at_s: float = 0.0
    accepted_at_s: float = 0.0
    closed_at_s: float = 0.0
    size_bytes: int | None = None
    sent_bytes: int = 0
    reprints: int = 0
    hand_overs: int = 0
    open_runs: int = 0
    was_in_doubt: bool = False
    waits_for: str = ""
    give_up_at_s: float = 0.0
    confirmed_bytes: int = 0
    pages: int | None = None
    counted: int = 0
    account: str = ""
    accounting_user: str = ""
    deliveries: tuple[Delivery, ...] = ()

    @property
    def may_be_printed(self) -> bool:
        """Whether a submit may have been accepted, or was in doubt before a person decided."""
        return self.was_in_doubt or self.state in IN_DOUBT


def read_documents(rows: Iterable[Sequence[Any]]) -> list[Document]:
    """The documents in the rows of a query that begins with DOCUMENTS or WITH_DELIVERIES."""
    found = []
    for head, group in groupby(rows, key=lambda row: row[:_WIDTH]):
        deliveries = tuple(_delivery(row[_WIDTH:]) for row in group if row[_WIDTH:])
        values = (DocumentKey(*head[:5]), State(head[5]), *head[6:], deliveries)
        found.append(Document(*values))
    return found


def _delivery(row: Sequence[Any]) -> Delivery:
    number, location, device, job_id, state, message, submitted, received, delivered, *rest = row
    status = JobStatus(
        DeliveryState(state),
        message=message,
        submitted=submitted,
        received=received,
        delivered=delivered,
    )
    received_at_s, final_at_s, has_stopped_queue = rest
    receipt = Receipt(Target(location, device), job_id)
    return Delivery(number, receipt, status, received_at_s, final_at_s, bool(has_stopped_queue))
