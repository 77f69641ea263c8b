"""The search for jobs that wait for their owners."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from cirrus_cloudlet.storage.opening import open_store
from cirrus_cloudlet.storage.releases import Viewer, waiting_query

_JOBS = """
WITH RECURSIVE each (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM each WHERE number < ?2)
INSERT INTO job (id, company, key, location, device, title, document, props, state, step,
    submitted, updated, held_for)
SELECT ?1 || '-' || number, 'ACME', 'k', 'L', 'D', '', 'd', '{}', 0, ?1, 0, 0, 'anna' FROM each
"""


@pytest.mark.parametrize("place", [None, ("L", "D")])
@pytest.mark.parametrize("is_administrator", [False, True])
def test_many_other_jobs_cost_nothing(
    tmp_path: Path, place: tuple[str, str] | None, is_administrator: bool
) -> None:
    """The search takes as long among 20,000 other jobs of the company as among two."""
    open_store(tmp_path).close()
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    query, values = waiting_query(Viewer("ACME", None, "anna", is_administrator), place)
    with contextlib.closing(sqlite3.connect(tmp_path / "cloudlet.db")) as db:
        db.execute(
            "INSERT INTO document VALUES ('d', 1, '', 'pdf', '[1]', 0, 0, 'ACME', 'k', '', NULL)"
        )
        found = []
        for jobs in (2, 20_000):
            db.execute("DELETE FROM job")
            db.execute(_JOBS, ("done", jobs))
            db.execute(_JOBS, ("unreleased", 3))
            steps = 0
            db.set_progress_handler(count, 1)
            assert len(db.execute(query, values).fetchall()) == 3
            db.set_progress_handler(None, 0)
            found.append(steps)
    assert found[1] < 2 * found[0]
