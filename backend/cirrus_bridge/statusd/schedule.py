"""The schedule of queries for the states of cloud jobs. No clock and no network here.

A fresh job is queried every second, then with back-off up to minutes. Older jobs share their
location's timer, as one query shows whether the location is still away. A job that changes wakes a
few jobs of its location, which wake others if they have changed, too. So all jobs of a location
that comes back are queried within seconds, and unchanged jobs cost little. All times are monotonic
seconds.
"""

from __future__ import annotations

import enum
import math
import random
from collections import deque
from collections.abc import Hashable, KeysView
from typing import Generic, TypeAlias, TypeVar

from cirrus_bridge.base.model import Place
from cirrus_bridge.statusd.rate_limit import BACK_OFF, CompanyGate, ServerGate, jittered
from cirrus_bridge.statusd.timers import TimerQueue

REQUESTS_PER_MINUTE = 300.0
FRESH_S = 30.0  # most jobs are delivered by this age; the others take longer
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 300.0  # first of a job, then of its location
EVERY_JOB_S = 3600.0  # each job is queried at least this often, however many its location has
DOZE_S = 5.0  # a job may be woken if its next query is at least this far away
LIVELY_WAIT_S = 5.0  # of a location just after a sign of life
WAKES = 4  # the number of jobs that one change wakes
WAKE_SPREAD_S = 2.0
WAKE_GAP_S = 30.0  # a busy location wakes its sleepers at most this often
START_SPREAD_S = 30.0  # for locations that start with old jobs
OLDEST_FIRST_EVERY = 5  # every fifth request goes to the job that has waited longest

JobId = TypeVar("JobId", bound=Hashable)


class Urgency(enum.IntEnum):
    """The order of queries when a server's rate does not allow all of them."""

    FRESH = 0
    SOON = 1
    SLOW = 2


class _Job(Generic[JobId]):
    __slots__ = ("born_s", "id", "location", "wait_s", "woken")

    def __init__(self, job_id: JobId, location: _Location[JobId], now: float, age_s: float) -> None:
        self.id = job_id
        self.location = location
        self.born_s = now - age_s
        # a geometric series of waits adds up to three times the last; continue at this job's point
        late_s = max(0.0, age_s - FRESH_S)
        self.wait_s = min(FIRST_WAIT_S + late_s * (1 - 1 / BACK_OFF), LONGEST_WAIT_S)
        self.woken = False  # queried because of its location, not by its own timer


class _Location(Generic[JobId]):
    __slots__ = ("asleep", "company", "dozing", "jobs", "place", "wait_s", "woke_s")

    def __init__(self, place: Place, company: _Company[JobId]) -> None:
        self.place = place
        self.company = company
        self.jobs = 0
        # by the age of the last query; dicts keep order, and delete any entry in constant time
        self.dozing: dict[JobId, _Job[JobId]] = {}  # with an own timer, due later than DOZE_S
        self.asleep: dict[JobId, _Job[JobId]] = {}  # without an own timer
        self.wait_s = LONGEST_WAIT_S
        self.woke_s = -math.inf


class _Company(Generic[JobId]):
    """A company at a server."""

    __slots__ = ("gate", "requests", "timers")

    def __init__(self, gate: CompanyGate) -> None:
        self.gate = gate
        self.requests = 0
        self.timers: TimerQueue[_Waiting[JobId]] = TimerQueue(len(Urgency))


_Waiting: TypeAlias = "_Job[JobId] | _Location[JobId]"


