"""Use case: find this machine's print jobs for the cloud."""

from __future__ import annotations

from typing import NamedTuple

from cirrus_bridge.base.errors import CupsGone
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.jobs.view import JobView, job_views
from cirrus_bridge.cirrusctl.queues.find import cloud_queues
from cirrus_bridge.cups.jobs import CupsJob
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.history import documents_of_job, recent_documents


class JobList(NamedTuple):
    """Jobs, newest first; `is_all` is False if only a part of the journal was read."""

    views: list[JobView]
    is_all: bool


def find_jobs(installation: Installation, *, ended: int) -> JobList:
    """Find the jobs that have not ended, and the last `ended` of the others.

    Raises:
        JournalError, CupsAway, CupsRefused: the journal or CUPS cannot be read.
    """
    documents, is_all = recent_documents(installation.state, ended)
    jobs = [*installation.cups.jobs(), *installation.cups.jobs(completed=True, limit=ended)]
    # CUPS has only one job of each number, so listed numbers are not asked for
    missing = {document.key.job_id for document in documents} - {job.job_id for job in jobs}
    jobs += [job for job_id in missing if (job := _job(installation, job_id))]
    ours = {queue.name for queue in cloud_queues(installation)}
    recorded = {_name(document) for document in documents}
    views = job_views(
        (j for j in jobs if (j.job_id, j.job_uuid) in recorded or {j.queue, j.printer} & ours),
        documents,
    )
    over = [view for view in views if view.has_ended]
    return JobList([view for view in views if not view.has_ended or view in over[:ended]], is_all)


def find_job(installation: Installation, job_id: int) -> JobView | None:
    """Find a job by its number in CUPS; the newest, if several jobs had this number.

    Raises:
        JournalError, CupsAway, CupsRefused: the journal or CUPS cannot be read.
    """
    job = _job(installation, job_id)
    documents, _ = documents_of_job(installation.state, job_id)
    return next(iter(job_views([job] if job else [], documents)), None)


def _name(document: Document) -> tuple[int, str]:
    return (document.key.job_id, document.key.job_uuid)


def _job(installation: Installation, job_id: int) -> CupsJob | None:
    try:
        return installation.cups.job(job_id)
    except CupsGone:
        return None
