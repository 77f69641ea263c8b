"""Facts about the backend's job, from one Get-Job-Attributes request to cupsd at the start.

The option string of a backend (backend(7), argv[5]) does not identify a job: CUPS 2.4.20 no longer
passes job-uuid there, and no release passes the job's priority. cupsd's answer is the same in all
runs of the job, after a restart of cupsd, and in every release since 2.4.2.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from cirrus_bridge.base.errors import CupsAway, CupsRefused, JobUnidentified
from cirrus_bridge.base.model import DEFAULT_PRIORITY
from cirrus_bridge.base.translation import tr

WAITS_S = (0.2, 0.5, 1, 2, 3, 5, 8, 10, 15, 15)  # a busy cupsd may take a minute


@dataclass(frozen=True, slots=True)
class JobFacts:
    """The facts about a job; times are in seconds since the epoch.

    Attributes:
        completed_at: when CUPS last completed the job; 0 for never.
        cancel_after_s: CUPS cancels the job after this time in processing; None for never.
    """

    job_uuid: str
    created_at: int = 0
    processing_at: int = 0
    completed_at: int = 0
    cancel_after_s: int | None = None
    priority: int = DEFAULT_PRIORITY
    host: str = ""


class JobAttributes(Protocol):
    """The IPP attributes of a job."""

    @property
    def job_uuid(self) -> str:
        """The attribute job-uuid."""

    def text(self, name: str) -> str:
        """An attribute as text; empty if the job has none."""


EXTRA_ATTRIBUTES = ("job-cancel-after", "job-priority", "job-originating-host-name")


def facts_from_cupsd(ask: Callable[[], JobAttributes], sleep: Callable[[float], None]) -> JobFacts:
    """Ask cupsd for the facts about the job, and retry for about a minute.

    Raises:
        JobUnidentified: cupsd does not identify the job.
    """
    for wait_s in _waits():
        try:
            job = ask()
        except CupsAway as error:
            trouble = f"{error} {error.detail}"
        except CupsRefused as error:
            raise _unidentified(f"{error} {error.detail}") from error
        else:
            if job.job_uuid:
                return _facts(job)
            trouble = "the answer has no job-uuid"
        if wait_s is None:
            raise _unidentified(trouble)
        sleep(wait_s)
    raise AssertionError("the last wait is None")


def facts_from_options(options: Mapping[str, str]) -> JobFacts:
    """Read the facts about a run by hand from options in CUPS's form.

    Without a job-uuid, the run is a separate job, because no later run has to find it.
    """
    return JobFacts(
        job_uuid=options.get("job-uuid") or f"urn:by-hand:{os.urandom(16).hex()}",
        created_at=_number(options.get("time-at-creation", "")),
        processing_at=_number(options.get("time-at-processing", "")),
        completed_at=_number(options.get("time-at-completed", "")),
        host=options.get("job-originating-host-name", ""),
    )


def _waits() -> Iterator[float | None]:
    yield from WAITS_S
    yield None


def _facts(job: JobAttributes) -> JobFacts:
    return JobFacts(
        job_uuid=job.job_uuid,
        created_at=_number(job.text("time-at-creation")),
        processing_at=_number(job.text("time-at-processing")),
        completed_at=_number(job.text("time-at-completed")),
        cancel_after_s=_number(limit) if (limit := job.text("job-cancel-after")) else None,
        priority=_number(job.text("job-priority")) or DEFAULT_PRIORITY,
        host=job.text("job-originating-host-name"),
    )


def _unidentified(detail: str) -> JobUnidentified:
    return JobUnidentified(
        tr(
            "CUPS did not identify this job, so nothing was sent. The job is held, "
            "and cirrus-statusd releases it when CUPS answers."
        ),
        detail=detail,
    )


def is_number(text: str) -> bool:
    """Whether the text is a whole number as CUPS writes one (at most 10 digits)."""
    return text.isascii() and text.isdigit() and len(text) <= 10


def _number(text: str) -> int:
    return int(text) if is_number(text) else 0
