"""The order of runs: one job of each client at each printer, and a few jobs in total. For a server
that is away, only the first waiting job runs.

The jobs of a client come out in their order. Clients take turns, so a client with many jobs, or
with a document that takes long, does not keep others waiting.

All methods run in one thread, the event loop's. Other threads cancel jobs through the service.
"""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.translation import joined
from cirrus_bridge.config.queue_uri import parse_queue_uri
from cirrus_bridge.ipp.message import JobState
from cirrus_bridge.ipp_server.documents.raster import too_large
from cirrus_bridge.ipp_server.job_processes import ENDED, OUT_OF_TIME
from cirrus_bridge.ipp_server.outcomes import (
    CANCELING,
    IN_DEVICE,
    TOO_LATE,
    Outcome,
    canceled_unprinted,
    in_every_language,
)
from cirrus_bridge.ipp_server.printer_attributes import OPERATION_WAIT_S
from cirrus_bridge.ipp_server.shares import Owner, in_turns, owner_of
from cirrus_bridge.ipp_server.spool import INCOMING, Spool, SpooledJob
from cirrus_bridge.sending.patience import waits

MOST_RUNS = 8
MOST_RUNS_OF_A_NETWORK = 6  # the others are for other clients
KILLED_WAIT_S = 1.0
FAILED_WAIT_S = 5.0  # before the next attempt to let go of a canceled document
SHORTEST_WAIT_S = 0.1
Company = tuple[str, str]
_HELD = ("job-held-for-review",)
_RUNNABLE = (JobState.PENDING, JobState.PROCESSING, JobState.PROCESSING_STOPPED)
_log = logging.getLogger(__name__)


class Processes(Protocol):
    """Starts and stops runs (`JobProcesses`)."""

    def start(self, job_id: int) -> None: ...
    def stop(self, job_id: int) -> None: ...


@dataclass(slots=True)
class _Outage:
    """A server that jobs wait for, and when the next one tries (monotonic seconds)."""

    due_s: float = 0.0
    waits_s: Iterator[float] = field(default_factory=lambda: waits(random.Random()))  # noqa: S311


