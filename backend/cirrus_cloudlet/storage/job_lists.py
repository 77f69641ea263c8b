"""Lists of jobs for people: filtered, page by page, newest first.

A page takes as long with a million jobs as with a thousand. So each list follows an index, and a
page begins at a job's sequence instead of a count (keyset paging).
"""

from __future__ import annotations

import datetime
import enum
import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.jobs import Job, Step, select_jobs
from cirrus_cloudlet.storage.releases import Viewer
from cirrus_cloudlet.storage.text_index import PERSON, TextIndex, fold, scope, scope_of_person

MAX_COUNT = 1000  # above this, jobs are not counted
# the jobs that one page looks at; few steps, because a search costs as much for one job as for many
_CHUNKS = (100, 400, 1500)
_LAST = 2**62
_FAILED = "step = 'held' AND substr(message, 1, 6) = 'Error:'"
# by an index: in the order of their sequences, or (AT) of their locations
_IS_WAITING = f"step != 'done' AND NOT ({_FAILED})"
_FROM_FAILED = f"FROM job INDEXED BY job_failed WHERE {_FAILED}"
_FROM_FAILED_AT = f"FROM job INDEXED BY job_failed_at WHERE {_FAILED}"
_FROM_WAITING = f"FROM job INDEXED BY job_waiting WHERE {_IS_WAITING}"
_FROM_WAITING_AT = f"FROM job INDEXED BY job_waiting_at WHERE {_IS_WAITING}"


class Status(enum.StrEnum):
    """Which jobs a list has."""

    ALL = ""
    WAITING = "waiting"  # neither ended nor failed
    FAILED = "failed"  # held until a person decides, after a failed delivery


class Filter(NamedTuple):
    """Which of the jobs that a person sees are in a list. Each empty field stands for all jobs.

    Attributes:
        text: words, each of which the title or the person has, in any case; or a job's id.
        person: the whole name of the person who printed.
    """

    viewer: Viewer
    location: str | None = None
    device: str | None = None
    status: Status = Status.ALL
    text: str = ""
    person: str = ""
    day: datetime.date | None = None  # in the server's time zone


class JobPage(NamedTuple):
    """A page of a list.

    Attributes:
        jobs: fewer than asked for, if most of the jobs that were looked at do not belong.
        next: the sequence before which the next page begins; None on the last page.
        is_complete: whether the search index has all jobs.
    """

    jobs: Sequence[Job]
    next: int | None
    is_complete: bool


class Counts(NamedTuple):
    """The numbers of waiting and failed jobs, up to MAX_COUNT + 1."""

    waiting: int
    failed: int


