"""What a run tells the service, as values that become JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cirrus_bridge.base.errors import (
    CirrusError,
    Disposition,
    Interrupted,
    JournalError,
    QueueError,
    Retryable,
)
from cirrus_bridge.base.translation import joined
from cirrus_bridge.delivery.tracking import tracked_deliveries
from cirrus_bridge.ipp_server.outcomes import in_every_language, outcome_of
from cirrus_bridge.ipp_server.spool import SpooledJob
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.lifecycle import WAITS, State

Tell = Callable[[Mapping[str, Any]], None]
LONGEST_WAIT_S = 600.0  # that a server may ask for
_REPEATED = (Disposition.WAIT, Disposition.RETRY_LATER, Disposition.RUN_AGAIN)
_LOCAL = (QueueError, JournalError)  # an administrator corrects the configuration or the disk
# errors that nobody can end but by printing again
_ABORTED = ("CB-301", "CB-302", "CB-303", "CB-304", "CB-401", "CB-406")


class RunReport:
    """Tells the service what a run does (`sending.patience.Report`)."""

    def __init__(self, job_id: int, tell: Tell) -> None:
        self._job_id, self._tell = job_id, tell
        self._is_away = self.has_progressed = False

    def debug(self, text: str) -> None:
        """Log nothing: the service's log has outcomes only."""

    def info(self, text: str) -> None:
        """Log nothing: the job's state tells as much."""

    def progress(self, percent: int) -> None:
        """Note that the server has taken a part of the document."""
        self.has_progressed = True

    def server_away(self, text: str) -> None:
        """Tell why the server cannot be used."""
        self._is_away = True
        self._tell({"job": self._job_id, "away": in_every_language(text)})

    def server_back(self) -> None:
        """Tell that the server can be used again, if it could not be used."""
        if self._is_away:
            self._is_away = False
            self._tell({"job": self._job_id, "away": {}})


def accepted(job: SpooledJob, documents: Sequence[Document]) -> dict[str, Any]:
    """The news that the cloud has a job with these documents, as `documents_of` returns them.
    Nobody else tells the outcome of closed documents whose job was not ended in the spool, such as
    a spool of a backup."""
    told: dict[str, Any] = {"job": job.job_id, "accepted": True}
    if documents and all(document.state is State.CLOSED for document in documents):
        told["outcome"] = outcome_of(tracked_deliveries(documents))
    return told


def failed(job: SpooledJob, error: CirrusError, known: Document | None = None) -> dict[str, Any]:
    """An error as news.

    Keys: `code`; `message`, for the person; `log`, for the administrator; and `then`: `wait` (the
    service tries again), `hold` (a person decides), `abort`, or `stop` (the run was interrupted).
    """
    text = joined(" ", filter(None, (error.for_person, error.consequence, f"({error.code})")))
    may_be_printed = known is not None and known.may_be_printed
    is_left = known is not None and known.state in WAITS
    if isinstance(error, Interrupted):
        then = "stop"
    elif is_left or isinstance(error, _LOCAL) or error.disposition in _REPEATED:
        then = "wait"
    elif error.disposition is Disposition.CANCEL or (not may_be_printed and _is_over(error)):
        then = "abort"
    else:
        then = "hold"
    return {
        "job": job.job_id,
        "error": error.code,
        "message": in_every_language(text),
        "log": f"{error.text} ({error.code}) {error.detail}".strip(),
        "then": then,
        "may_be_printed": may_be_printed,
        "least_wait_s": _asked_wait_s(error),
    }


def _asked_wait_s(error: CirrusError) -> float:
    """How long the server asks to wait (Retry-After), in seconds."""
    for each in (error, error.__cause__):
        if isinstance(each, Retryable):
            return min(LONGEST_WAIT_S, each.retry_after_s or 0.0)
    return 0.0


def _is_over(error: CirrusError) -> bool:
    """Whether only printing again helps."""
    return error.disposition is Disposition.FAIL or error.code in _ABORTED
