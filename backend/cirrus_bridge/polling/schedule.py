"""The schedule of queries for the states of cloud jobs. All times are monotonic seconds.

A fresh job is queried every second, then with back-off up to minutes. Older jobs share their
location's timer, as one query shows whether the location is still away. A job that changes wakes a
few jobs of its location, which wake others if they have changed, too. So all jobs of a location
that comes back are queried within seconds, and unchanged jobs cost little. A job that waits for its
owner's release has a slow timer of its own, because its location's news says nothing about it.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Hashable, KeysView
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from cirrus_bridge.base.model import Place
from cirrus_bridge.polling.rate_limit import BACK_OFF, ProbeGate, ServerGate, jittered
from cirrus_bridge.polling.timers import TimerQueue

FRESH_S = 30.0  # most jobs are delivered by this age; the others take longer
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 300.0  # first of a job, then of its location
UNRELEASED_WAIT_S = 30.0  # first of a job that waits for its owner's release
UNRELEASED_EACH_S = 1.0  # a location's jobs that wait for a release, all together
EVERY_JOB_S = 3600.0  # each job is queried at least this often, however many its location has
DOZE_S = 5.0  # a job may be woken if its next query is at least this far away
LIVELY_WAIT_S = 5.0  # of a location just after a sign of life
WAKES = 4  # the number of jobs that one change wakes
WAKE_SPREAD_S = 2.0
WAKE_GAP_S = 30.0  # a busy location wakes its sleepers at most this often
START_SPREAD_S = 30.0  # for locations that start with old jobs
OLDEST_FIRST_EVERY = 5  # every fifth request goes to the job that has waited longest

# the order of queries when a server's rate does not allow all of them
FRESH, SOON, SLOW = URGENCIES = range(3)

JobId = TypeVar("JobId", bound=Hashable)


@dataclass(slots=True, eq=False)
class _Job(Generic[JobId]):
    id: JobId
    location: _Location[JobId]
    born_s: float
    wait_s: float
    woken: bool = False  # queried because of its location, not by its own timer
    is_unreleased: bool = False  # its owner has to act, not its location


@dataclass(slots=True, eq=False)
class _Location(Generic[JobId]):
    place: Place
    company: _Company[JobId]
    jobs: int = 0
    # Jobs by the age of the last query; dicts keep order, and delete any entry in constant time.
    # Dozing jobs have a timer of their own, due later than DOZE_S. Sleeping jobs have none.
    dozing: dict[JobId, _Job[JobId]] = field(default_factory=dict)
    asleep: dict[JobId, _Job[JobId]] = field(default_factory=dict)
    unreleased: int = 0  # jobs that wait for their owners' release
    wait_s: float = LONGEST_WAIT_S
    woke_s: float = -math.inf


class _Company(Generic[JobId]):
    """A company at a server. If the server refuses one company's key, only this company has an
    outage; the other companies at the server are not affected."""

    def __init__(self, server: ServerGate, rng: random.Random) -> None:
        self.server = server
        self.own = ProbeGate(rng)
        self.gates = (server, self.own)
        self.requests = 0
        self.timers: TimerQueue[_Waiting[JobId]] = TimerQueue(len(URGENCIES))

    def opens_in_s(self, now: float) -> float:
        return max(gate.opens_in_s(now) for gate in self.gates)


_Waiting: TypeAlias = "_Job[JobId] | _Location[JobId]"


class Schedule(Generic[JobId]):
    """The open jobs of all servers, with the times of their next queries.

    For every job that `due` returns, the caller must call `answered`, `lost` or `forget`. No server
    gets more than `requests_per_minute`.
    """

    def __init__(self, rng: random.Random, requests_per_minute: float) -> None:
        self._rng = rng
        self._rate = requests_per_minute
        self._jobs: dict[JobId, _Job[JobId]] = {}
        self._locations: dict[Place, _Location[JobId]] = {}
        self._servers: dict[str, ServerGate] = {}
        self._companies: dict[tuple[str, str], _Company[JobId]] = {}
        self._turns: deque[_Company[JobId]] = deque()

    @property
    def jobs(self) -> KeysView[JobId]:
        """All jobs."""
        return self._jobs.keys()

    def add(
        self,
        job_id: JobId,
        place: Place,
        now: float,
        *,
        age_s: float = 0.0,
        unreleased: bool = False,
    ) -> None:
        """Add a job that the cloud accepted `age_s` seconds ago; `unreleased` as for `answered`."""
        location = self._locations.get(place) or self._new_location(place)
        location.jobs += 1
        # a geometric series of waits adds up to three times the last; continue at this job's point
        late_s = max(0.0, age_s - FRESH_S)
        wait_s = min(FIRST_WAIT_S + late_s * (1 - 1 / BACK_OFF), LONGEST_WAIT_S)
        self._jobs[job_id] = job = _Job(
            job_id, location, now - age_s, wait_s, is_unreleased=unreleased
        )
        location.unreleased += unreleased
        if wait_s < LONGEST_WAIT_S or unreleased:
            self._plan(job, now)
            return
        location.asleep[job_id] = job
        # the last query may be long ago: query soon, but not all locations at once
        timers = location.company.timers
        if location not in timers:
            timers.set(location, now + self._rng.uniform(0, START_SPREAD_S), SLOW)

    def due(self, now: float, at_most: int) -> list[JobId]:
        """The jobs to query now: at most `at_most`, and no more than their servers allow."""
        jobs: list[JobId] = []
        self._turns.rotate(-1)  # each company is the first in turn
        asking = list(self._turns)
        while asking and len(jobs) < at_most:
            company = asking.pop(0)
            job = self._next(company, now) if company.opens_in_s(now) <= 0 else None
            if job is not None:
                for gate in company.gates:
                    gate.asked(job.id, now)
                jobs.append(job.id)
                asking.append(company)
        return jobs

    def next_due_s(self, now: float) -> float:
        """Seconds until `due` returns a job; infinite if it will not without an event."""
        waits_s = (
            max(min(company.timers.first_due_s()) - now, company.opens_in_s(now))
            for company in self._turns
        )
        return max(0.0, min(waits_s, default=math.inf))

    def answered(
        self, job_id: JobId, now: float, *, changed: bool, unreleased: bool = False
    ) -> None:
        """Note the server's answer for a job, whether its state has changed, and whether the job
        waits for its owner's release. Call `forget` afterwards if the state is final."""
        job = self._jobs.get(job_id)
        if job is None:  # forgotten while the query ran
            return
        location = job.location
        for gate in location.company.gates:
            gate.worked(now)
        woken, job.woken = job.woken, False
        if job.is_unreleased != unreleased:
            job.is_unreleased = unreleased
            location.unreleased += 1 if unreleased else -1
        if unreleased:
            longer_s = max(UNRELEASED_WAIT_S, job.wait_s * BACK_OFF)
            job.wait_s = UNRELEASED_WAIT_S if changed else min(longer_s, LONGEST_WAIT_S)
        elif changed:
            job.wait_s = FIRST_WAIT_S
        elif now - job.born_s >= FRESH_S:
            job.wait_s = min(job.wait_s * BACK_OFF, LONGEST_WAIT_S)
        self._plan(job, now)
        # a woken job's change wakes others; a busy location does so only now and then
        if changed and not unreleased and (woken or now - location.woke_s >= WAKE_GAP_S):
            self._wake_some(location, now)

    def came_alive(self, place: Place, now: float) -> None:
        """Note a sign of life of a location: query some of its jobs soon."""
        location = self._locations.get(place)
        if location is not None and now - location.woke_s >= WAKE_GAP_S:
            self._wake_some(location, now)

    def lost(
        self, job_id: JobId, now: float, *, retry_after_s: float = 0.0, of_company: bool = False
    ) -> None:
        """Note a query without an answer. The fault is the server's, or the company's
        (`of_company`), such as a refused key."""
        job = self._jobs.get(job_id)
        if job is None:
            return
        company = job.location.company
        if of_company:
            company.server.dropped(job_id)
            company.own.failed(job_id, now)
        else:
            company.own.dropped(job_id)
            company.server.failed(job_id, now)
            company.server.close_until(now + retry_after_s)
        self._plan(job, now)

    def forget(self, job_id: JobId) -> None:
        """Remove a job, because it has ended or is no longer followed."""
        job = self._jobs.pop(job_id, None)
        if job is None:
            return
        location, company = job.location, job.location.company
        company.timers.cancel(job)
        for gate in company.gates:
            gate.dropped(job_id)
        location.asleep.pop(job_id, None)
        location.dozing.pop(job_id, None)
        location.jobs -= 1
        location.unreleased -= job.is_unreleased
        if not location.jobs:
            company.timers.cancel(location)
            del self._locations[location.place]

    def _new_location(self, place: Place) -> _Location[JobId]:
        company = self._companies.get((place.server, place.company))
        if company is None:
            server = self._servers.setdefault(place.server, ServerGate(self._rate, self._rng))
            company = _Company[JobId](server, self._rng)
            self._companies[place.server, place.company] = company
            self._turns.append(company)
        location = self._locations[place] = _Location[JobId](place, company)
        return location

    def _plan(self, job: _Job[JobId], now: float) -> None:
        """Set the time of the job's next query, by its own timer or its location's."""
        location, timers = job.location, job.location.company.timers
        if job.is_unreleased:  # tells nothing about its location, and is not in a hurry
            wait_s = min(
                max(job.wait_s, UNRELEASED_WAIT_S, location.unreleased * UNRELEASED_EACH_S),
                EVERY_JOB_S,
            )
            timers.set(job, now + jittered(wait_s, self._rng), SLOW)
            return
        if job.wait_s >= LONGEST_WAIT_S:
            timers.cancel(job)
            location.asleep[job.id] = job
            if location not in timers:
                location.wait_s = LONGEST_WAIT_S
                self._pace(location, now)
            return
        fresh = now - job.born_s < FRESH_S
        wait_s = jittered(job.wait_s, self._rng)
        timers.set(job, now + wait_s, FRESH if fresh else SOON)
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
            if waiting is location.dozing:  # its turn may come a little later
                waiting[next(iter(waiting))].wait_s = LIVELY_WAIT_S
            job = waiting.pop(next(iter(waiting)))
            job.woken = True
            due_s = now + (number + self._rng.random()) * step_s
            location.company.timers.set(job, due_s, SOON)
        if location.asleep:
            self._pace(location, now)

    def _pace(self, location: _Location[JobId], now: float) -> None:
        """Set the time of the next query for a sleeping job of a location."""
        longest_s = min(LONGEST_WAIT_S, EVERY_JOB_S / max(1, len(location.asleep)))
        wait_s = jittered(min(location.wait_s, longest_s), self._rng)
        location.company.timers.set(location, now + wait_s, SLOW)

    def _next(self, company: _Company[JobId], now: float) -> _Job[JobId] | None:
        """Take the next job to query, if one is due."""
        job = None
        while job is None:
            due_s = company.timers.first_due_s()
            due = [urgency for urgency in URGENCIES if due_s[urgency] <= now]
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
        self._pace(location, now)
        return job