class JobLists:
    def __init__(self, store: Store, texts: TextIndex) -> None:
        self._store = store
        self._texts = texts

    def page(self, wanted: Filter, count: int, before: int | None = None) -> JobPage:
        """Read a page of a list: at most `count` jobs, all before a sequence."""
        is_complete = not _needs_texts(wanted) or self._texts.catch_up()
        after, last = self._day(wanted.day)
        before = min(before or _LAST, last)
        if wanted.text and (job := self._by_id(wanted, before, after)):
            return JobPage([job], None, is_complete)
        words, found = fold(wanted.text).split(), list[Job]()
        for chunk in (max(_CHUNKS[0], count + 1), *_CHUNKS[1:]):
            numbers = self._numbers(wanted, words, before, after, chunk)
            found += [job for job in self._read(numbers) if _belongs(job, wanted, words)]
            if len(found) > count:
                return JobPage(found[:count], found[count - 1].sequence, is_complete)
            if len(numbers) < chunk:
                return JobPage(found, None, is_complete)
            before = numbers[-1]
        return JobPage(found, before, is_complete)

    def count(self, viewer: Viewer) -> Counts:
        """Count the unfinished jobs that a person sees."""
        waiting, failed = (
            self._store.execute(
                f"SELECT count(*) FROM (SELECT 1 {which} AND company = ?1"  # noqa: S608 - constants
                " AND (location = ?2 OR ?2 IS NULL)"  # PostgreSQL takes the type from the first
                " AND (held_for IS NULL OR (held_for = ?3 AND ?3 != '') OR ?4) LIMIT ?5) AS found",
                *viewer,
                MAX_COUNT + 1,
            )[0][0]
            for which in (_FROM_WAITING, _FROM_FAILED)
        )
        return Counts(waiting, failed)

    def count_by_location(self, company: str) -> dict[str, Counts]:
        """Count what is unfinished at each location that has unfinished jobs."""
        waiting, failed = (
            self._count_at(which, company) for which in (_FROM_WAITING_AT, _FROM_FAILED_AT)
        )
        return {
            location: Counts(waiting.get(location, 0), failed.get(location, 0))
            for location in waiting | failed
        }

    def _count_at(self, which: str, company: str) -> dict[str, int]:
        # each step of the recursion jumps to the next location in the index
        rows = self._store.execute(
            "WITH RECURSIVE place (location) AS ("  # noqa: S608 - constants
            f" SELECT (SELECT location {which} AND company = ?1 ORDER BY location LIMIT 1)"
            f" UNION ALL SELECT (SELECT job.location {which} AND company = ?1"
            " AND job.location > place.location ORDER BY job.location LIMIT 1)"
            " FROM place WHERE place.location IS NOT NULL)"
            " SELECT location, (SELECT count(*) FROM ("
            f"SELECT 1 {which} AND company = ?1 AND job.location = place.location LIMIT ?2)"
            " AS found) AS jobs FROM place WHERE location IS NOT NULL",
            *(company, MAX_COUNT + 1),
        )
        return {row["location"]: row["jobs"] for row in rows}

    def _by_id(self, wanted: Filter, before: int, after: int) -> Job | None:
        for job in select_jobs(self._store, "WHERE job.id = ?", wanted.text.strip()):
            if after < job.sequence < before and _belongs(job, wanted, []):
                return job
        return None

    def _numbers(
        self, wanted: Filter, words: Sequence[str], before: int, after: int, count: int
    ) -> list[int]:
        """The next sequences of a list, newest first; some may not belong to the list."""
        company, location, device = wanted.viewer.company, wanted.location, wanted.device
        if _needs_texts(wanted):
            names = [each for each in (location, device) if each is not None]
            scopes = [scope(company, *names)] if names else []
            if wanted.person:
                scopes.append(scope_of_person(company, wanted.person))
            return self._texts.find(company, scopes, words, before, after, count)
        source = {
            Status.ALL: "FROM job WHERE true",
            Status.WAITING: _FROM_WAITING,
            Status.FAILED: _FROM_FAILED,
        }[wanted.status]
        conditions = ["company = ?", "sequence < ?", "sequence > ?"]
        values: list[object] = [company, before, after]
        for name, value in (("location", location), ("device", device)):
            if value is not None:
                conditions.append(f"{name} = ?")
                values.append(value)
        rows = self._store.execute(
            f"SELECT sequence {source} AND {' AND '.join(conditions)}"
            " ORDER BY sequence DESC LIMIT ?",
            *(*values, count),
        )
        return [row["sequence"] for row in rows]

    def _read(self, numbers: Sequence[int]) -> list[Job]:
        which = "WHERE job.sequence IN (SELECT value FROM json_each(?)) ORDER BY job.sequence DESC"
        return select_jobs(self._store, which, json.dumps(numbers))

    def _day(self, day: datetime.date | None) -> tuple[int, int]:
        """The sequences before and behind the jobs of a day; of all jobs without a day."""
        if day is None:
            return 0, _LAST
        begin, end = (_first_id(day + datetime.timedelta(days=number)) for number in (0, 1))
        return self._first(begin) - 1, self._first(end)

    def _first(self, job_id: str) -> int:
        """The sequence of the first job whose id is not before an id."""
        rows = self._store.execute(
            "SELECT sequence FROM job WHERE id >= ? ORDER BY id LIMIT 1", job_id
        )
        return int(rows[0]["sequence"]) if rows else _LAST


def _needs_texts(wanted: Filter) -> bool:
    """Whether only the search index finds the jobs of a list quickly."""
    return wanted.status is Status.ALL and bool(
        wanted.text or wanted.person or wanted.device is not None
    )


def _first_id(day: datetime.date) -> str:
    """What begins the ids of a day's first second; an id begins with its time in UTC."""
    midnight = datetime.datetime.combine(day, datetime.time()).astimezone()
    return midnight.astimezone(datetime.UTC).strftime("%Y%m%d%H%M%S")


def is_failed(job: Job) -> bool:
    """Tell whether a job is held after a failed delivery."""
    return job.step is Step.HELD and job.message.startswith("Error:")


def _is(wanted: Status) -> Callable[[Job], bool]:
    if wanted is Status.FAILED:
        return is_failed
    if wanted is Status.WAITING:
        return lambda job: job.step is not Step.DONE and not is_failed(job)
    return lambda job: True


def _belongs(job: Job, wanted: Filter, words: Sequence[str]) -> bool:
    """Whether a job is in a list; its day was asked before."""
    person = fold(job.props.get(PERSON, ""))
    texts = (fold(job.title), person)
    return (
        wanted.viewer.sees(job)
        and wanted.location in (None, job.location)
        and wanted.device in (None, job.device)
        and _is(wanted.status)(job)
        and (not wanted.person or person == fold(wanted.person))
        and all(any(word in text for text in texts) for word in words)
    )
