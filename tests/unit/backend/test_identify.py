"""The document of a run: files, crashes, restarts, moves, classes."""

from __future__ import annotations

import dataclasses

from cirrus_bridge.backend.identify import identify
from cirrus_bridge.base.model import DocumentKey, PrintJob
from cirrus_bridge.config.queue_options import QueueSettings
from cirrus_bridge.config.queue_uri import QueueUri, parse_queue_uri
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.lifecycle import State

HERE = "cirrus://h/Acme/P:A"
THERE = "cirrus://h/Acme/P:B"
QUEUE: QueueUri = parse_queue_uri(HERE, QueueSettings())


def _job(*, run: int = 0, class_name: str = "", number: int = 1) -> PrintJob:
    return PrintJob(
        *(5, "u", "ann", "t", 1, "q"),
        completed_at=run,
        class_name=class_name,
        number=number,
    )


def _entry(
    state: State,
    *,
    where: str = HERE,
    run: int = 0,
    number: int = 1,
    class_name: str = "",
    queue: str = "before",
    completed: int | None = None,
) -> Document:
    key = DocumentKey("u", 5, run, where, number)
    before = run if completed is None else completed
    return Document(key, state, queue, class_name, completed_at=before)


def test_first_run() -> None:
    """Without entries, the document is new."""
    key, known = identify(_job(), QUEUE, [])
    assert (key.print_run, key.number, known) == (0, 1, None)


def test_restart_of_a_finished_job_is_a_new_print() -> None:
    """A completed job that runs again is a new print."""
    key, known = identify(_job(run=99), QUEUE, [_entry(State.CLOSED)])
    assert (key.print_run, known) == (99, None)


def test_restart_of_a_job_that_came_to_no_end_goes_on() -> None:
    """A job that CUPS completed without sending continues."""
    key, known = identify(_job(run=99), QUEUE, [_entry(State.SENDING)])
    assert key.print_run == 0
    assert known is not None


def test_clock_that_was_set_back() -> None:
    """A third print dated before the second is a print of its own."""
    done = [_entry(State.CLOSED, run=run) for run in (0, 1000)]
    key, known = identify(_job(run=500), QUEUE, done)
    assert (key.print_run, known) == (500, None)


def test_restart_of_a_job_that_cups_gave_up_half_way_goes_on() -> None:
    """An accepted file is not printed again; the other file is sent."""
    done, other = _entry(State.LEFT), _entry(State.ABANDONED, number=2)
    job = dataclasses.replace(_job(run=99), documents=2)
    assert identify(job, QUEUE, [done, other])[1] is done
    assert identify(dataclasses.replace(job, number=2), QUEUE, [done, other])[1] is other


def test_moved_to_another_queue() -> None:
    """An entry of another queue does not count."""
    assert identify(_job(), QUEUE, [_entry(State.CLOSED, where=THERE)])[1] is None


def test_a_queue_that_leads_elsewhere_now() -> None:
    """After a change of a queue's URI, only documents that were certainly not sent go to the new
    place."""
    for state in (State.CLOSED, State.SUBMITTING, State.UNANSWERED):
        entry = _entry(state, where=THERE, queue="q")
        assert identify(_job(), QUEUE, [entry])[1] is entry
    assert identify(_job(), QUEUE, [_entry(State.SENDING, where=THERE, queue="q")])[1] is None


def test_moved_into_a_class() -> None:
    """A job that a queue outside the class has sent is printed again."""
    job = _job(class_name="all")
    assert identify(job, QUEUE, [_entry(State.CLOSED, where=THERE)])[1] is None


def test_member_that_has_it_counts_for_more_than_one_that_may_have_it() -> None:
    """An accepting member of a class counts more than one in doubt, in any order of entries."""
    perhaps = _entry(State.UNANSWERED, class_name="all")
    sure = _entry(State.CLOSED, where=THERE, class_name="all")
    for entries in ([perhaps, sure], [sure, perhaps]):
        assert identify(_job(class_name="all"), QUEUE, entries)[1] is sure


def test_job_whose_last_runs_left_nothing_is_continued() -> None:
    """A completed job with only one of two documents in the journal continues."""
    job = dataclasses.replace(_job(run=99, number=2), documents=2, has_driver=True)
    key, known = identify(job, QUEUE, [_entry(State.CLOSED)])
    assert (key.print_run, key.number, known) == (0, 2, None)
    both = [_entry(State.CLOSED, number=number) for number in (1, 2)]
    again = dataclasses.replace(job, number=1)
    assert identify(again, QUEUE, both)[0].print_run == 99


def test_continued_print_does_not_start_again() -> None:
    """CUPS completed an unsent job by mistake and died after its restart. The next run continues
    the same print."""
    both = [_entry(State.CLOSED, number=number, completed=99) for number in (1, 2)]
    for number in (1, 2):
        job = dataclasses.replace(_job(run=99, number=number), documents=2, has_driver=True)
        key, known = identify(job, QUEUE, both)
        assert key.print_run == 0
        assert known is both[number - 1]
    assert identify(_job(run=105), QUEUE, both)[0].print_run == 105
