"""Finds the document that a run of the backend is for, and the journal's entry for it. Pure.

cupsd identifies the job and says when it last completed the job. cupsd does not say why it runs the
backend: for the first time, after a crash, or because a person restarted a finished job. The
journal's entries decide that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cirrus_bridge.base.model import DocumentKey, PrintJob
from cirrus_bridge.config.queue_uri import QueueUri
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.lifecycle import ACCEPTED, MOST_TELLING, UNSENT, State


class IdentifiedDocument(NamedTuple):
    """The document of a run, and its entry in the journal (None if there is none)."""

    key: DocumentKey
    entry: Document | None

    @property
    def is_accepted(self) -> bool:
        """Whether the cloud has the document."""
        return self.entry is not None and self.entry.state in ACCEPTED

    @property
    def sent_as(self) -> DocumentKey:
        """The key under which the cloud has, or will get, the document."""
        return self.entry.key if self.entry is not None and self.is_accepted else self.key

    @property
    def was_sent_elsewhere(self) -> bool:
        """Whether another member of the class, or the queue with its earlier URI, has sent it."""
        return self.sent_as != self.key


def identify(job: PrintJob, queue: QueueUri, entries: Sequence[Document]) -> IdentifiedDocument:
    """Find the document of the job that this run is for.

    Another member of the class, or the queue with its earlier URI, may have sent the document
    already.

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
    entry = min(known, key=lambda entry: MOST_TELLING.index(entry.state), default=None)
    return IdentifiedDocument(key, entry)


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
    return job.completed_at if was_completed_since and _is_over(of_last, job) else last


def _is_over(entries: Sequence[Document], job: PrintJob) -> bool:
    """Whether the print has ended. Runs for more documents may have been killed before they left an
    entry."""
    if all(entry.state in ACCEPTED for entry in entries):
        return job.is_last(len({entry.key.number for entry in entries}))
    return all(entry.state in ACCEPTED | {State.DROPPED} for entry in entries)
