"""Journals of very many documents, made by SQL, because the journal's own methods take too long."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

from cirrus_bridge.journal.submissions import Journal

COMPANY = "cirrus://h/C/"
QUEUES, LOCATIONS, DAYS_S = 50, 500, 30 * 86_400.0
_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)"
_AT_S = ":now_s - :days_s * (:count - i) / :count - 60"
_UUID = "printf('urn:uuid:%08x-%d', i * 2654435761 % 4294967296, i)"


def fill(folder: Path, count: int, *, is_open: bool, now_s: float | None = None) -> None:
    """Make a journal of `count` documents of the 30 days before `now_s`. All are closed and were
    delivered, or were left to the poller and wait for their locations."""
    with Journal(folder):
        pass
    values = {"count": count, "now_s": now_s or time.time(), "days_s": DAYS_S}
    closed, state, fetched = (
        ("NULL", "left", "0, NULL, NULL")
        if is_open
        else (f"{_AT_S} + 9", "closed", f"2, {_AT_S} + 5, {_AT_S} + 9")
    )
    place = f"'{COMPANY}L' || (i % {LOCATIONS}) || ':D'"
    with contextlib.closing(sqlite3.connect(folder / "journal.db")) as db, db:
        db.execute("PRAGMA cache_size = -400000")
        db.execute(
            "INSERT INTO document (job_uuid, job_id, print_run, destination, number, queue, user,"
            " title, state, created_at, updated_at, accepted_at, closed_at, device_uri,"
            f" size_bytes, sent_bytes, sha256) {_NUMBERS} SELECT {_UUID}, i, 0, {place}, 1,"
            f" 'q' || (i % {QUEUES}), 'ann', 'Report', '{state}', {_AT_S}, {_AT_S}, {_AT_S},"
            f" {closed}, {place}, 1000, 400, 'ab' FROM n",
            values,
        )
        db.execute(
            "INSERT INTO delivery (job_uuid, job_id, print_run, destination, number,"
            " target_number, location, device, cloud_job_id, accepted_at, updated_at, state,"
            f" received_at, final_at) {_NUMBERS} SELECT {_UUID}, i, 0, {place}, 1, 0,"
            f" 'L' || (i % {LOCATIONS}), 'D', '1-' || i, {_AT_S}, {_AT_S}, {fetched} FROM n",
            values,
        )
        if not is_open:
            db.execute(
                "INSERT INTO tally SELECT queue, 2, count(*) FROM document"
                " WHERE state = 'closed' GROUP BY queue"
            )
