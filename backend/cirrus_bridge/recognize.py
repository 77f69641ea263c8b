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

    CUPS names the document's number only where it hands over a file. By standard input, a job's
    documents come one after the other within one pass through the queue: those that this pass
    has ended with are behind us. A finished job that is restarted is printed anew, one that did
    not come to its end is continued.
    """
    destination = format_queue_uri(queue.server, queue.company, queue.targets)
    print_run = job.print_run
    if entries:
        last_run = entries[-1].key.print_run
        if not all(_is_done(entry) for entry in entries if entry.key.print_run == last_run):
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
    number = job.document_number
    if number is None:
        number = 1 + sum(
            _is_done(entry) and entry.pass_started == job.pass_started for entry in mine
        )
    key = DocumentKey(job.job_uuid, job.job_id, print_run, destination, number)
    of_number = [entry for entry in mine if entry.key.number == number]
    return key, min(of_number, key=lambda entry: _MOST_TELLING.index(entry.phase), default=None)


def _is_done(entry: Entry) -> bool:
    """The document needs no further run. CUPS takes a backend that was killed for a good one, so
    an accepted document may have had no run to its end."""
    return entry.ended or entry.phase is Phase.ACCEPTED
