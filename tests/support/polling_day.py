"""A day of polling on a simulated clock: the requests, and the delay with which changes are seen.

500 locations have 20 waiting jobs each. Most locations come online at some time of the day and
fetch their jobs, one by one. Fresh jobs go to locations that work. The server is away for half an
hour. The simulation neither sleeps nor sends.
"""

from __future__ import annotations

import heapq
import math
import random
import sys
from bisect import bisect_right
from dataclasses import dataclass, field

from cirrus_bridge.base.model import Place
from cirrus_bridge.polling.schedule import Schedule

DAY_S = 86_400.0
SERVER = "cloud.test:443"
ANSWER_S = 0.1
TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class SimulatedJob:
    """The times at which a job is accepted, received and delivered; infinite: never."""

    number: int
    location: int
    accepted_s: float
    received_s: float
    delivered_s: float
    is_fresh: bool

    def state(self, at_s: float) -> int:
        """The API's State: 0 submitted, 1 received, 2 delivered."""
        return bisect_right((self.received_s, self.delivered_s), at_s)


@dataclass
class Seen:
    """The requests of a way of polling, and its delays in seconds."""

    requests: int = 0
    most_in_a_minute: int = 0
    during_outage: int = 0
    fresh_s: list[float] = field(default_factory=list)  # fresh jobs, each change
    first_s: list[float] = field(default_factory=list)  # when a location came back
    old_s: list[float] = field(default_factory=list)  # jobs that had waited for their location


@dataclass(frozen=True)
class Day:
    """The events at the cloud."""

    jobs: tuple[SimulatedJob, ...]
    outage: tuple[float, float] = (43_200.0, 45_000.0)

    def is_away(self, at_s: float) -> bool:
        """Whether the server does not answer."""
        return self.outage[0] <= at_s < self.outage[1]

    def tells_of_outage(self, change_s: float) -> bool:
        """Whether nobody could have seen this change in time."""
        return self.outage[0] - 60 <= change_s < self.outage[1] + 600


def make_day(seed: int, *, locations: int = 500, jobs_each: int = 20, fresh: int = 8_000) -> Day:
    """Make a day, the same for the same seed."""
    rng = random.Random(seed)
    jobs: list[SimulatedJob] = []
    for location in range(locations):
        # every tenth location stays offline all day
        back_s = math.inf if location % 10 == 0 else rng.uniform(60, DAY_S - 3600)
        received_s = delivered_s = back_s
        for _ in range(jobs_each):
            received_s += rng.uniform(0.1, 0.5)
            delivered_s = max(delivered_s, received_s) + rng.uniform(2, 10)
            accepted_s = -rng.uniform(600, 10 * DAY_S)
            jobs.append(
                SimulatedJob(len(jobs), location, accepted_s, received_s, delivered_s, False)
            )
    for _ in range(fresh):
        at_s = rng.uniform(0, DAY_S)
        received_s = at_s + rng.uniform(0.5, 2)
        where = locations + rng.randrange(100)  # locations that are online all day
        delivered_s = received_s + rng.uniform(1, 8)
        jobs.append(SimulatedJob(len(jobs), where, at_s, received_s, delivered_s, True))
    return Day(tuple(jobs))


def poll_by_schedule(day: Day, *, seed: int = 0, requests_per_minute: float = 300) -> Seen:
    """The day as `Schedule` polls it."""
    return _Poller(day, Schedule(random.Random(seed), requests_per_minute)).run()


def poll_at_intervals(day: Day, interval_s: float, *, seed: int = 0) -> Seen:
    """The day of a poller that asks for each open job at a fixed interval, without a rate limit."""
    seen = Seen()
    tally = _Tally(day, seen)
    rng = random.Random(seed)
    changes: list[tuple[float, int, int, int]] = []
    for job in day.jobs:
        start_s = max(0.0, job.accepted_s) + rng.uniform(0, interval_s)
        ticks = _Ticks(start_s, interval_s)
        away_from, away_to = map(ticks.before, day.outage)
        last, known = ticks.before(DAY_S) - 1, 0
        for change_s in (job.received_s, job.delivered_s):
            tick = ticks.before(change_s)
            if away_from <= tick < away_to:
                tick = away_to
            if tick > last:
                break
            at_s = ticks.at_s(tick)
            if job.state(at_s) != known:
                changes.append((at_s + ANSWER_S, job.number, known, job.state(at_s)))
                known = job.state(at_s)
                if known == 2:
                    last = tick
        seen.requests += last + 1
        seen.during_outage += max(0, min(away_to, last + 1) - away_from)
    for at_s, number, before, after in sorted(changes):
        tally.changed(day.jobs[number], before, after, at_s)
    return seen


