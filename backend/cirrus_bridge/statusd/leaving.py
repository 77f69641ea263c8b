"""Use case: leave no held job and no queue with a message that will never change again.

Before Cirrus Bridge is removed, each held job runs once more, because only a backend may change a
job's message (CONTRIBUTING.md, "The message of a held job"). The backend sends nothing: it ends the
job if the cloud has it, or says what a person can do. Queues lose our reasons and messages.

A job that may be printed again only if a person releases it is not released here. If the removal
breaks off, CUPS may run the released jobs as usual.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import CupsGone, CupsNotPossible
from cirrus_bridge.base.translation import tr, translated
from cirrus_bridge.config.queue_uri import SCHEME
from cirrus_bridge.cups.jobs import HELD, PENDING, PROCESSING, CupsJob
from cirrus_bridge.cups.queues import STOPPED, CupsQueues
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.lifecycle import UNSENT, State
from cirrus_bridge.journal.poller import PollerJournal

LIMIT_S = 20.0
OTHERS_S = 2.0  # for jobs that run already, and may be held again
LOOK_S = 0.1
_REMOVED = tr("Cirrus Bridge was removed. Cancel this job, or move it to another printer.")
_REMOVED_IN_DOUBT = tr("Cirrus Bridge was removed. This job may already have been printed.")


def leave(journal: PollerJournal, cups: CupsQueues, clock: Clock) -> Iterator[str]:
    """Settle all held jobs, and clear the queues. Yields lines for the administrator, in English.

    Raises:
        CirrusError: the journal or CUPS cannot be used.
    """
    journal.let_runs_be_last(are_last=True)
    ours = {
        queue.name: queue.state != STOPPED
        for queue in cups.queues()
        if queue.device_uri.startswith(f"{SCHEME}:")
    }
    found = _run_once_more(journal, cups, clock, ours)
    for name in ours:
        with contextlib.suppress(CupsGone):
            cups.tell_queue(name, (), "")
    left = {job.job_id for job in cups.jobs()}
    if ended := len(found.keys() - left):
        yield f"held jobs that were ended in CUPS, because their server has them: {ended}"
    stay = [job for job in found.values() if job.job_id in left and job.queue in ours]
    if stay:
        names = " ".join(f"{job.queue}-{job.job_id}" for job in stay)
        first = stay[0].job_id
        yield (
            f"these jobs stay held, and their messages say why: {names}. Cancel them, or move them "
            f"to another queue: lpmove {first} QUEUE; lp -i {first} -H resume"
        )


def _run_once_more(
    journal: PollerJournal, cups: CupsQueues, clock: Clock, ours: Mapping[str, bool]
) -> dict[int, CupsJob]:
    """Let all held jobs run once more, or tell those that cannot. `ours` says for each of our
    queues whether it prints. Returns the jobs by number."""
    found: dict[int, CupsJob] = {}
    documents: dict[int, list[Document]] = {}
    began_s = clock.monotonic_s()
    while True:
        jobs = cups.jobs()
        held = [job for job in jobs if job.state == HELD and job.job_id not in found]
        documents |= {job.job_id: journal.all_of_job(job.job_uuid, job.job_id) for job in held}
        new = [job for job in held if documents[job.job_id]]
        for job in new:
            of_job = documents[job.job_id]
            if job.waits_for_release and ours.get(job.queue) and not _asks_person(job, of_job):
                with contextlib.suppress(CupsGone, CupsNotPossible):  # a person was faster
                    cups.release_job(job.job_id)
            else:
                _tell(cups, job, of_job, is_ours=job.queue in ours)
        found |= {job.job_id: job for job in new}
        busy = [
            job.job_id for job in jobs if ours.get(job.queue) and job.state in (PENDING, PROCESSING)
        ]
        limit_s = LIMIT_S if found.keys() & busy else OTHERS_S if busy else 0.0
        if not new and clock.monotonic_s() > began_s + limit_s:
            break
        clock.sleep(LOOK_S)
    for job in jobs:
        if job.state == PENDING and job.job_id in found:  # its queue is busy
            with contextlib.suppress(CupsGone, CupsNotPossible):
                cups.hold_job(job.job_id)
            _tell(cups, job, documents[job.job_id], is_ours=True)
    return found


def _asks_person(job: CupsJob, documents: Sequence[Document]) -> bool:
    """Whether the release of a job counts as a person's decision to print it again, here."""
    return any(
        each.state is State.UNANSWERED or (each.queue != job.queue and each.state not in UNSENT)
        for each in documents
    )


def _tell(cups: CupsQueues, job: CupsJob, documents: Sequence[Document], *, is_ours: bool) -> None:
    """Replace our message of a job that cannot run. Jobs in another backend's queue get none unless
    they may have been printed."""
    text = translated(_REMOVED) if is_ours else ""
    if any(each.may_be_printed or each.state not in UNSENT for each in documents):
        text = translated(_REMOVED_IN_DOUBT)
    with contextlib.suppress(CupsGone, CupsNotPossible):
        cups.set_message(job.job_id, text)
