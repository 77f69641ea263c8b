"""The schedule of queries: back-off, neighbors, rates, outages and a simulated day."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from itertools import pairwise
from statistics import median, quantiles

import pytest

from cirrus_bridge.base.model import Place
from cirrus_bridge.polling.schedule import EVERY_JOB_S, FRESH_S, LONGEST_WAIT_S, Schedule
from polling_day import Day, Seen, make_day, poll_at_intervals, poll_by_schedule

PARIS = Place("a.test:443", "Acme", "Paris")
LYON = Place("a.test:443", "Acme", "Lyon")
OTHER = Place("b.test:443", "Acme", "Paris")
OLD_S = 86_400.0


def new_schedule(requests_per_minute: float = 300) -> Schedule[str]:
    """A schedule with the same jitter in each run."""
    return Schedule(random.Random(1), requests_per_minute)


def asked(
    schedule: Schedule[str],
    start_s: float,
    end_s: float,
    changed: Callable[[str, float], bool] = lambda job, now: False,
) -> list[tuple[float, str]]:
    """The queries from start to end, if each is answered at once."""
    questions: list[tuple[float, str]] = []
    now = start_s
    while now < end_s:
        for job in schedule.due(now, at_most=100):
            questions.append((now, job))
            schedule.answered(job, now, changed=changed(job, now))
        now += schedule.next_due_s(now)
    return questions


def fill(schedule: Schedule[str], place: Place, count: int, age_s: float = OLD_S) -> list[str]:
    """Add jobs to a place."""
    jobs = [f"{place.location}{number}" for number in range(count)]
    for job in jobs:
        schedule.add(job, place, 0.0, age_s=age_s)
    return jobs


def test_a_job_that_waits_for_its_release_is_asked_for_rarely() -> None:
    """Such a job is queried at most every 24 s from its first answer on, and more rarely if its
    location has many. Its answers wake no other job."""
    schedule = new_schedule()
    schedule.add("job", PARIS, 0.0)
    fill(schedule, PARIS, 3)
    schedule.due(1.5, at_most=1)
    schedule.answered("job", 1.5, changed=True, unreleased=True)
    times = []
    now = 1.5
    while now < 3600.0:
        now += schedule.next_due_s(now)
        for job in schedule.due(now, at_most=100):
            schedule.answered(job, now, changed=False, unreleased=job == "job")
            times += [now] if job == "job" else []
    gaps = [after - before for before, after in pairwise([1.5, *times])]
    assert min(gaps) >= 24.0
    assert LONGEST_WAIT_S * 0.8 <= max(gaps) <= LONGEST_WAIT_S * 1.2


def test_many_jobs_that_wait_for_their_release() -> None:
    """A location's jobs that wait for a release cost one request a second, and its other jobs are
    queried as before. A released job is queried quickly."""
    schedule = new_schedule()
    for number in range(1000):
        schedule.add(f"held{number}", PARIS, 0.0, age_s=OLD_S, unreleased=True)
    others = fill(schedule, PARIS, 2)
    questions = []
    now = 0.0
    while now < 2000.0:
        for job in schedule.due(now, at_most=100):
            questions.append(job)
            schedule.answered(job, now, changed=False, unreleased=job.startswith("held"))
        now += schedule.next_due_s(now)
    assert 1700 <= sum(job.startswith("held") for job in questions) <= 2500
    assert all(questions.count(job) >= 2 for job in others)
    schedule.answered("held1", now, changed=True)
    after = [now_s for now_s, job in asked(schedule, now, now + 5) if job == "held1"]
    assert after


def test_a_fresh_job_is_asked_for_every_second_then_more_and_more_rarely() -> None:
    """The gaps grow by about half each time, up to five minutes."""
    schedule = new_schedule()
    schedule.add("job", PARIS, 0.0)
    times = [at_s for at_s, _ in asked(schedule, 0.0, 7200.0)]
    gaps = [after - before for before, after in zip([0.0, *times], times, strict=False)]
    fresh = [gap for at_s, gap in zip(times, gaps, strict=True) if at_s < FRESH_S]
    assert all(0.8 <= gap <= 1.2 for gap in fresh)
    growing = gaps[len(fresh) : len(fresh) + 12]
    assert all(1.0 < b / a < 2.25 for a, b in pairwise(growing))
    assert len(set(gaps)) == len(gaps)  # jitter
    assert all(0.8 * LONGEST_WAIT_S <= gap <= 1.2 * LONGEST_WAIT_S for gap in gaps[-10:])


def test_a_job_that_is_taken_over_late_goes_on_where_it_would_be() -> None:
    """A job five minutes old is queried next in a minute or two, not in a second."""
    schedule = new_schedule()
    schedule.add("job", PARIS, 1000.0, age_s=300.0)
    assert 60 < schedule.next_due_s(1000.0) < 120


def test_a_change_makes_the_next_question_soon() -> None:
    """A received job is likely to be delivered soon."""
    schedule = new_schedule()
    schedule.add("job", PARIS, 0.0, age_s=OLD_S)
    now = schedule.next_due_s(0.0)
    (job,) = schedule.due(now, at_most=1)
    schedule.answered(job, now, changed=True)
    assert schedule.next_due_s(now) <= 1.2
    assert len(asked(schedule, now, now + 15)) >= 4


def test_a_location_is_asked_about_as_one() -> None:
    """Twenty sleepers cost one query in three minutes, and each is queried within about an hour."""
    schedule = new_schedule()
    jobs = fill(schedule, PARIS, 20)
    questions = asked(schedule, 0.0, 36_000.0)
    assert len(questions) == pytest.approx(36_000 / EVERY_JOB_S * 20, rel=0.1)
    assert {job for at_s, job in questions if at_s < 1.25 * EVERY_JOB_S} == set(jobs)


def test_a_location_that_comes_back_is_seen_through_at_once() -> None:
    """The first change leads to queries for all neighbors, one after the other."""
    schedule = new_schedule()
    jobs = fill(schedule, PARIS, 20)
    fill(schedule, LYON, 20)
    known: dict[str, float] = {}

    def received(job: str, now: float) -> bool:
        return job in jobs and now >= 1000 and known.setdefault(job, now) == now

    asked(schedule, 0.0, 2000.0, received)
    assert set(known) == set(jobs)
    first, *_, last = sorted(known.values())
    assert last - first < 10
    assert len(set(known.values())) > 10  # not at once


def test_a_location_that_comes_back_does_not_wake_others() -> None:
    """A change in Paris does not bring the queries for Lyon forward."""
    schedule = new_schedule()
    fill(schedule, LYON, 20)
    alone = new_schedule()
    fill(alone, LYON, 20)
    quiet = asked(alone, 0.0, 3600.0)
    fill(schedule, PARIS, 1)
    questions = asked(schedule, 0.0, 3600.0, lambda job, now: job == "Paris0")
    assert len([job for _, job in questions if job != "Paris0"]) <= 1.2 * len(quiet)


def test_a_dead_device_at_a_busy_location_costs_little() -> None:
    """Its neighbors change all the time, but its own jobs are woken only now and then."""
    schedule = new_schedule()
    dead = fill(schedule, PARIS, 20)
    schedule.add("busy", PARIS, 0.0)
    questions = asked(schedule, 0.0, 3600.0, lambda job, now: job == "busy")
    about_dead = [job for _, job in questions if job in dead]
    assert len(about_dead) < 3600 / 30 * 15


def test_a_location_that_is_said_to_be_alive_is_asked_about() -> None:
    """A sign of life leads to queries; more signs within WAKE_GAP_S do not."""
    schedule = new_schedule()
    fill(schedule, PARIS, 20)
    asked(schedule, 0.0, 100.0)
    schedule.came_alive(PARIS, 100.0)
    schedule.came_alive(OTHER, 100.0)  # no job waits there
    assert len(asked(schedule, 100.0, 103.0)) == 4
    for now in range(103, 163):  # soon again, so mostly ignored
        schedule.came_alive(PARIS, float(now))
    assert len(asked(schedule, 163.0, 166.0)) < 10


@pytest.mark.parametrize(("per_minute", "burst"), [(300, 5), (100, 1), (6, 1)])
def test_the_rate_is_kept(per_minute: int, burst: int) -> None:
    """No minute has more requests than allowed, and no moment more than a second's share."""
    schedule = new_schedule(requests_per_minute=per_minute)
    fill(schedule, PARIS, 1000, age_s=0.0)
    assert len(schedule.due(2.0, at_most=100)) == burst
    times = [2.0] * burst + [at_s for at_s, _ in asked(schedule, 2.0, 602.0)]
    for start in range(2, 542, 7):
        assert len([t for t in times if start <= t < start + 60]) <= per_minute
    assert len(times) >= 9.8 * (per_minute - burst)


