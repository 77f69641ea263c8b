"""The outcome of a job, in IPP's terms (RFC 8011, 5.3.7 and 5.3.8). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cirrus_bridge.base.errors import CirrusError, Disposition
from cirrus_bridge.base.translation import FOLDER, joined, tr, translated
from cirrus_bridge.delivery.tracking import (
    TrackedDelivery,
    check_delivered,
    is_settled,
    told_to_person,
)
from cirrus_bridge.ipp.message import JobState

# job-state-reasons
IN_DEVICE = "queued-in-device"  # the cloud has the job
CANCELING = "processing-to-stop-point"  # a person has canceled the job, and its run may go on
TOO_LATE = tr("The cloud already has the job and will print it.")


class Outcome(NamedTuple):
    """The state of a job that the cloud has, its reasons, and its message by language."""

    state: JobState
    reasons: tuple[str, ...]
    message: Mapping[str, str]


def outcome_of(targets: Sequence[TrackedDelivery]) -> Outcome:
    """The outcome of a job with these deliveries; PROCESSING if some are not over."""
    states = tr("{states}.", states=told_to_person(targets))
    if not is_settled(targets, "delivered"):
        return Outcome(JobState.PROCESSING, (IN_DEVICE,), in_every_language(states))
    try:
        check_delivered(targets)
    except CirrusError as error:
        said = in_every_language(joined(" ", (error.for_person, f"({error.code})")))
        if error.disposition is Disposition.CANCEL:
            return Outcome(JobState.CANCELED, ("job-canceled-by-operator",), said)
        return Outcome(JobState.ABORTED, ("aborted-by-system",), said)
    reasons = ("job-completed-successfully",)
    return Outcome(JobState.COMPLETED, reasons, in_every_language(states))


def canceled_unprinted() -> dict[str, str]:
    """The message of a job that was canceled before the cloud could have it, by language."""
    return in_every_language(tr("The job was canceled. Nothing was printed."))


def in_every_language(text: str) -> dict[str, str]:
    """A text by language; English has the empty key."""
    languages = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
    return {"": translated(text, "en")} | {each: translated(text, each) for each in languages}