class Schedule(Generic[JobId]):
    """The open jobs of all servers, with the times of their next queries.

    For every job that `due` returns, the caller must call `answered`, `lost` or `forget`.

    Args:
        rng: the source of jitter.
        requests_per_minute: the most requests to each server.
    """

    def __init__(
        self, rng: random.Random, *, requests_per_minute: float = REQUESTS_PER_MINUTE
    ) -> None:
        self._rng = rng
        self._rate = requests_per_minute
        self._jobs: dict[JobId, _Job[JobId]] = {}
        self._locations: dict[Place, _Location[JobId]] = {}
        self._servers: dict[str, ServerGate] = {}
        self._companies: dict[tuple[str, str], _Company[JobId]] = {}
        self._turns: deque[_Company[JobId]] = deque()

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job_id: object) -> bool:
        return job_id in self._jobs

    @property
    def jobs(self) -> KeysView[JobId]:
        """All jobs."""
        return self._jobs.keys()

    def add(self, job_id: JobId, place: Place, now: float, *, age_s: float = 0.0) -> None:
        """Add a job that the cloud accepted `age_s` seconds ago, unless it is already here."""
        if job_id in self._jobs:
            return
        location = self._locations.get(place) or self._new_location(place)
        location.jobs += 1
        self._jobs[job_id] = job = _Job(job_id, location, now, age_s)
        if job.wait_s < LONGEST_WAIT_S:
            self._plan(job, now)
        else:
            location.asleep[job_id] = job
            # the last query may be long ago: query soon, but not all locations at once
            if location not in location.company.timers:
                self._wake_at(location, now + self._rng.uniform(0, START_SPREAD_S), Urgency.SLOW)

    def due(self, now: float, at_most: int) -> list[JobId]:
        """The jobs to query now: at most `at_most`, and no more than their servers allow."""
        jobs: list[JobId] = []
        self._turns.rotate(-1)  # each company is the first in turn
        asking = list(self._turns)
        while asking and len(jobs) < at_most:
            company = asking.pop(0)
            job = self._next(company, now) if company.gate.opens_in_s(now) <= 0 else None
            if job is not None:
                company.gate.asked(job.id, now)
                jobs.append(job.id)
                asking.append(company)
        return jobs

    def next_due_s(self, now: float) -> float:
        """Seconds until `due` returns a job; infinite if it will not without an event."""
        earliest_s = math.inf
        for company in self._turns:
            due_in_s = min(company.timers.first_due_s()) - now
            earliest_s = min(earliest_s, max(due_in_s, company.gate.opens_in_s(now)))
        return max(0.0, earliest_s)

    def answered(self, job_id: JobId, now: float, *, changed: bool) -> None:
        """Note the server's answer for a job; call `forget` afterwards if the state is final.

        Args:
            changed: whether the state is new.
        """
        job = self._jobs.get(job_id)
        if job is None:  # forgotten while the query ran
            return
        location = job.location
        location.company.gate.worked(now)
        woken, job.woken = job.woken, False
        if changed:
            job.wait_s = FIRST_WAIT_S
        elif now - job.born_s >= FRESH_S:
            job.wait_s = min(job.wait_s * BACK_OFF, LONGEST_WAIT_S)
        self._plan(job, now)
        # a woken job's change wakes others; a busy location does so only now and then
        if changed and (woken or now - location.woke_s >= WAKE_GAP_S):
            self._wake_some(location, now)

    def came_alive(self, place: Place, now: float) -> None:
        """Note a sign of life of a location: query some of its jobs soon."""
        location = self._locations.get(place)
        if location is not None and now - location.woke_s >= WAKE_GAP_S:
            self._wake_some(location, now)

    def lost(
        self,
        job_id: JobId,
        now: float,
        *,
        retry_after_s: float | None = None,
        of_company: bool = False,
    ) -> None:
        """Note a query without an answer.

        Args:
            retry_after_s: the server's Retry-After, if any.
            of_company: the fault is the company's, such as a refused key, and not the server's.
        """
        job = self._jobs.get(job_id)
        if job is None:
            return
        gate = job.location.company.gate
        if of_company:
            gate.shut_out(job_id, now)
        else:
            gate.failed(job_id, now, retry_after_s)
        self._plan(job, now)

    def forget(self, job_id: JobId) -> None:
        """Remove a job, because it has ended or is no longer followed."""
        job = self._jobs.pop(job_id, None)
        if job is None:
            return
        location = job.location
        location.company.timers.cancel(job)
        location.company.gate.dropped(job_id)
        location.asleep.pop(job_id, None)
        location.dozing.pop(job_id, None)
        location.jobs -= 1
        if not location.jobs:
            location.company.timers.cancel(location)
            del self._locations[location.place]

    def _new_location(self, place: Place) -> _Location[JobId]:
        company = self._companies.get((place.server, place.company))
        if company is None:
            server = self._servers.setdefault(place.server, ServerGate(self._rate, self._rng))
            company = _Company[JobId](CompanyGate(server, self._rng))
            self._companies[place.server, place.company] = company
            self._turns.append(company)
        location = self._locations[place] = _Location[JobId](place, company)
        return location

    def _plan(self, job: _Job[JobId], now: float) -> None:
        """Set the time of the job's next query, by its own timer or its location's."""
        location = job.location
        if job.wait_s >= LONGEST_WAIT_S:
            location.company.timers.cancel(job)
            location.asleep[job.id] = job
            if location not in location.company.timers:
                location.wait_s = LONGEST_WAIT_S
                self._wake_at(location, now + self._pace(location), Urgency.SLOW)
            return
        fresh = now - job.born_s < FRESH_S
        wait_s = jittered(job.wait_s, self._rng)
        self._wake_at(job, now + wait_s, Urgency.FRESH if fresh else Urgency.SOON)
        if wait_s >= DOZE_S:
            location.dozing[job.id] = job

    def _wake_some(self, location: _Location[JobId], now: float) -> None:
        """Query some of a location's jobs soon, one after the other."""
        location.woke_s = now
        location.wait_s = LIVELY_WAIT_S
        step_s = WAKE_SPREAD_S / WAKES
        for number in range(WAKES):
            waiting = location.asleep or location.dozing
            if not waiting:
                break
            job = waiting.pop(next(iter(waiting)))
            job.woken = True
            self._wake_at(job, now + (number + self._rng.random()) * step_s, Urgency.SOON)
        if location.asleep:
            self._wake_at(location, now + self._pace(location), Urgency.SLOW)

    def _pace(self, location: _Location[JobId]) -> float:
        """Seconds until the next query for a sleeping job of a location."""
        longest_s = min(LONGEST_WAIT_S, EVERY_JOB_S / max(1, len(location.asleep)))
        return jittered(min(location.wait_s, longest_s), self._rng)

    def _wake_at(self, waiting: _Waiting[JobId], due_s: float, urgency: Urgency) -> None:
        """Set the timer of a job or a location, and replace an earlier timer."""
        company = (waiting.location if isinstance(waiting, _Job) else waiting).company
        company.timers.set(waiting, due_s, urgency)

    def _next(self, company: _Company[JobId], now: float) -> _Job[JobId] | None:
        """Take the next job to query, if one is due."""
        job = None
        while job is None:
            due_s = company.timers.first_due_s()
            due = [urgency for urgency in Urgency if due_s[urgency] <= now]
            if not due:
                return None
            by_age = (company.requests + 1) % OLDEST_FIRST_EVERY == 0
            waiting = company.timers.pop(min(due, key=due_s.__getitem__) if by_age else due[0])
            job = waiting if isinstance(waiting, _Job) else self._sleeper(waiting, now)
        job.location.dozing.pop(job.id, None)
        company.requests += 1
        return job

    def _sleeper(self, location: _Location[JobId], now: float) -> _Job[JobId] | None:
        """Take the sleeping job of a location whose last query is the oldest."""
        if not location.asleep:
            return None
        job = location.asleep.pop(next(iter(location.asleep)))
        job.woken = True
        location.wait_s = min(location.wait_s * BACK_OFF, LONGEST_WAIT_S)
        self._wake_at(location, now + self._pace(location), Urgency.SLOW)
        return job