@dataclass(slots=True)
class Dispatcher:
    """Runs the jobs of the spool."""

    spool: Spool
    processes: Processes
    clock: Clock
    outages: dict[Company, _Outage] = field(default_factory=dict)
    _running: dict[int, SpooledJob] = field(default_factory=dict)
    _news: dict[int, dict[str, Any]] = field(default_factory=dict)
    _broken: dict[int, float] = field(default_factory=dict)  # killed runs: when to run again
    _inbox: deque[Mapping[str, Any]] = field(default_factory=deque)

    def begin(self) -> None:
        """Go on where the service was stopped or killed."""
        for job in self.spool.open_jobs(brief=True):
            if IN_DEVICE not in job.reasons and job.state in _RUNNABLE:
                self.spool.change(job.job_id, state=JobState.PENDING)

    def step(self) -> float:
        """Take the news, and start the runs that are due; return the seconds until the next run may
        be due. Raises what the spool raises; the next step takes the same news then."""
        self.take_news()
        now_s = self.clock.monotonic_s()
        jobs = self.spool.open_jobs(brief=True)
        due_s = self._start_due(jobs, now_s)
        self._abort_unfinished(jobs)
        return max(SHORTEST_WAIT_S, due_s - now_s)

    def _start_due(self, jobs: Sequence[SpooledJob], now_s: float) -> float:
        """Start the runs that are due now; return when another run is due, in monotonic seconds."""
        asked = {company_of(job) for job in self._running.values()} & self.outages.keys()
        before: set[tuple[str, Owner]] = set()  # whose later jobs wait, to keep their order
        next_s = now_s + OPERATION_WAIT_S
        ready = [job for job in jobs if job.job_id not in self._running and _has_work(job)]
        for job in in_turns(ready):
            again_s = self._broken.get(job.job_id, now_s)
            if CANCELING not in job.reasons:
                company, place = company_of(job), (job.printer, owner_of(job))
                if place in before or company in asked or self._must_wait(job):
                    continue  # the end of a run is the next occasion
                before.add(place)
                if company in self.outages:
                    asked.add(company)  # the first job that waits is the only one to try
                    again_s = max(again_s, self.outages[company].due_s)
            if again_s > now_s:
                next_s = min(next_s, again_s)
            else:
                self._start(job)
        return next_s

    def _must_wait(self, job: SpooledJob) -> bool:
        """Whether a job waits for a run: of another job of its client, or of any client."""
        running = self._running.values()
        owner = owner_of(job)
        here = sum(owner_of(each).network == owner.network for each in running)
        if len(running) >= MOST_RUNS or here >= MOST_RUNS_OF_A_NETWORK:
            return True
        return any(each.printer == job.printer and owner_of(each) == owner for each in running)

    def cancel(self, job: SpooledJob) -> bool:
        """Cancel a job; False if the cloud has the job."""
        if IN_DEVICE in job.reasons:
            return False
        if job.first_run_s is None and job.job_id not in self._running:
            by_user = ("job-canceled-by-user",)
            self._end(job.job_id, JobState.CANCELED, by_user, canceled_unprinted())
            return True
        reasons = tuple(dict.fromkeys((*job.reasons, CANCELING)))
        self.spool.change(job.job_id, reasons=reasons, state=JobState.PROCESSING)
        if job.job_id in self._running:
            self.processes.stop(job.job_id)
        return True

    def heard(self, news: Sequence[Mapping[str, Any]]) -> None:
        """Hear the news of runs, for the next step."""
        self._inbox.extend(news)

    def take_news(self) -> None:
        """Take the news that was heard. Raises what the spool raises."""
        while self._inbox:
            self._take(self._inbox[0])
            self._inbox.popleft()

    def _take(self, said: Mapping[str, Any]) -> None:
        if ENDED in said:
            self._ended(said[ENDED], said["signal"])
        elif "away" in said:
            self.spool.change(said["job"], message=said["away"])
        else:
            self._news[said["job"]] = dict(said)

    def outcome(self, job_id: int, outcome: Outcome) -> None:
        """Take what is known of a job that the cloud has."""
        if outcome.state.is_final:
            self._end(job_id, outcome.state, outcome.reasons, outcome.message)
            return
        self.spool.change(
            job_id, state=outcome.state, reasons=outcome.reasons, message=outcome.message
        )

    def _start(self, job: SpooledJob) -> None:
        now_s = self.clock.wall_s()
        started = self.spool.replace(
            job,
            state=JobState.PROCESSING,
            reasons=(CANCELING,) if CANCELING in job.reasons else (),
            processing_s=job.processing_s or now_s,
            first_run_s=job.first_run_s or now_s,
            open_runs=job.open_runs + 1,
        )
        if started is not None:  # or else it was canceled or held just now
            self._running[job.job_id] = started
            self.processes.start(job.job_id)

    def _ended(self, job_id: int, number: int) -> None:
        """Handle the end of a run by its last news."""
        job, said = self._running.get(job_id), self._news.get(job_id)
        if job is not None and said is not None:
            self._broken.pop(job_id, None)
            self._finish(job, said)
        elif job is not None and number == OUT_OF_TIME:
            self._took_too_long(job_id)
        elif job is not None:
            _log.error("job=%d the run was ended by signal %d", job_id, number)
            self._broken[job_id] = self.clock.monotonic_s() + KILLED_WAIT_S
        self._running.pop(job_id, None)  # from here on, nothing is repeated
        self._news.pop(job_id, None)

    def _finish(self, job: SpooledJob, said: Mapping[str, Any]) -> None:
        job_id, company = job.job_id, company_of(job)
        now = self.spool.change(job_id, open_runs=0)
        is_canceling = now is not None and CANCELING in now.reasons
        if said.get("accepted"):
            self.outages.pop(company, None)
            if "log" in said:
                _log.info("%s", said["log"])
            if "outcome" in said:
                state, reasons, message = said["outcome"]
                self.outcome(job_id, Outcome(JobState(state), tuple(reasons), message))
            elif now is not None and IN_DEVICE not in now.reasons:
                message = in_every_language(TOO_LATE) if is_canceling else {}
                self.outcome(job_id, Outcome(JobState.PROCESSING, (IN_DEVICE,), message))
        elif "canceled" in said:
            self._end(job_id, JobState.CANCELED, ("job-canceled-by-user",), said["canceled"])
        elif is_canceling:
            if said["then"] != "stop":  # the run that was to let go of the document failed
                _log.warning("job=%d %s", job_id, said["log"])
                self._broken[job_id] = self.clock.monotonic_s() + FAILED_WAIT_S
        else:
            self._failed(job_id, company, said)

    def _took_too_long(self, job_id: int) -> None:
        """End a job whose conversion was ended (`documents.limits`): another run would not do
        better. Nothing was sent."""
        error = too_large("the conversion took too long")
        _log.info("job=%d %s (%s) %s", job_id, error.text, error.code, error.detail)
        said = in_every_language(joined(" ", (error.for_person, f"({error.code})")))
        self._end(job_id, JobState.ABORTED, ("aborted-by-system", "document-format-error"), said)

    def _failed(self, job_id: int, company: Company, said: Mapping[str, Any]) -> None:
        then, message = said["then"], said["message"]
        _log.log(
            logging.INFO if then == "stop" else logging.WARNING, "job=%d %s", job_id, said["log"]
        )
        if then == "wait":
            self._wait(company, said)
            self.spool.change(
                job_id,
                state=JobState.PROCESSING_STOPPED,
                reasons=("printer-stopped",),
                message=message,
            )
        elif then == "stop":
            self.spool.change(job_id, state=JobState.PENDING, reasons=())
        elif then == "abort":
            self.outages.pop(company, None)
            self._end(job_id, JobState.ABORTED, ("aborted-by-system",), message)
        else:
            self.spool.change(job_id, state=JobState.PENDING_HELD, reasons=_HELD, message=message)

    def _wait(self, company: Company, said: Mapping[str, Any]) -> None:
        if said.get("has_progressed"):
            self.outages.pop(company, None)  # the server works at times
        outage = self.outages.setdefault(company, _Outage())
        wait_s = max(next(outage.waits_s), said.get("least_wait_s", 0.0))
        outage.due_s = self.clock.monotonic_s() + wait_s

    def _end(
        self, job_id: int, state: JobState, reasons: tuple[str, ...], message: Mapping[str, str]
    ) -> None:
        self._broken.pop(job_id, None)
        now_s = self.clock.wall_s()
        self.spool.end(job_id, state, now_s, reasons=reasons, message=message)

    def _abort_unfinished(self, jobs: Sequence[SpooledJob]) -> None:
        """End the jobs whose client has sent no document in time. A document whose client does not
        say that it is the last one is printed."""
        before_s = self.clock.wall_s() - OPERATION_WAIT_S
        late = [each for each in jobs if INCOMING in each.reasons and each.created_s < before_s]
        for job in filter(None, (self.spool.get(each.job_id) for each in late)):
            if INCOMING not in job.reasons or self.spool.is_receiving(job.job_id):
                continue  # the document has come just now
            if job.document:
                self.spool.change(job.job_id, state=JobState.PENDING, reasons=())
            else:
                reasons = ("aborted-by-system", "submission-interrupted")
                self._end(job.job_id, JobState.ABORTED, reasons, {})


def _has_work(job: SpooledJob) -> bool:
    """Whether a job has something to do, whatever its printer and its server do."""
    if CANCELING in job.reasons:
        return True
    return job.state in _RUNNABLE and IN_DEVICE not in job.reasons


def company_of(job: SpooledJob) -> Company:
    """The server and the company that a job goes to."""
    queue = parse_queue_uri(job.queue_uri)
    return queue.server, queue.company
