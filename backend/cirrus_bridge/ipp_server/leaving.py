"""A report on unfinished jobs, for the administrator who removes the service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cirrus_bridge.ipp_server.outcomes import IN_DEVICE
from cirrus_bridge.ipp_server.spool import SpooledJob


def remaining(jobs: Sequence[SpooledJob], folder: str) -> Iterator[str]:
    """Lines about the jobs that have not ended, in English.

    Args:
        folder: where the jobs are, for people.
    """
    sent = sum(IN_DEVICE in job.reasons for job in jobs)
    if sent:
        yield f"jobs that the cloud has, and prints: {sent}"
    waiting = [job for job in jobs if IN_DEVICE not in job.reasons]
    if waiting:
        names = " ".join(f"{job.printer}-{job.job_id}" for job in waiting)
        yield (
            f"these jobs are unfinished: {names}. They stay in {folder}, and continue if this "
            "package is installed again. Purging this package deletes them."
        )
