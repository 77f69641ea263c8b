"""Which document of which job a run of the backend is about, and what is known of the document.

cupsd tells which job this is and when it last completed the job, but not whether it runs the
backend for the first time, after a crash, or because a person wants a finished job once more. The
journal's entries decide that. Pure: the entries are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cirrus_bridge.base.model import DocumentKey, PrintJob
from cirrus_bridge.config.queue_uri import QueueUri, format_queue_uri
from cirrus_bridge.journal.lifecycle import ACCEPTED, MOST_TELLING, UNSENT, State
from cirrus_bridge.journal.submissions import Entry


class IdentifiedDocument(NamedTuple):
    """The document of a run, and what the journal knows of the document (None: nothing)."""

    key: DocumentKey
    entry: Entry | None

    @property
    def is_accepted(self) -> bool:
        """Whether the cloud has the document."""
        return self.entry is not None and self.entry.state in ACCEPTED

    @property
    def sent_as(self) -> DocumentKey:
        """The key under which the cloud has the document, or is to get it."""
        return self.entry.key if self.entry is not None and self.is_accepted else self.key

    @property
    def was_sent_elsewhere(self) -> bool:
        """Whether another member of the class has sent it, or the queue led elsewhere then."""
        return self.sent_as != self.key


def identify(job: PrintJob, queue: QueueUri, entries: Sequence[Entry]) -> IdentifiedDocument:
    """Find the document of the job that this run is for.

    Another member of the class, or the place where the queue led before, may have sent the
    document already.

    Args:
        entries: what the journal has of the job, in the order of the runs.
    """
    destination = format_queue_uri(queue.server, queue.company, queue.targets)
    key = DocumentKey(job.job_uuid, job.job_id, _print_run(job, entries), destination, job.number)
    known = [
        entry
        for entry in entries
        if (entry.key.print_run, entry.key.number) == (key.print_run, key.number)
        and _may_be_the_same(entry, job, destination)
    ]
    entry = min(known, key=lambda entry: MOST_TELLING.index(entry.state), default=None)
    return IdentifiedDocument(key, entry)


def _may_be_the_same(entry: Entry, job: PrintJob, destination: str) -> bool:
    """Whether the entry speaks for the document that goes to this destination, too."""
    return (
        entry.key.destination == destination
        # where the queue led before: a changed URI asks for no second copy of what was sent
        or (entry.queue == job.queue and entry.state not in UNSENT)
        or (job.in_class and entry.class_name == job.class_name)
    )


def _print_run(job: PrintJob, entries: Sequence[Entry]) -> int:
    """Which print of the job this is, by when CUPS had completed the job at its beginning.

    The last print goes on unless CUPS has completed the job since, and all of the print had come
    to its end by then: CUPS takes a backend that was killed for one that has printed.
    """
    if not entries:
        return job.completed_at
    last = entries[-1].key.print_run
    of_last = [entry for entry in entries if entry.key.print_run == last]
    was_completed_since = all(entry.completed_at != job.completed_at for entry in of_last)
    return job.completed_at if was_completed_since and _is_over(of_last, job) else last


def _is_over(entries: Sequence[Entry], job: PrintJob) -> bool:
    """The job's print has come to its end. Runs for further documents may have been killed before
    they left an entry."""
    if all(entry.state in ACCEPTED for entry in entries):
        return job.is_last(len({entry.key.number for entry in entries}))
    return all(entry.state in ACCEPTED | {State.DROPPED} for entry in entries)
