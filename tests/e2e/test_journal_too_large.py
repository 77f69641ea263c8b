"""A huge or manipulated journal delays no administrator.

The user of backend and poller owns the journal, and root reads it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator

import pytest

from cirrus_bridge.journal.submissions import Journal
from print_site import PrintSite

MANY = 10_500


@contextlib.contextmanager
def journal(site: PrintSite) -> Iterator[sqlite3.Connection]:
    """The site's journal for writing; created if missing."""
    with Journal(site.state):
        pass
    with contextlib.closing(sqlite3.connect(site.state / "journal.db")) as db, db:
        yield db


def fill(db: sqlite3.Connection, *, locations: int = 1) -> None:
    """Add open documents without jobs in CUPS."""
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY})"
    db.execute(
        f"INSERT INTO document (job_uuid, job_id, print_run, destination, number, queue, user,"
        f" title, state, created_at, updated_at, accepted_at) {numbers}"
        " SELECT 'urn:uuid:' || i, 1, 0, 'cirrus://h/C/L:D', 1, 'q', 'u', 't' || i, 'left',"
        " i, i, i FROM n"
    )
    db.execute(
        f"INSERT INTO delivery (job_uuid, job_id, print_run, destination, number, target_number,"
        f" location, device, cloud_job_id, state, accepted_at, updated_at) {numbers}"
        f" SELECT 'urn:uuid:' || i, 1, 0, 'cirrus://h/C/L:D', 1, 0, 'L' || (i % {locations}), 'D',"
        " '1', 0, i, i FROM n"
    )


def test_more_than_can_be_shown(own_site: PrintSite) -> None:
    """The newest jobs are shown; the output and the doctor say that there are more."""
    with journal(own_site) as db:
        fill(db, locations=200)
    done = own_site.cirrusctl("jobs")
    assert done.returncode == 0 and "more than 10000 documents" in done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 1 + 10_000
    assert f"t{MANY}" in done.stdout and "t500 " not in done.stdout and "t501 " in done.stdout
    said = own_site.cirrusctl("doctor").stdout
    assert "wait at more than 50 locations" in said and said.count("not fetched") == 50


@pytest.mark.timeout(240)
def test_a_view_without_an_end(own_site: PrintSite) -> None:
    """A view may replace a table and run forever."""
    with journal(own_site) as db:
        columns = ", ".join(row[1] for row in db.execute("PRAGMA table_info(document)"))
        db.execute("ALTER TABLE document RENAME TO other")
        db.execute(
            f"CREATE VIEW document AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1"
            f" FROM n) SELECT {columns.replace('queue', 'i AS queue')} FROM other, n"
        )
    done = own_site.cirrusctl("jobs")
    assert done.returncode == 6 and "cannot be read within 10 s" in done.stderr


@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal"])
def test_no_file_at_all(own_site: PrintSite, name: str) -> None:
    """A pipe blocks its reader until it has a writer."""
    with journal(own_site):
        pass
    (own_site.state / name).unlink(missing_ok=True)
    os.mkfifo(own_site.state / name)
    shutil.chown(own_site.state / name, own_site.state.stat().st_uid)
    done = own_site.cirrusctl("jobs")
    assert done.returncode == 6 and f"{name} is too large, or not a regular file" in done.stderr
    assert f"{name} is too large, or not a regular file" in own_site.cirrusctl("doctor").stdout


def test_a_title_without_an_end(own_site: PrintSite) -> None:
    """An endless title is not read."""
    with journal(own_site) as db:
        fill(db)
        db.execute("UPDATE document SET title = hex(zeroblob(100000000)) WHERE job_uuid LIKE '%:9'")
    done = own_site.cirrusctl("jobs", "--ended", "0")
    assert done.returncode == 6 and "too big" in done.stderr