def test_no_more_than_the_caller_can_send() -> None:
    """Servers share `at_most` fairly."""
    schedule = new_schedule()
    fill(schedule, PARIS, 50, age_s=0.0)
    schedule.add("other", OTHER, 0.0)
    assert schedule.due(5.0, at_most=0) == []
    first, second = (schedule.due(5.0, at_most=1) for _ in range(2))
    assert "other" in first + second
    assert len(schedule.due(5.0, at_most=3)) == 3


def test_fresh_jobs_go_first_and_old_ones_do_not_starve() -> None:
    """Fresh jobs get four of five queries if the rate does not allow all."""
    schedule = new_schedule(requests_per_minute=60)
    for number in range(100):
        fill(schedule, Place("a.test:443", "Acme", f"L{number}-"), 1)
    questions = []
    now = 100.0
    for number in range(300):  # twenty jobs are always fresh
        schedule.add(f"fresh{number}", LYON, now)
        schedule.forget(f"fresh{number - 20}")
        questions += asked(schedule, now, now + 1)
        now += 1
    fresh = [job for _, job in questions if job.startswith("fresh")]
    assert len(fresh) / len(questions) == pytest.approx(0.8, abs=0.02)


def test_retry_after_is_heeded_even_after_a_late_success() -> None:
    """The server gets no request before that time; another server is not affected."""
    schedule = new_schedule()
    fill(schedule, PARIS, 10, age_s=0.0)
    schedule.add("other", OTHER, 0.0)
    first, second, *_ = (job for job in schedule.due(2.0, at_most=9) if job != "other")
    schedule.lost(first, 2.0, retry_after_s=500.0)
    schedule.answered(second, 2.1, changed=True)
    schedule.add("new", PARIS, 2.2)
    schedule.answered("other", 2.2, changed=False)
    questions = asked(schedule, 2.2, 600.0)
    assert min(at_s for at_s, job in questions if job != "other") >= 502.0
    assert min(at_s for at_s, job in questions if job == "other") < 4.0


