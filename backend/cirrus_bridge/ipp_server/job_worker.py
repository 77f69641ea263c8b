"""Does the jobs of one process, one after another (`job_processes.Worker`)."""

from __future__ import annotations

from cirrus_bridge.api.session import Sessions
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import CirrusError, InternalError
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.queue_uri import parse_queue_uri
from cirrus_bridge.ipp_server.outcomes import CANCELING, canceled_unprinted, in_every_language
from cirrus_bridge.ipp_server.run import TURN_WAIT_S, Folders, JobRun, entry_of, key_of
from cirrus_bridge.ipp_server.run_news import Tell, accepted, failed
from cirrus_bridge.ipp_server.spool import SpooledJob, read_spooled
from cirrus_bridge.journal.lifecycle import ACCEPTED
from cirrus_bridge.journal.poller import PollerJournal


class JobWorker:
    """Does jobs one after another in one process (`job_processes.Worker`). Between jobs, it keeps
    only the connections to servers."""

    def __init__(self, folders: Folders) -> None:
        self._folders, self._sessions = folders, Sessions()

    def run(self, job_id: int, tell: Tell, clock: Clock) -> bool:
        """Run a job, and tell its end: `accepted` (and perhaps the `outcome`), `canceled`, or
        `error` (`run_news.failed`).

        Returns:
            Whether this process may do another job. After an error or a conversion it may not: the
            document may have harmed the process, or made it large.
        """
        job = read_spooled(self._folders.state, job_id)
        if job is None:
            return True
        try:
            if CANCELING in job.reasons:
                _cancel(self._folders, job, tell, clock)
                return True
            run = JobRun(self._folders, job, tell, clock, self._sessions.session_for)
            return run.run()
        except CirrusError as error:
            tell(failed(job, error))
            return False
        except Exception:
            text = tr("Internal error in Cirrus Bridge.")
            tell(failed(job, InternalError(text)))
            raise
        finally:
            self._sessions.end_job()

    def rest(self) -> None:
        """Close the connections: an idle one blocks a server with a single thread."""
        self._sessions.close()


def _cancel(folders: Folders, job: SpooledJob, tell: Tell, clock: Clock) -> None:
    """End a job that a person has canceled, unless the cloud has the job."""
    key = key_of(job, parse_queue_uri(job.queue_uri))
    with clock.stoppable(), PollerJournal(folders.state) as journal:
        while not journal.claim(job.job_uuid, job.job_id):  # a run of a service that was killed
            clock.sleep(TURN_WAIT_S)
        known = entry_of(journal.all_of_job(*key[:2]), key)
        if known is not None and known.state in ACCEPTED:
            tell(accepted(job, journal.documents_of(key)))
            return
        journal.abandon(key, now_s=clock.wall_s())
        said = canceled_unprinted()
        if known is not None and known.may_be_printed:
            said = in_every_language(
                tr("The job was canceled while it was sent. The document may be printed.")
            )
        tell({"job": job.job_id, "canceled": said})
