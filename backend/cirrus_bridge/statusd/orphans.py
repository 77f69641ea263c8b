"""Use case: documents whose runs came to no end, and that nobody follows.

CUPS takes a backend that was killed for one that has printed its job. If both processes of a
backend are killed at once, nobody but the poller is left to notice it: what was accepted is
followed; a job of which something was not sent, or perhaps not, is restarted, and its backend goes
on or says what is to be decided.
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
from cirrus_bridge.delivery.events import INFO, NOTICE, WARNING, Change
from cirrus_bridge.journal import run_notes
from cirrus_bridge.journal.lifecycle import ACCEPTED, State
from cirrus_bridge.journal.orphans import Orphan, OrphanJournal

_STUCK = (
    "The backend was killed, and CUPS waits for a filter whose data nobody reads. Restart CUPS: "
    "the job is printed then, once."
)
_PERHAPS = tr(
    "The backend was killed while this document was sent: it may be printed. Look at the printer; "
    "print it again if it did not come out."
)


@dataclass(slots=True)
class Orphans:
    """Finds a home for orphans. `tell` gets every change; `state` is the journal's folder."""

    journal: OrphanJournal
    cups: CupsQueues
    clock: Clock
    tell: Callable[[Change], None]
    state: str
    _stuck: set[int] = field(default_factory=set)
    _seen: dict[str, int] = field(default_factory=dict)

    def look(self) -> None:
        """One look at all of them.

        Raises:
            CupsAway: cupsd does not answer.
        """
        orphans = self.journal.orphans()
        active = {(job.job_id, job.job_uuid): job for job in self.cups.jobs()} if orphans else {}
        for orphan in orphans:
            key = orphan.key
            job = active.get((key.job_id, key.job_uuid))
            if job is not None and orphan.state is not State.REPRINT:
                continue  # a backend will come, or is at work
            if not self.journal.is_at_work(key.job_uuid, key.job_id):
                job = job or self._job(key.job_id, key.job_uuid)
                if job is None or job.state in FINAL:
                    # a run may have ended since the list was read
                    for unchanged in self.journal.orphans(key):
                        self._settle(unchanged, job)
                elif orphan.state is State.REPRINT and job.waits_for_release:
                    self.cups.release_job(job.job_id)
        before, self._seen = self._seen, {}
        for left in run_notes.left(self.state):
            if not left.is_at_work:
                self._look_at_run(left, before)

    def _look_at_run(self, left: run_notes.UnfinishedPass, before: Mapping[str, int]) -> None:
        """A pass of which no process lives; `before` counts the runs that each had at the last
        look."""
        job, path = self._job(left.job_id), left.run.path
        if job is None or job.state in FINAL or not _was_last(left, job):
            if run_notes.look(path) == left:  # no run has begun or ended since
                self._settle_run(left, job)
        elif job.waits_for_release and left.is_held:
            self._release(left, job)
        elif job.state == PROCESSING:
            self._seen[path] = left.runs
            if before.get(path) == left.runs:  # or CUPS is just about to start the next run
                self._tell_stuck(job)

    def _job(self, job_id: int, job_uuid: str | None = None) -> CupsJob | None:
        """A job of CUPS, if it is still the one of this uuid."""
        try:
            job = self.cups.job(job_id, also=["job-cancel-after"])
        except CupsGone:
            return None
        return job if job_uuid in (None, job.job_uuid) else None

    def _tell_stuck(self, job: CupsJob) -> None:
        """CUPS waits for a filter that waits for somebody to read what it writes: of files that are
        joined, the ones behind that at which the backend was killed. To stop such a job makes CUPS
        go on with its next file alone, so it is not done here."""
        if job.job_id not in self._stuck:
            self._stuck.add(job.job_id)
            self.tell(Change("stuck", _STUCK, WARNING, job.queue, job.job_id))

    def _release(self, left: run_notes.UnfinishedPass, job: CupsJob) -> None:
        """The cause for which the job is held has passed: the journal is in use no longer, and
        CUPS has answered."""
        with contextlib.suppress(CupsGone, CupsNotPossible):  # a person was quicker
            self.cups.release_job(job.job_id)
            self.tell(Change("released", "", INFO, job.queue, job.job_id))
        left.run.forget()

    def _settle_run(self, left: run_notes.UnfinishedPass, job: CupsJob | None) -> None:
        """The journal may know nothing of what the run was to print. A job of several files whose
        backend asks to be run again is aborted by CUPS, which is to hear that it was printed."""
        if job is not None and job.state != CANCELED and _was_last(left, job):
            has_all = self.journal.accepted_count(job.job_uuid, left.job_id) >= left.run.documents
            user, title = (job.text(name) for name in ("job-originating-user-name", "job-name"))
            change = Change("restarted", "", NOTICE, job.queue, job.job_id, user, title)
            if (job.state == ABORTED or not has_all) and self._restart(job, change):
                return  # the runs that come now take the note away
        left.run.forget()

    def _settle(self, orphan: Orphan, job: CupsJob | None) -> None:
        now_s = self.clock.wall_s()
        if orphan.state in ACCEPTED:
            uri = self._queue_uri(orphan)
            self.journal.hand_over([orphan.key], "complete", uri, now_s=now_s)
            return
        # a job that was moved, or came through a class, is not lost where it did not print
        is_over_time = job is not None and _is_over_time(job)
        if (job is None or job.state == COMPLETED or is_over_time) and not orphan.is_elsewhere:
            change = _change(orphan)
            if job is not None and _is_lost(orphan, job) and self._restart(job, change):
                self.journal.restarted(orphan.key, now_s=now_s)
                return
            if orphan.may_be_printed:
                perhaps = dataclasses.replace(change, event="may-be-printed", text=_PERHAPS)
                self.tell(dataclasses.replace(perhaps, level=WARNING))
            elif is_over_time:
                self.tell(dataclasses.replace(change, event="not-sent", text=NOT_SENT))
        self.journal.abandon(orphan.key, now_s=now_s)

    def _restart(self, job: CupsJob, change: Change) -> bool:
        completed = int(job.text("time-at-completed") or 0)
        self.journal.goes_on(job.job_uuid, job.job_id, completed, now_s=self.clock.wall_s())
        try:
            self.cups.restart_job(job.job_id)
        except CupsRefused as error:
            text = f"CUPS took it for printed. {error} ({error.code})"
            self.tell(dataclasses.replace(change, event="not-restarted", text=text, level=WARNING))
            return False
        self.tell(change)
        return True

    def _queue_uri(self, orphan: Orphan) -> str:
        """The URI of the queue, whose options say how its server is to be asked, if the document
        went where it leads now."""
        try:
            uri = self.cups.queue(orphan.queue).device_uri
        except CupsGone:
            return orphan.key.destination
        return uri if leads_to(uri, orphan.key.destination) else orphan.key.destination


def _change(orphan: Orphan) -> Change:
    return Change(
        "restarted", "", NOTICE, orphan.queue, orphan.key.job_id, orphan.user, orphan.title
    )


def _is_lost(orphan: Orphan, job: CupsJob) -> bool:
    """CUPS took it for printed when its backend was killed: no other program, of the class's next
    member or of the queue that it was moved to, has printed it."""
    is_here = job.state == COMPLETED and job.printer == orphan.queue
    return is_here and (orphan.was_killed or orphan.state is State.REPRINT)


def _is_over_time(job: CupsJob) -> bool:
    """CUPS has canceled the job since it took too long (MaxJobTime), as one that stands still does
    when its backend was killed. Of a person's cancel nobody needs to hear."""
    began, ended, limit = (
        int(job.text(name) or 0)
        for name in ("time-at-processing", "time-at-completed", "job-cancel-after")
    )
    return job.state == CANCELED and 0 < limit <= ended - began


def _was_last(left: run_notes.UnfinishedPass, job: CupsJob) -> bool:
    """No other program has worked on the job since this run began."""
    return left.started == job.text("time-at-processing")
