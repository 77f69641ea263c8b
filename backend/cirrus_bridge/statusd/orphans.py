"""Use case: find documents whose run was killed, and take care of them.

CUPS completes a job whose backend was killed, as if it were printed. If both processes of a backend
are killed at once, only the poller can notice. Accepted documents are followed. A job with a
document that was not sent, or may not have been sent, is restarted. Its backend continues, or
reports the decision that a person has to make.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cirrus_bridge.base.clock import NOT_SENT, Clock
from cirrus_bridge.base.errors import CupsGone, CupsNotPossible, CupsRefused
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.queue_uri import leads_to
from cirrus_bridge.cups.jobs import ABORTED, CANCELED, COMPLETED, FINAL, PROCESSING, CupsJob
from cirrus_bridge.cups.queues import CupsQueues
from cirrus_bridge.delivery.events import INFO, NOTICE, WARNING, Change, of_document
from cirrus_bridge.journal import run_notes
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.lifecycle import ACCEPTED, State
from cirrus_bridge.journal.poller import PollerJournal

_STUCK = (
    "The backend was killed, and CUPS waits for a filter that cannot write its data. Restart CUPS "
    "to print the job, once."
)
_PERHAPS = tr(
    "The backend was killed while it sent this document, so the document may be printed. Check the "
    "printer. If nothing came out, print the document again."
)


@dataclass(slots=True)
class Orphans:
    """Takes care of orphans. `state_folder` is the journal's folder."""

    journal: PollerJournal
    cups: CupsQueues
    clock: Clock
    tell: Callable[[Change], None]
    state_folder: str
    _stuck: set[int] = field(default_factory=set)
    _seen: dict[str, int] = field(default_factory=dict)

    def look(self) -> None:
        """Look for orphaned documents and runs once."""
        orphans = self.journal.orphans()
        active = {(job.job_id, job.job_uuid): job for job in self.cups.jobs()} if orphans else {}
        for orphan in orphans:
            key = orphan.key
            job = active.get((key.job_id, key.job_uuid))
            if job is not None and orphan.state is not State.REPRINT:
                continue  # a backend will run, or is running
            if not self.journal.is_at_work(key.job_uuid, key.job_id):
                job = job or self._job(key.job_id, key.job_uuid)
                if job is None or job.state in FINAL:
                    # a run may have ended since the list was read
                    for unchanged in self.journal.orphans(key):
                        self._settle(unchanged, job)
                elif orphan.state is State.REPRINT and job.waits_for_release:
                    self.cups.release_job(job.job_id)
        before, self._seen = self._seen, {}
        for left in run_notes.left(self.state_folder):
            if not left.is_at_work:
                self._look_at_run(left, before)

    def _look_at_run(self, left: run_notes.UnfinishedPass, before: Mapping[str, int]) -> None:
        """Look at a pass whose processes have all ended. `before` has the number of runs of each
        pass at the last look, by path."""
        job, path = self._job(left.job_id), left.run.path
        if job is None or job.state in FINAL or not _was_last(left, job):
            if run_notes.look(path) == left:  # no run has begun or ended since
                self._settle_run(left, job)
        elif job.waits_for_release and left.is_held:
            # the job was held while the journal was in use or CUPS did not answer
            with contextlib.suppress(CupsGone, CupsNotPossible):  # a person was faster
                self.cups.release_job(job.job_id)
                self.tell(Change("released", "", INFO, job.queue, job.job_id))
            left.run.forget()
        elif job.state == PROCESSING:
            self._seen[path] = left.runs
            # otherwise CUPS may be about to start the next run
            if before.get(path) == left.runs and job.job_id not in self._stuck:
                # the backend was killed at one of several joined files. Stopping the job would
                # make CUPS continue with the next file alone, so only a restart of CUPS helps.
                self._stuck.add(job.job_id)
                self.tell(Change("stuck", _STUCK, WARNING, job.queue, job.job_id))

    def _job(self, job_id: int, job_uuid: str | None = None) -> CupsJob | None:
        """A job of CUPS, or None if the number belongs to another job by now."""
        with contextlib.suppress(CupsGone):
            job = self.cups.job(job_id)
            if job_uuid in (None, job.job_uuid):
                return job
        return None

    def _settle_run(self, left: run_notes.UnfinishedPass, job: CupsJob | None) -> None:
        """Restart the job of a killed run, unless the cloud has all its documents.

        The journal may not have these documents yet. CUPS also aborts a job of several files whose
        backend asks for another run; a restart lets the backend report the job as printed.
        """
        if job is not None and job.state != CANCELED and _was_last(left, job):
            has_all = self.journal.accepted_count(job.job_uuid, left.job_id) >= left.run.documents
            user, title = (job.text(name) for name in ("job-originating-user-name", "job-name"))
            change = Change("restarted", "", NOTICE, job.queue, job.job_id, user, title)
            if (job.state == ABORTED or not has_all) and self._restart(job, change):
                return  # the next runs remove the note
        left.run.forget()

    def _settle(self, orphan: Document, job: CupsJob | None) -> None:
        """Follow, restart or abandon a document whose job CUPS has ended."""
        now_s = self.clock.wall_s()
        if orphan.state in ACCEPTED:
            uri = self._queue_uri(orphan)
            self.journal.hand_over([orphan.key], "complete", uri, now_s=now_s)
            return
        # another queue may have printed the document, if the job was moved or came from a class
        is_over_time = job is not None and _is_over_time(job)
        is_over = job is None or job.state == COMPLETED or is_over_time
        if is_over and not self.journal.is_elsewhere(orphan.key):
            change = of_document("restarted", "", orphan, level=NOTICE)
            if job is not None and _is_lost(orphan, job) and self._restart(job, change):
                self.journal.restarted(orphan.key, now_s=now_s)
                return
            if orphan.may_be_printed:
                self.tell(of_document("may-be-printed", _PERHAPS, orphan, level=WARNING))
            elif is_over_time:
                self.tell(of_document("not-sent", NOT_SENT, orphan, level=NOTICE))
        self.journal.abandon(orphan.key, now_s=now_s)

    def _restart(self, job: CupsJob, change: Change) -> bool:
        """Restart a job and report `change`; False if CUPS refuses."""
        completed = int(job.text("time-at-completed") or 0)
        self.journal.goes_on(job.job_uuid, job.job_id, completed, now_s=self.clock.wall_s())
        try:
            self.cups.restart_job(job.job_id)
        except CupsRefused as error:
            text = f"CUPS regards the job as printed. {error} ({error.code})"
            self.tell(dataclasses.replace(change, event="not-restarted", text=text, level=WARNING))
            return False
        self.tell(change)
        return True

    def _queue_uri(self, orphan: Document) -> str:
        """The queue's URI, for its options, or the document's destination if the queue now leads
        somewhere else."""
        with contextlib.suppress(CupsGone):
            uri = self.cups.queue(orphan.queue).device_uri
            if leads_to(uri, orphan.key.destination):
                return uri
        return orphan.key.destination


def _is_lost(orphan: Document, job: CupsJob) -> bool:
    """Whether CUPS completed the job because its backend was killed. The job may also have been
    printed by another member of its class, or by the queue that it was moved to."""
    is_here = job.state == COMPLETED and job.printer == orphan.queue
    return is_here and (orphan.open_runs > 0 or orphan.state is State.REPRINT)


def _is_over_time(job: CupsJob) -> bool:
    """Whether CUPS canceled the job after MaxJobTime, as happens to a job that is stuck because its
    backend was killed. A cancel by a person is not reported."""
    began, ended, limit = (
        int(job.text(name) or 0)
        for name in ("time-at-processing", "time-at-completed", "job-cancel-after")
    )
    return job.state == CANCELED and 0 < limit <= ended - began


def _was_last(left: run_notes.UnfinishedPass, job: CupsJob) -> bool:
    """Whether no other backend has worked on the job since this run began."""
    return left.started == job.text("time-at-processing")
