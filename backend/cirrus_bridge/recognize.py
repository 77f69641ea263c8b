"""Which document of which job a run of the backend is about, and what is known of it.

CUPS does not say whether it runs a backend for the first time, for the job's next file, after a
crash, or because a person wants a finished job once more. Pure: the journal's entries are given.
"""

from __future__ import annotations

from collections.abc import Sequence

from cirrus_bridge.journal import Entry, Phase
from cirrus_bridge.model import DocumentKey, PrintJob
from cirrus_bridge.uri import QueueUri, format_queue_uri

# of several members of a class that have tried: who has it, may have it, does not have it
_MOST_TELLING = (Phase.ACCEPTED, Phase.SUBMITTING, Phase.UNANSWERED, Phase.INTENT)


def recognize(
    job: PrintJob, queue: QueueUri, entries: Sequence[Entry]
) -> tuple[DocumentKey, Entry | None]:
    """Which document of the job this run is about, and what the journal knows of it.

    The document's number is not known if the run could not be noted. Then those that this pass
    through the queue has ended with are behind us. A finished job that is restarted is printed
    anew, one that did not come to its end is continued; so is each later run of that print, which
    CUPS has not called completed again since.
    """
    destination = format_queue_uri(queue.server, queue.company, queue.targets)
    print_run = job.print_run
    number = job.document_number
    if entries:
        last_run = entries[-1].key.print_run
        of_last = [entry for entry in entries if entry.key.print_run == last_run]
        goes_on = any(entry.completed_before == job.print_run for entry in of_last)
        if goes_on or not _is_complete(of_last, job):
            print_run = last_run
    mine = [
        entry
        for entry in entries
        if entry.key.print_run == print_run
        and (
            entry.key.destination == destination
            # where the queue led before: who changes its URI wants no second copy of what was sent
            or (entry.queue == job.queue and entry.phase is not Phase.INTENT)
            or (job.in_class and entry.class_name == job.class_name)
        )
    ]
    if number is None:
        number = 1 + sum(
            _is_done(entry) and entry.pass_started == job.pass_started for entry in mine
        )
    key = DocumentKey(job.job_uuid, job.job_id, print_run, destination, number)
    of_number = [entry for entry in mine if entry.key.number == number]
    return key, min(of_number, key=lambda entry: _MOST_TELLING.index(entry.phase), default=None)


def _is_complete(entries: Sequence[Entry], job: PrintJob) -> bool:
    """The job's print has come to its end. CUPS may have taken it for completed when runs for
    further documents were killed before they left an entry."""
    if all(entry.phase is Phase.ACCEPTED for entry in entries):
        return job.is_last(len({entry.key.number for entry in entries}))
    return all(_is_done(entry) for entry in entries)


def _is_done(entry: Entry) -> bool:
    """The document needs no further run. CUPS takes a backend that was killed for a good one, so
    an accepted document may have had no run to its end."""
    return entry.ended or entry.phase is Phase.ACCEPTED