def test_an_outage_costs_one_probe_at_a_time() -> None:
    """Probes have back-off up to five minutes, however many jobs wait."""
    schedule = new_schedule()
    fill(schedule, PARIS, 1000, age_s=0.0)
    now, probes = 2.0, []
    under_way = schedule.due(now, at_most=100)
    assert len(under_way) == 5
    for job in under_way:
        schedule.lost(job, now)
    while now < 7200:
        now += schedule.next_due_s(now)
        (probe,) = schedule.due(now, at_most=100)
        probes.append(now)
        assert schedule.next_due_s(now) == math.inf
        assert schedule.due(now + 5, at_most=100) == []
        now += 10
        schedule.lost(probe, now)
    gaps = [after - before for before, after in pairwise(probes)]
    assert probes[0] < 5
    assert all(gap <= 10 + 1.2 * LONGEST_WAIT_S for gap in gaps)
    assert len(probes) < 40
    assert gaps[-1] - 10 >= 240


def test_a_company_that_is_shut_out_keeps_nobody_else_waiting() -> None:
    """A company with a refused key goes on by probes.

    Another company at the server keeps its pace, within the server's rate. An outage of the server
    affects both.
    """
    schedule = new_schedule()
    other = Place(PARIS.server, "Other", "Paris")
    fill(schedule, PARIS, 100, age_s=0.0)
    schedule.add("other", other, 0.0)
    questions: list[tuple[float, str]] = []
    now = 2.0
    while now < 30:
        for job in schedule.due(now, at_most=100):
            questions.append((now, job))
            if job == "other":
                schedule.answered(job, now, changed=False)
            else:
                schedule.lost(job, now, of_company=True)
        now += schedule.next_due_s(now)
    about_other = [at_s for at_s, job in questions if job == "other"]
    assert len(about_other) > 20
    assert all(after - before < 2 for before, after in pairwise(about_other))
    assert len(questions) - len(about_other) < 12
    now = 400.0
    under_way = schedule.due(now, at_most=100)
    for job in under_way:
        schedule.lost(job, now)
    assert len(schedule.due(now + 10, at_most=100)) == 1


def test_a_company_that_probes_a_server_in_vain() -> None:
    """The company is shut out while the server comes back; the other companies notice that at
    once."""
    schedule = new_schedule()
    schedule.add("ours", PARIS, 0.0)
    (job,) = schedule.due(2.0, at_most=9)
    schedule.lost(job, 2.0)
    schedule.add("other", Place(PARIS.server, "Other", "Paris"), 2.0)
    asked_now: list[str] = []
    for now in (100.0, 100.1):
        (job,) = schedule.due(now, at_most=9)
        asked_now.append(job)
        schedule.lost(job, now, of_company=job == "ours")
        if job == "other":
            break
    assert "other" in asked_now