@dataclass(frozen=True)
class _Ticks:
    """The times of a clock that ticks at intervals, numbered from 0."""

    start_s: float
    interval_s: float

    def at_s(self, number: int) -> float:
        """The time of a tick."""
        return self.start_s + number * self.interval_s

    def before(self, at_s: float) -> int:
        """The number of ticks before a time, which is the index of the next tick."""
        if at_s == math.inf:
            return sys.maxsize
        return max(0, math.ceil((at_s - self.start_s) / self.interval_s))


class _Poller:
    """The work of a real poller with its schedule, without waiting."""

    def __init__(self, day: Day, schedule: Schedule[int]) -> None:
        self._day = day
        self._schedule = schedule
        self._seen = Seen()
        self._tally = _Tally(day, self._seen)
        self._known = [0] * len(day.jobs)
        self._answers: list[tuple[float, int, float]] = []  # arrival, job, time of the request
        self._sent_s: list[float] = []
        fresh = [job for job in day.jobs if job.is_fresh]
        self._coming = sorted(fresh, key=lambda job: job.accepted_s, reverse=True)

    def run(self) -> Seen:
        """Run from midnight to midnight."""
        for job in self._day.jobs:
            if not job.is_fresh:
                self._schedule.add(job.number, _place(job), 0.0, age_s=-job.accepted_s)
        now = 0.0
        while now < DAY_S:
            while self._coming and self._coming[-1].accepted_s <= now:
                job = self._coming.pop()
                self._schedule.add(job.number, _place(job), now)
            while self._answers and self._answers[0][0] <= now:
                _, number, asked_s = heapq.heappop(self._answers)
                self._take_answer(self._day.jobs[number], asked_s, now)
            for number in self._schedule.due(now, at_most=100):
                self._ask(number, now)
            now = self._next_event_s(now)
        self._seen.requests = len(self._sent_s)
        self._seen.most_in_a_minute = _most_within(60, self._sent_s)
        return self._seen

    def _ask(self, number: int, now: float) -> None:
        self._sent_s.append(now)
        away = self._day.is_away(now)
        self._seen.during_outage += away
        heapq.heappush(self._answers, (now + (TIMEOUT_S if away else ANSWER_S), number, now))

    def _take_answer(self, job: SimulatedJob, asked_s: float, now: float) -> None:
        if self._day.is_away(asked_s):
            self._schedule.lost(job.number, now)
            return
        before, after = self._known[job.number], job.state(asked_s)
        self._schedule.answered(job.number, now, changed=after != before)
        if after != before:
            self._known[job.number] = after
            self._tally.changed(job, before, after, now)
        if after == 2:
            self._schedule.forget(job.number)

    def _next_event_s(self, now: float) -> float:
        events = [DAY_S, now + self._schedule.next_due_s(now)]
        if self._answers:
            events.append(self._answers[0][0])
        if self._coming:
            events.append(self._coming[-1].accepted_s)
        return min(events)


def _most_within(span_s: float, times_s: list[float]) -> int:
    """The largest number of times within any such span."""
    most = first = 0
    for last, at_s in enumerate(times_s):
        while at_s - times_s[first] >= span_s:
            first += 1
        most = max(most, last - first + 1)
    return most


class _Tally:
    """Sorts seen changes by kind; changes around the outage do not count."""

    def __init__(self, day: Day, seen: Seen) -> None:
        self._day = day
        self._seen = seen
        self._back: set[int] = set()

    def changed(self, job: SimulatedJob, before: int, after: int, now: float) -> None:
        """Record a job's new state."""
        for state, at_s in ((1, job.received_s), (2, job.delivered_s)):
            if not before < state <= after or self._day.tells_of_outage(at_s):
                continue
            if job.is_fresh:
                self._seen.fresh_s.append(now - at_s)
                continue
            if job.location not in self._back:
                self._back.add(job.location)
                self._seen.first_s.append(now - at_s)
            self._seen.old_s.append(now - at_s)


def _place(job: SimulatedJob) -> Place:
    return Place(SERVER, "Acme", str(job.location))
