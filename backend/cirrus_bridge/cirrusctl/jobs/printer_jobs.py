"""The jobs of the printers without drivers, joined from the service's spool and its journal.

Functions that find jobs raise JournalError if the spool or the journal cannot be read.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.jobs.view import (
    JOB_STATES,
    JobEvent,
    JobView,
    Origin,
    earlier_documents,
    find_jobs,
    newest_first,
    time_of,
)
from cirrus_bridge.journal import history
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.spooled import ClientJob, jobs_of_ids, recent_jobs


@dataclass(frozen=True)  # with slots, super() fails
class PrinterJobView(JobView):
    """One job of a client. Without `spooled`, the service has forgotten the job."""

    spooled: ClientJob | None = None

    @property
    def origin(self) -> Origin:
        return Origin.PRINTERS

    @property
    def client(self) -> str | None:
        return self.spooled.host if self.spooled else None

    @property
    def state(self) -> str:
        if self.spooled is None:
            return super().state
        return JOB_STATES.get(self.spooled.state, str(self.spooled.state))

    @property
    def has_ended(self) -> bool:
        is_open = self.spooled is not None and not self.spooled.has_ended
        return not is_open and super().has_ended

    @property
    def queue(self) -> str:
        return self.spooled.printer if self.spooled else super().queue

    @property
    def user(self) -> str:
        return self.spooled.user if self.spooled else super().user

    @property
    def created(self) -> datetime | None:
        return time_of(self.spooled.created_s) if self.spooled else super().created

    @property
    def completed(self) -> datetime | None:
        return time_of(self.spooled.completed_s) if self.spooled else None

    @property
    def title(self) -> str:
        return self.spooled.title if self.spooled else super().title

    @property
    def message(self) -> str:
        return self.spooled.message if self.spooled else ""

    @property
    def moments(self) -> list[JobEvent]:
        said = tr(
            "received from {client} for printer {printer}", client=self.client, printer=self.queue
        )
        ended = tr("ended for the client: {state}", state=self.state)
        return self._in_order([(self.created, said), (self.completed, ended)])


def find_all_jobs(
    installation: Installation, origin: Origin | None, *, ended: int
) -> tuple[list[JobView], bool]:
    """As `find_jobs`, for the jobs of an origin, or of both. A machine may have either of the two.

    Raises:
        CupsAway, CupsRefused: CUPS does not answer, or refuses, unless only jobs of clients are
            wanted, or there is no CUPS.
    """
    views, is_all = [], True
    for wanted, find in ((Origin.CUPS, find_jobs), (Origin.PRINTERS, find_printer_jobs)):
        is_missing = wanted is Origin.CUPS and lacks_cups(installation)
        if origin is wanted or (origin is None and not is_missing):
            found, has_all = find(installation, ended=ended)
            views += found
            is_all = is_all and has_all
    return _kept(newest_first(views), ended), is_all


def lacks_cups(installation: Installation) -> bool:
    """Whether there are jobs of clients here, and no socket of CUPS. Users who may not read the
    state folder cannot know, so for them there is a CUPS."""
    socket = Path(installation.cups_address)
    if not socket.is_absolute() or socket.exists():
        return False
    with contextlib.suppress(PermissionError):
        return (installation.printers / "spool.db").exists()
    return False


def find_printer_jobs(installation: Installation, *, ended: int) -> tuple[list[JobView], bool]:
    """Find the jobs that have not ended, and the last `ended` of the others.

    Returns:
        The jobs, newest first, and whether the whole journal was read.
    """
    folder = installation.printers
    recent, is_all = history.recent_documents(folder, ended)
    jobs = recent_jobs(folder, ended)
    known = {job.job_id for job in jobs}
    missing = {document.key.job_id for document in recent} - known
    jobs += jobs_of_ids(folder, sorted(missing))
    documents, has_all = history.documents_of_jobs(folder, known | missing)
    return _kept(_views(jobs, documents), ended), is_all and has_all


def find_earlier_printer_jobs(
    installation: Installation, before: int, *, ended: int
) -> tuple[list[JobView], bool]:
    """As `find_earlier_jobs`, for jobs of clients."""
    folder = installation.printers
    documents = earlier_documents(folder, before, ended)
    jobs = jobs_of_ids(folder, sorted({document.key.job_id for document in documents}))
    return [view for view in _views(jobs, documents) if view.has_ended], True


def find_printer_job(installation: Installation, job_id: int) -> JobView | None:
    """Find a job by its number at the service."""
    folder = installation.printers
    documents, _ = history.documents_of_jobs(folder, [job_id])
    return next(iter(_views(jobs_of_ids(folder, [job_id]), documents)), None)


def _kept(views: Iterable[JobView], ended: int) -> list[JobView]:
    """The jobs that have not ended, and the first `ended` of the others."""
    over = itertools.count(1)
    return [view for view in views if not view.has_ended or next(over) <= ended]


def _views(jobs: Iterable[ClientJob], documents: Iterable[Document]) -> list[JobView]:
    """Join jobs and documents by number and UUID; newest first."""
    by_job: dict[tuple[int, str], list[Document]] = defaultdict(list)
    for document in documents:
        by_job[document.key.job_id, document.key.job_uuid].append(document)
    views: list[JobView] = []
    for job in jobs:
        own = tuple(by_job.pop((job.job_id, job.job_uuid), ()))
        views.append(PrinterJobView(job.job_id, None, own, spooled=job))
    views += [PrinterJobView(job_id, None, tuple(left)) for (job_id, _), left in by_job.items()]
    return newest_first(views)