def test_the_first_success_after_an_outage_resumes_without_a_rush() -> None:
    """One answer opens the gate; the rate holds from the first second."""
    schedule = new_schedule()
    fill(schedule, PARIS, 1000, age_s=0.0)
    (job, *rest) = schedule.due(2.0, at_most=100)
    for lost in (job, *rest):
        schedule.lost(lost, 2.0)
    now = 600.0
    (probe,) = schedule.due(now, at_most=100)
    schedule.answered(probe, now, changed=False)
    assert schedule.due(now, at_most=100) == []
    assert len(asked(schedule, now, now + 10)) == pytest.approx(50, abs=2)


def test_a_probe_that_is_forgotten_does_not_block_its_server() -> None:
    """The job was canceled during its query."""
    schedule = new_schedule()
    fill(schedule, PARIS, 3, age_s=0.0)
    (first, *rest) = schedule.due(2.0, at_most=100)
    for job in (first, *rest):
        schedule.lost(job, 2.0)
    (probe,) = schedule.due(100.0, at_most=100)
    schedule.forget(probe)
    schedule.answered(probe, 101.0, changed=True)  # late
    assert len(schedule.due(102.0, at_most=100)) == 1


def test_what_is_forgotten_is_not_asked_for() -> None:
    """Jobs in any state can be forgotten, and also the last job."""
    schedule = new_schedule()
    fill(schedule, PARIS, 2, age_s=0.0)
    fill(schedule, LYON, 2)
    schedule.add("other", OTHER, 0.0)
    schedule.forget("Paris0")
    schedule.forget("Lyon0")
    schedule.forget("Lyon0")
    assert "Lyon0" not in schedule.jobs
    assert {job for _, job in asked(schedule, 0.0, 900.0)} == {"Paris1", "Lyon1", "other"}
    for job in ("Paris1", "Lyon1", "other"):
        schedule.forget(job)
    assert not schedule.jobs
    assert schedule.next_due_s(3600.0) == math.inf


@pytest.fixture(scope="module")
def day() -> Day:
    """A day with 10,000 jobs at 500 locations, 8,000 fresh jobs and an outage."""
    return make_day(seed=7)


def _check(seen: Seen, per_minute: int) -> None:
    assert seen.most_in_a_minute <= per_minute
    assert seen.during_outage < 40  # of half an hour
    assert len(seen.fresh_s) > 15_000
    assert len(seen.first_s) > 400
    assert len(seen.old_s) > 17_000
    slower = 300 / per_minute
    assert quantiles(seen.fresh_s, n=100)[98] < (2 if per_minute == 300 else 4)
    assert median(seen.old_s) < 100 * slower
    assert quantiles(seen.old_s, n=20)[18] < 240 * slower


def test_a_day_at_a_low_rate(day: Day) -> None:
    """Fresh jobs are seen in seconds, and locations that come back in minutes."""
    _check(poll_by_schedule(day, requests_per_minute=100), 100)


def test_a_day_at_the_usual_rate_and_at_fixed_intervals(day: Day) -> None:
    """Fresh jobs are seen at once and returning locations in minutes, at a small rate.

    A query a minute for each job costs forty times the requests, and sees fresh jobs late.
    """
    ours = poll_by_schedule(day)
    _check(ours, 300)
    fixed = poll_at_intervals(day, 60.0)
    assert fixed.requests > 30 * ours.requests
    assert median(fixed.fresh_s) > 20 * median(ours.fresh_s)
    assert set(map(len, (fixed.first_s, ours.first_s))) == {len(ours.first_s)}


@pytest.mark.parametrize("seed", range(5))
def test_jobs_that_a_location_delivers_one_after_the_other(seed: int) -> None:
    """Each delivery is noticed soon after the one before, although the first sign of life came too
    early for the jobs behind it."""
    schedule: Schedule[str] = Schedule(random.Random(seed), 300)
    jobs = fill(schedule, PARIS, 6, age_s=200.0)
    delivered_s = {job: 100.0 + 8 * number for number, job in enumerate(jobs)}
    noticed_s: dict[str, float] = {}

    def changes(job: str, now: float) -> bool:
        is_news = job not in noticed_s and now >= delivered_s[job]
        if is_news:
            noticed_s[job] = now
        return is_news

    asked(schedule, 0.0, 1000.0, changes)
    first_s = min(noticed_s.values())
    assert noticed_s.keys() == set(jobs)
    assert all(noticed_s[job] - max(delivered_s[job], first_s) < 30 for job in jobs)
