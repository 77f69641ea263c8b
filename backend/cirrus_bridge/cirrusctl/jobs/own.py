"""A user's own jobs, for users who may not read the journal.

CUPS decides what a user sees: over its local socket, it knows the user from the kernel. So the
journal, which has everyone's jobs, stays closed. What only the journal knows is left out.
"""

from __future__ import annotations

import os

from cirrus_bridge.base.errors import CupsGone
from cirrus_bridge.base.privileges import user_name
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.jobs.view import JobView, newest_first
from cirrus_bridge.cirrusctl.queues.find import cloud_queues
from cirrus_bridge.cups.jobs import CupsJob


def sees_only_own_jobs(installation: Installation) -> bool:
    """Whether this process is neither root nor a user who can read the journal."""
    return os.geteuid() != 0 and not os.access(installation.state / "journal.db", os.R_OK)


def find_own_jobs(installation: Installation, *, ended: int) -> list[JobView]:
    """The user's jobs that have not ended, and the last `ended` of the others; newest first.

    Raises:
        CupsAway, CupsRefused: CUPS does not answer, or refuses.
    """
    cups = installation.cups
    jobs = [*cups.jobs(mine=True), *cups.jobs(completed=True, limit=ended, mine=True)]
    ours = {queue.name for queue in cloud_queues(installation)}
    return newest_first(
        JobView(job.job_id, job, (), has_journal=False)
        for job in jobs
        if _is_own(job) and {job.queue, job.printer} & ours
    )


def find_own_job(installation: Installation, job_id: int) -> JobView | None:
    """The user's job with this number; None if there is none, or if it is another user's.

    Raises:
        CupsAway, CupsRefused: CUPS does not answer, or refuses.
    """
    try:
        job = installation.cups.job(job_id)
    except CupsGone:
        return None
    return JobView(job_id, job, (), has_journal=False) if _is_own(job) else None


def _is_own(job: CupsJob) -> bool:
    """Whether a job is the user's, also if a policy of CUPS shows all jobs to everyone. CUPS
    ignores case in users' names, and hides the name where the user may not see it."""
    owner = job.text("job-originating-user-name")
    return owner.casefold() == user_name(os.geteuid()).casefold()
