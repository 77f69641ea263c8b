"""Use case: print the test page on a queue, and follow the job to its end."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from datetime import datetime
from importlib.resources import files
from typing import NamedTuple

from cirrus_bridge.base.errors import CupsGone
from cirrus_bridge.base.translation import joined, tr
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.jobs.view import JobEvent, JobView, find_job
from cirrus_bridge.cirrusctl.queues.find import cloud_queues, unknown_queue
from cirrus_bridge.cups.queues import STOPPED
from cirrus_bridge.journal.history import documents_of_jobs
from cirrus_bridge.journal.lifecycle import ACCEPTED

TITLE = "Cirrus Bridge test page"
PDF, TEXT = "application/pdf", "text/plain"
LOOK_S = 0.5
_TEXT_PAGE = """\
Cirrus Bridge test page

This page came from a CUPS queue, went through the cloud,
and was delivered to this device.

0        1         2         3         4         5         6         7
0123456789012345678901234567890123456789012345678901234567890123456789
The quick brown fox jumps over the lazy dog.
"""


class Result(enum.Enum):
    DONE = "done"  # delivered, or as far as the queue follows its jobs
    FAILED = "failed"
    OPEN = "open"  # the time limit was reached


class PageProgress(NamedTuple):
    """An event of the test page's job. The last event has a `result`."""

    job_id: int
    at: datetime
    what: str
    result: Result | None = None


def test_page(is_pdf: bool) -> bytes:
    """The test page, as PDF or as text."""
    return (files(__package__) / "test-page.pdf").read_bytes() if is_pdf else _TEXT_PAGE.encode()


def print_test_page(
    installation: Installation, queue: str, *, limit_s: float
) -> Iterator[PageProgress]:
    """Print the test page, and yield events until the job ends or `limit_s` seconds pass.

    Raises:
        CupsGone: no queue that leads to the cloud has this name, or CUPS no longer has the job.
        CirrusError: CUPS or the journal cannot be used.
    """
    names = [each.name for each in cloud_queues(installation)]
    if queue.lower() not in map(str.lower, names):
        raise unknown_queue(queue, names)
    documents_of_jobs(installation.state, [])  # fails early if the journal cannot be read
    kind = PDF if PDF in installation.cups.formats(queue) else TEXT
    clock = installation.clock
    deadline_s = clock.monotonic_s() + limit_s
    job_id = installation.cups.print_document(queue, TITLE, kind, test_page(kind == PDF))
    told: set[str] = set()
    while True:
        view = find_job(installation, job_id)
        if view is None:
            raise CupsGone(tr("CUPS no longer has job {job_id}.", job_id=job_id))
        says = [JobEvent(clock.now(), view.cups.message)] if view.cups and view.cups.message else []
        for moment in (*view.moments, *says):
            if moment.what not in told:
                told.add(moment.what)
                yield PageProgress(job_id, *moment)
        result, why = _result(installation, view)
        if result is None and clock.monotonic_s() > deadline_s:
            result = Result.OPEN
            why = tr("not finished yet; see: cirrusctl job {job}", job=job_id)
        if result is not None:
            yield PageProgress(job_id, clock.now(), why, result)
            return
        clock.sleep(LOOK_S)


def _result(installation: Installation, view: JobView) -> tuple[Result | None, str]:
    """The result of a job and its reason; None while the job is open."""
    stays = tr("the job stays in the queue; to remove it, run: cancel {job}", job=view.job_id)
    if view.state in ("canceled", "aborted"):
        return Result.FAILED, tr("the job was {state}", state=view.state)
    if view.state in ("completed", "forgotten"):
        states = [each.status.state for document in view.documents for each in document.deliveries]
        if states and all(state.reached_recipient for state in states):
            return Result.DONE, tr("delivered")
        return Result.DONE, tr("accepted; the queue does not follow the job any further")
    if view.state == "held" and not any(d.state in ACCEPTED for d in view.documents):
        return Result.FAILED, joined("; ", (tr("held, and not accepted by the cloud"), stays))
    waits = view.state in ("pending", "stopped")
    if waits and installation.cups.queue(view.queue).state == STOPPED:
        return Result.FAILED, joined("; ", (tr("the queue is stopped"), stays))
    return None, ""
