"""The history of jobs for people: what has happened to each document.

The journal is read by a connection of its own. A missing journal is not created.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from cirrus_bridge.base.errors import JournalError
from cirrus_bridge.base.model import DeliveryState, DocumentKey, Target
from cirrus_bridge.base.translation import tr
from cirrus_bridge.journal.lifecycle import State
from cirrus_bridge.journal.readonly import read_only

_KEY = "job_uuid, job_id, print_run, destination, number"
_NEWEST_FIRST = ", ".join(
    f"{column} DESC" for column in ("created_at", *_KEY.split(", "), "target_number")
)
_DOCUMENT = (
    f"{_KEY}, queue, class_name, user, title, document.state, size_bytes, reprints, created_at, "
    "document.updated_at, accepted_at, closed_at, coalesce((SELECT sum(length) FROM segment "
    "WHERE segment.job_uuid = document.job_uuid AND segment.job_id = document.job_id "
    "AND segment.print_run = document.print_run AND segment.number = document.number "
    "AND segment.destination = document.destination), 0)"
)
_DELIVERY = (
    "location, device, cloud_job_id, delivery.state, message, submitted, received, delivered, "
    "received_at, final_at"
)
_KEY_COLUMNS, _DOCUMENT_COLUMNS = 5, 17
_STATE = 4  # index of the state after the columns of the key
MOST_ROWS = 10_000  # a document has a row for each target


@dataclass(frozen=True, slots=True)
class PastDelivery:
    """One target of a document.

    Attributes:
        state: None until the cloud has the document.
        submitted, received, delivered: times as the server writes them.
        received_at_s, final_at_s: when the backend or the poller noticed this, in seconds since the
            epoch.
    """

    target: Target
    cloud_job_id: str
    state: DeliveryState | None
    message: str
    submitted: str
    received: str
    delivered: str
    received_at_s: float | None
    final_at_s: float | None


@dataclass(frozen=True, slots=True)
class PastDocument:
    """A document. Times are in seconds since the epoch.

    Attributes:
        confirmed_bytes: the size of the segments that the server has confirmed.
    """

    key: DocumentKey
    queue: str
    class_name: str
    user: str
    title: str
    state: State
    size_bytes: int | None
    reprints: int
    created_at_s: float
    updated_at_s: float
    accepted_at_s: float | None
    closed_at_s: float | None
    confirmed_bytes: int
    deliveries: tuple[PastDelivery, ...]


class Past(NamedTuple):
    """Documents, the oldest first. If `is_all` is false, older documents were left out."""

    documents: list[PastDocument]
    is_all: bool


def documents_of_job(folder: Path, job_id: int) -> Past:
    """The documents of the CUPS jobs with this id.

    Raises:
        JournalError: the journal cannot be read.
    """
    return _documents(folder, "job_id = ?", (job_id,))


def recent_documents(folder: Path, closed: int) -> Past:
    """The documents for which something is left to be done, and the last `closed` of the others.

    Raises:
        JournalError: the journal cannot be read.
    """
    last = "SELECT rowid FROM document WHERE closed_at IS NOT NULL ORDER BY closed_at DESC LIMIT ?"
    return _documents(folder, f"closed_at IS NULL OR document.rowid IN ({last})", (closed,))


def _documents(folder: Path, where: str, values: Sequence[object]) -> Past:
    try:
        (folder / "journal.db").stat()
    except FileNotFoundError:
        return Past([], is_all=True)  # nothing was printed yet
    except OSError as error:
        raise JournalError(
            tr(
                "The journal in {path} cannot be read ({error}).",
                path=folder,
                error=error.strerror,
            ),
            tr("Run this command as root."),
        ) from error
    with read_only(folder) as db:
        rows = db.execute(
            f"SELECT {_DOCUMENT}, {_DELIVERY} FROM document JOIN delivery"
            f" USING ({_KEY}) WHERE {where} ORDER BY {_NEWEST_FIRST} LIMIT {MOST_ROWS + 1}",
            values,
        ).fetchall()
    documents = [
        _document(head, [_delivery(*row[_DOCUMENT_COLUMNS:]) for row in group])
        for head, group in groupby(
            rows[MOST_ROWS - 1 :: -1], key=lambda row: tuple(row[:_DOCUMENT_COLUMNS])
        )
    ]
    return Past(documents, is_all=len(rows) <= MOST_ROWS)


def _document(head: Sequence[Any], deliveries: list[PastDelivery]) -> PastDocument:
    about = [*head[_KEY_COLUMNS:]]
    about[_STATE] = State(about[_STATE])
    fields = [DocumentKey(*head[:_KEY_COLUMNS]), *about, tuple(deliveries)]
    return PastDocument(*fields)


def _delivery(
    location: str, device: str, cloud_job_id: str | None, state: int | None, *more: Any
) -> PastDelivery:
    return PastDelivery(
        Target(location, device),
        cloud_job_id or "",
        None if state is None else DeliveryState(state),
        *more,
    )
