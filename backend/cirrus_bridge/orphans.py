"""Use case: documents whose runs came to no end, and that nobody follows.

CUPS takes a backend that was killed for one that has printed its job. If both processes of a
backend are killed at once, nobody but the poller is left to notice it: what was accepted is
followed, what was not sent is printed by restarting its job, what may have been sent is told of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cirrus_bridge.change import NOTICE, WARNING, Change
from cirrus_bridge.clock import Clock
from cirrus_bridge.cups_queue import COMPLETED, FINAL, HELD, CupsJob, CupsQueues
from cirrus_bridge.errors import BadQueueUri, CupsGone, CupsRefused
from cirrus_bridge.journal_poller import Orphan, PollerJournal
from cirrus_bridge.uri import format_queue_uri, parse_queue_uri

QUIET_S = 60.0  # a backend that is at work, or begins, is left alone
_LOST = (
    "The backend was killed before this document was sent, and CUPS took it for printed. "
    "Print it again."
)
_PERHAPS = (
    "The backend was killed while this document was sent: it may be printed. Look at the printer; "
    "print it again if it did not come out."
)


@dataclass(slots=True)
class Orphans:
    """Finds a home for orphans. `tell` gets every change."""

    journal: PollerJournal
    cups: CupsQueues
    clock: Clock
    tell: Callable[[Change], None]

    def look(self) -> None:
        """One look at all of them.

        Raises:
            CupsAway: cupsd does not answer.
        """
        before_s = self.clock.wall_s() - QUIET_S
        for orphan in self.journal.orphans(before_s=before_s):
            if self.journal.is_at_work(orphan.key):
                continue
            try:
                job = self.cups.job(orphan.key.job_id)
            except CupsGone:
                job = None
            if job is not None and job.job_uuid != orphan.key.job_uuid:
                job = None
            if job is None or job.state in FINAL:
                self._settle(orphan, job)
            elif orphan.waits_anew and job.state == HELD:
                self.cups.release_job(job.job_id)

    def _settle(self, orphan: Orphan, job: CupsJob | None) -> None:
        now_s = self.clock.wall_s()
        if orphan.phase == "accepted":
            uri = self._queue_uri(orphan)
            self.journal.hand_over([orphan.key], "complete", uri, now_s=now_s)
            return
        if not orphan.is_elsewhere:
            # a job that was moved, or came through a class, is not lost where it did not print
            if orphan.phase == "intent" and job is not None and _is_lost(orphan, job):
                if self._restart(orphan, job):
                    return
            elif orphan.phase != "intent" and (job is None or job.state == COMPLETED):
                self._say("may-be-printed", orphan, _PERHAPS)
        self.journal.close([orphan.key], now_s=now_s)

    def _restart(self, orphan: Orphan, job: CupsJob) -> bool:
        try:
            self.cups.restart_job(job.job_id)
        except CupsRefused:
            self._say("lost", orphan, _LOST)
            return False
        self.journal.restarted(orphan.key, now_s=self.clock.wall_s())
        self.tell(
            Change("restarted", "", NOTICE, orphan.queue, job.job_id, orphan.user, orphan.title)
        )
        return True

    def _queue_uri(self, orphan: Orphan) -> str:
        """The URI of the queue, whose options say how its server is to be asked, if the document
        went where it leads now."""
        try:
            uri = self.cups.printer(orphan.queue).device_uri
            queue = parse_queue_uri(uri)
        except (CupsGone, BadQueueUri):
            return orphan.key.destination
        here = format_queue_uri(queue.server, queue.company, queue.targets)
        return uri if here == orphan.key.destination else orphan.key.destination

    def _say(self, event: str, orphan: Orphan, text: str) -> None:
        job_id = orphan.key.job_id
        self.tell(Change(event, text, WARNING, orphan.queue, job_id, orphan.user, orphan.title))


def _is_lost(orphan: Orphan, job: CupsJob) -> bool:
    """CUPS took it for printed when its backend was killed: no other program, of the class's next
    member or of the queue that it was moved to, has printed it."""
    was_here = job.printer == orphan.queue
    return job.state == COMPLETED and was_here and (orphan.broke_off or orphan.waits_anew)
