"""The worker's view of the jobs."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from cirrus_cloudlet.delivery.queue import OLDEST_READY, Place, Queue, Ready
from cirrus_cloudlet.inventory.inventory import Limits
from cirrus_cloudlet.storage.copies import Copies
from cirrus_cloudlet.storage.opening import open_store
from cirrus_cloudlet.storage.quotas import Quotas

_DOCUMENT = "INSERT INTO document VALUES ('d', 1, '', 'pdf', '[1]', 0, 0, ?, ?, '', NULL)"
_JOBS = """
WITH RECURSIVE each (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM each WHERE number < ?2)
INSERT INTO job (id, company, key, location, device, title, document, props, state, step,
    submitted, updated)
SELECT ?1 || '-' || number, 'ACME', ?1, 'L', 'D', '', 'd', '{}', 0, 'ready', 0, 0 FROM each
"""


@pytest.fixture
def database(tmp_path: Path) -> sqlite3.Connection:
    """The database of a new data folder."""
    open_store(tmp_path).close()
    return sqlite3.connect(tmp_path / "cloudlet.db")


@pytest.mark.attacker("print key")
def test_jobs_that_wait_cost_nothing(database: sqlite3.Connection) -> None:
    """Submit many jobs to a device that is offline: the search for jobs that are due takes as
    long as before."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    with contextlib.closing(database) as db:
        db.execute(_DOCUMENT, ("ACME", "k"))
        found = []
        for jobs in (2, 20_000):
            db.execute("DELETE FROM job")
            db.execute(_JOBS, ("k", jobs))
            steps = 0
            db.set_progress_handler(count, 1)
            assert [row[0] for row in db.execute(OLDEST_READY, ("", "~"))] == ["k-1"]
            db.set_progress_handler(None, 0)
            found.append(steps)
    assert found[1] < 2 * found[0]


def test_the_oldest_job_of_each_key_is_ready(tmp_path: Path, database: sqlite3.Connection) -> None:
    """A key's jobs stay in order; the next attempt of a job concerns its own key only."""
    place = Place("ACME", "L", "D")
    with contextlib.closing(database) as db:
        db.execute(_DOCUMENT, ("ACME", "k"))
        for key in ("a", "b", "c"):
            db.execute(_JOBS, (key, 3))
        db.execute("UPDATE job SET due = 9 WHERE id = 'b-1'")
        db.execute("UPDATE job SET step = 'done' WHERE id = 'c-1'")
        db.execute("UPDATE job SET location = 'L\"2' WHERE id = 'a-3'")
        db.commit()
    with open_store(tmp_path) as store:
        queue = Queue(store, Copies(store, tmp_path, Quotas(Limits, lambda _: False)))
        everywhere = queue.list_ready()
        assert queue.list_ready(Place("ACME", "L", "")) == []
        there = queue.list_ready(place)
        (quoted,) = queue.list_ready(Place("ACME", 'L"2', "D"))
    assert there == [Ready("a-1", place, 0), Ready("b-1", place, 9), Ready("c-2", place, 0)]
    assert everywhere == [there[0], quoted, *there[1:]]
