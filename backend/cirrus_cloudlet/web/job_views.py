"""The jobs that a signed-in person sees, in words, and the actions allowed on them.

The same rule decides which actions a page offers and which requests are carried out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.errors import RequestFault
from cirrus_cloudlet.inventory.inventory import Device, DeviceType
from cirrus_cloudlet.storage.access import Account
from cirrus_cloudlet.storage.jobs import ENDS, Job, JobState, Step, can_retry
from cirrus_cloudlet.storage.previews import MAX_PAGES, Outline
from cirrus_cloudlet.storage.releases import viewer_of
from cirrus_cloudlet.storage.text_index import PERSON
from cirrus_cloudlet.translation import marked, tr, verbatim

VERBS = ("release", "retry", *ENDS)  # what people do with jobs
# state → its name on the page, and its color class
_STATES = {
    JobState.SUBMITTED: (marked("Waiting for the location"), "wait"),
    JobState.RECEIVED: (marked("Being delivered"), "wait"),
    JobState.DELIVERED: (marked("Delivered"), "good"),
    JobState.DELETED: (marked("Deleted"), "gone"),
    JobState.SAVED: (marked("Saved"), "good"),
    JobState.TRASHED: (marked("In the trash"), "gone"),
}


class JobView(NamedTuple):
    """A job, as a page shows it."""

    job: Job
    location: str
    device: str
    person: str
    word: str
    tone: str
    has_document: bool
    actions: Sequence[str]
    pages: int  # the number of shown pages; 1 if the number is unknown
    all_pages: int | None
    problem: str  # why there is no page image


def views_of(cloud: Cloud, jobs: Sequence[Job]) -> list[JobView]:
    """What a page shows of jobs, which its reader may see."""
    return [make_view(cloud, job) for job in jobs]


def find(cloud: Cloud, account: Account, job_id: str) -> JobView:
    """Find a job that an account may see; raise RequestFault if there is none."""
    job = cloud.jobs.find(job_id)
    if not job or not viewer_of(account).sees(job):
        raise RequestFault(404, tr("There is no such job."))
    return make_view(cloud, job)


def make_view(cloud: Cloud, job: Job) -> JobView:
    """Describe a job, which the reader of the page may see."""
    location, device = cloud.inventory.current().find(job.company, job.location, job.device)
    is_persons = device is not None and device.type is DeviceType.VIEWER
    word, tone = state_of(job, device)
    is_kept = cloud.documents.path(job.document).exists()
    outline = _outline(cloud, job) if is_kept else Outline(0, tr("The document is no longer kept."))
    return JobView(
        job=_with_own_words(job),
        location=(location.name if location else "") or job.location,
        device=(device.name if device else "") or job.device,
        person=job.props.get(PERSON, ""),
        word=word,
        tone=tone,
        has_document=is_kept and job.state is not JobState.DELETED,
        actions=[verb for verb in VERBS if _is_allowed(verb, job, is_persons)],
        pages=min(outline.pages, MAX_PAGES) if outline else 1,
        all_pages=outline.pages if outline else None,
        problem=outline.problem if outline else "",
    )


def _with_own_words(job: Job) -> Job:
    if job.step is not Step.UNRELEASED:
        return job
    no_owner = tr("The job names no user, so only an administrator can release it.")
    return job._replace(message="" if job.held_for else no_owner)


def state_of(job: Job, device: Device | None) -> tuple[str, str]:
    """The state of a job in words, and its color class."""
    if job.step is Step.UNRELEASED:
        return tr("Waiting for release"), "wait"
    if job.state is JobState.RECEIVED and job.step is Step.HELD:
        is_persons = device is not None and device.type is DeviceType.VIEWER
        return (tr("New"), "wait") if is_persons else (tr("Not delivered"), "bad")
    return tr(_STATES[job.state][0]), _STATES[job.state][1]


def _outline(cloud: Cloud, job: Job) -> Outline | None:
    """Find what can be shown of a document; None before its first view."""
    if job.state is JobState.SUBMITTED:
        return Outline(0, tr("Nothing printed yet."))
    if job.state is JobState.DELETED:
        return Outline(0, tr("Deleted."))
    if job.format != "pdf":
        return Outline(
            0, tr("There are no page images of {format} documents.", format=job.format.upper())
        )
    known = cloud.previews.outline(job.document)
    if known and known.problem:
        return Outline(0, tr("No page image: {cause}.", cause=verbatim(known.problem)))
    return known


def _is_allowed(verb: str, job: Job, is_persons: bool) -> bool:
    if verb == "release":
        return job.step is Step.UNRELEASED
    if verb == "retry":
        return not is_persons and can_retry(job.state, job.step)
    # a document on paper cannot be saved or trashed here
    return job.state in ENDS[verb][1] and (verb == "delete" or is_persons)
