"""Figures of deliveries: how many jobs came, were delivered and failed, and how long it took.

The figures are in `figures.db`, by half hours, for each company and each of its locations. They are
counted from the history of the jobs, whose steps have ascending numbers.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.derived import DerivedDatabase
from cirrus_cloudlet.storage.engine import Row
from cirrus_cloudlet.storage.jobs import JobState, Step

SLOT_S = 1800  # most time zones begin their hours with one of these
DAYS = 31  # that are kept
_DAY_S = 24 * 3600
_BATCH = 500
_BATCHES_NOW = 10  # that a page counts itself
_GROWTH = 1.15  # of the limits of durations, so a median is exact to 7 %
_SHORTEST_S = 0.01
_SCHEMA = """
CREATE TABLE slot (
    company TEXT NOT NULL,
    location TEXT NOT NULL,
    slot INTEGER NOT NULL,
    submitted INTEGER NOT NULL DEFAULT 0,
    delivered INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (company, location, slot)
) STRICT, WITHOUT ROWID;
CREATE TABLE duration (
    company TEXT NOT NULL,
    location TEXT NOT NULL,
    slot INTEGER NOT NULL,
    class INTEGER NOT NULL,
    jobs INTEGER NOT NULL,
    PRIMARY KEY (company, location, slot, class)
) STRICT, WITHOUT ROWID;
CREATE TABLE progress (number INTEGER, job TEXT NOT NULL, cleaned INTEGER NOT NULL) STRICT;
INSERT INTO progress VALUES (NULL, '', 0);
"""
_STEPS = (
    "SELECT transition.number, transition.job, transition.state, transition.step, transition.time,"
    " transition.message, job.company, job.location, job.submitted, job.delivered"
    " FROM transition LEFT JOIN job ON job.id = transition.job"
    " WHERE transition.number > ? ORDER BY transition.number LIMIT ?"
)
_ALL = ""  # stands for all locations of a company


class Figures(NamedTuple):
    """The figures of a half hour that begins at `begin`, in seconds since the epoch."""

    begin: float
    submitted: int
    delivered: int
    failed: int


class DeliveryFigures:
    """The figures of one data folder. Its methods may be called by any thread."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._derived = DerivedDatabase(folder / "figures.db", _SCHEMA, self._advance)

    def catch_up(self) -> bool:
        """Count new steps, and begin to count others in the background.

        Tell whether all steps are counted.
        """
        has_more = True
        for _ in range(_BATCHES_NOW):
            if not (has_more := self._derived.use(self._advance)):
                break
        self._derived.start()
        return not has_more

    def since(self, company: str, begin: float) -> list[Figures]:
        """List a company's figures from a time on, oldest first, without empty half hours."""
        rows = self._derived.use(
            lambda db: db.execute(
                "SELECT slot, submitted, delivered, failed FROM slot"
                " WHERE company = ? AND location = ? AND slot >= ? ORDER BY slot",
                (company, _ALL, int(begin // SLOT_S)),
            ).fetchall()
        )
        return [Figures(slot * SLOT_S, *numbers) for slot, *numbers in rows]

    def of_location(self, company: str, location: str, begin: float) -> Figures:
        """Add up the figures of a location from a time on."""
        values = (company, location, int(begin // SLOT_S))
        numbers = self._derived.use(
            lambda db: db.execute(
                "SELECT sum(submitted), sum(delivered), sum(failed) FROM slot"
                " WHERE company = ? AND location = ? AND slot >= ?",
                values,
            ).fetchone()
        )
        return Figures(begin, *(number or 0 for number in numbers))

    def median_s(self, company: str, begin: float) -> float | None:
        """The median of the seconds from submit to delivery, of deliveries from a time on."""
        rows = self._derived.use(
            lambda db: db.execute(
                "SELECT class, sum(jobs) FROM duration"
                " WHERE company = ? AND location = ? AND slot >= ? GROUP BY class ORDER BY class",
                (company, _ALL, int(begin // SLOT_S)),
            ).fetchall()
        )
        half = sum(jobs for _, jobs in rows) / 2
        for number, jobs in rows:
            half -= jobs
            if half <= 0:
                return float(_GROWTH ** (number - 0.5) * _SHORTEST_S)
        return None

    def stop(self, wait_s: float) -> None:
        self._derived.stop(wait_s)

    def _advance(self, db: sqlite3.Connection) -> bool:
        """Count the next steps; tell whether there may be more."""
        number, job, cleaned = db.execute("SELECT number, job, cleaned FROM progress").fetchone()
        now = time.time()
        if number is None:
            number = self._number_of(now - DAYS * _DAY_S)
            db.execute("UPDATE progress SET number = ?", (number,))
        last = self._store.execute("SELECT job FROM transition WHERE number = ?", number)
        if job and last and last[0]["job"] != job:
            raise sqlite3.DatabaseError("cloudlet.db is another one")  # restored from a copy
        rows = self._store.execute(_STEPS, number, _BATCH)
        if rows:
            _count(db, rows)
            progress = (rows[-1]["number"], rows[-1]["job"])
            db.execute("UPDATE progress SET number = ?, job = ?", progress)
        if now > cleaned + _DAY_S:
            for table in ("slot", "duration"):
                oldest = int((now - DAYS * _DAY_S) // SLOT_S)
                db.execute(f"DELETE FROM {table} WHERE slot < ?", (oldest,))  # noqa: S608
            db.execute("UPDATE progress SET cleaned = ?", (int(now),))
        return len(rows) == _BATCH

    def _number_of(self, begin: float) -> int:
        """The number of the last step before a time, found by bisection."""
        low, high = 0, self._store.execute("SELECT max(number) FROM transition")[0][0] or 0
        while low < high:
            middle = (low + high) // 2
            rows = self._store.execute(
                "SELECT number, time FROM transition WHERE number > ? ORDER BY number LIMIT 1",
                middle,
            )
            if rows and rows[0]["time"] < begin:
                low = rows[0]["number"]
            else:
                high = middle
        return low


def _count(db: sqlite3.Connection, rows: Sequence[Row]) -> None:
    slots: defaultdict[tuple[str, str, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    durations: defaultdict[tuple[str, str, int, int], int] = defaultdict(int)
    for row in rows:
        kind = _kind(row)
        if kind is None:
            continue
        slot = int(row["time"] // SLOT_S)
        for location in (_ALL, row["location"]):
            slots[row["company"], location, slot][kind] += 1
            if kind == 1:
                number = _class(row["time"] - row["submitted"])
                durations[row["company"], location, slot, number] += 1
    db.executemany(
        "INSERT INTO slot VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " submitted = submitted + excluded.submitted, delivered = delivered + excluded.delivered,"
        " failed = failed + excluded.failed",
        ((*key, *numbers) for key, numbers in slots.items()),
    )
    db.executemany(
        "INSERT INTO duration VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs",
        ((*key, jobs) for key, jobs in durations.items()),
    )


def _kind(row: Row) -> int | None:
    """Which of a slot's numbers counts a step of a history; None for no number."""
    if row["company"] is None:  # the job was removed
        return None
    if row["state"] == JobState.SUBMITTED and row["time"] == row["submitted"]:
        return 0
    if row["state"] == JobState.DELIVERED and row["time"] == row["delivered"]:
        return 1
    return 2 if row["step"] == Step.HELD and row["message"].startswith("Error:") else None


def _class(duration_s: float) -> int:
    """The number of a class of durations; each class ends 15 % later than the one before."""
    return max(0, math.ceil(math.log(max(duration_s, _SHORTEST_S) / _SHORTEST_S, _GROWTH)))
