"""Finds the document that a run of the backend is for, and the journal's entry for it. Pure.

cupsd identifies the job and says when it last completed the job. cupsd does not say why it runs the
backend: for the first time, after a crash, or because a person restarted a finished job. The
journal's entries decide that.
"""

from __future__ import annotations

from collections.abc import Sequence

from cirrus_bridge.base.model import DocumentKey, PrintJob
from cirrus_bridge.config.queue_uri import QueueUri
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.lifecycle import ACCEPTED, MOST_TELLING, UNSENT, State


def identify(
    job: PrintJob, queue: QueueUri, entries: Sequence[Document]
) -> tuple[DocumentKey, Document | None]:
    """Find the document of the job that this run is for, and the document's entry in the journal.

    The entry has another key if another member of the class, or the queue with its earlier URI, has
    sent the document already.

    Args:
        entries: the journal's entries for the job, in the order of the runs.
    """
    destination = queue.destination
    key = DocumentKey(job.job_uuid, job.job_id, _print_run(job, entries), destination, job.number)
    known = [
        entry
        for entry in entries
        if (entry.key.print_run, entry.key.number) == (key.print_run, key.number)
        and _may_be_the_same(entry, job, destination)
    ]
    return key, min(known, key=lambda entry: MOST_TELLING.index(entry.state), default=None)


def _may_be_the_same(entry: Document, job: PrintJob, destination: str) -> bool:
    """Whether the entry also counts for a document that goes to this destination."""
    return (
        entry.key.destination == destination
        # the queue's URI was changed: a document that was sent is not sent to the new place as well
        or (entry.queue == job.queue and entry.state not in UNSENT)
        or (job.in_class and entry.class_name == job.class_name)
    )


def _print_run(job: PrintJob, entries: Sequence[Document]) -> int:
    """The print of the job: the time at which CUPS had last completed the job when it began.

    The last print continues, unless all of it has ended and CUPS has completed the job since. The
    completion alone proves nothing, because CUPS counts a killed backend as one that has printed.
    """
    if not entries:
        return job.completed_at
    last = entries[-1].key.print_run
    of_last = [entry for entry in entries if entry.key.print_run == last]
    was_completed_since = all(entry.completed_at != job.completed_at for entry in of_last)
    is_over = all(entry.state in ACCEPTED | {State.DROPPED} for entry in of_last)
    if all(entry.state in ACCEPTED for entry in of_last):
        # runs for more documents may have been killed before they left an entry
        is_over = job.is_last(len({entry.key.number for entry in of_last}))
    return job.completed_at if was_completed_since and is_over else last
