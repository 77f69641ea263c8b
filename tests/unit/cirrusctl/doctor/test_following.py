"""The doctor's checks of the journal and the poller."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

from cirrus_bridge.cirrusctl.doctor.finding import Severity
from cirrus_bridge.cirrusctl.doctor.following import check_journal
from cirrus_bridge.journal.schema import NEWEST, WHOLE_BYTES
from large_journal import fill


def test_a_part_of_a_large_journal_is_checked(tmp_path: Path) -> None:
    """The doctor says how much of a journal was checked."""
    fill(tmp_path, 50, is_open=False)
    assert _good(tmp_path).startswith("The journal is intact (")
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
        db.execute("UPDATE document SET title = hex(zeroblob(?))", (WHOLE_BYTES // 90,))
    assert _good(tmp_path).startswith(f"The newest {NEWEST} documents of the journal (")


def _good(folder: Path) -> str:
    found = check_journal(folder, time.time())
    return next(each.text for each in found if each.severity is Severity.OK)
