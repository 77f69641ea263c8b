"""What the server tells of a job and its device, as the deliveries know them."""

from __future__ import annotations

from cirrus_cloudlet.client.journal import Entry
from cirrus_cloudlet.inventory.inventory import TYPE_NAMES, Device
from cirrus_cloudlet.storage.jobs import Job, JobState, Step


def device_of(entry: Entry) -> Device:
    """The device of a job.

    Raises:
        LookupError, TypeError: the server has told something else.
    """
    told = entry.told["device"]
    return Device(
        company=entry.told["company"],
        location=entry.told["location"],
        id=told["id"],
        type=TYPE_NAMES[told["type"]],
        target=told["target"],
        formats=tuple(told["formats"]),
        charset=told["charset"],
        props=told["props"],
    )


def job_of(entry: Entry) -> Job:
    """A job, with what a delivery needs of it.

    Raises:
        LookupError, TypeError: the server has told something else.
    """
    told = entry.told
    return Job(
        sequence=0,
        id=entry.job,
        company=told["company"],
        key="",
        bytes=0,
        queue="",
        location=told["location"],
        device=told["device"]["id"],
        title=told["title"],
        document=entry.token,
        props=told["props"],
        state=JobState.RECEIVED,
        step=Step.CLAIMED,
        attempts=0,
        due=0.0,
        message="",
        target=entry.target,
        delivered_path=entry.path,
        submitted=told["submitted"],
        received=None,
        delivered=None,
        updated=0.0,
        size=told["size"],
        sha256=told["sha256"],
        format=told["format"],
        charset=told["charset"],
        segments=(),
        held_for=None,
    )
