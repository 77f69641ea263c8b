"""The doctor's checks of the journal and the poller."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

import pytest

from cirrus_bridge.cirrusctl.doctor.finding import Severity
from cirrus_bridge.cirrusctl.doctor.following import check_journal
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.journal.schema import NEWEST, WHOLE_BYTES
from large_journal import fill


def test_a_part_of_a_large_journal_is_checked(tmp_path: Path) -> None:
    """The doctor says how much of a journal was checked."""
    fill(tmp_path, 50, is_open=False)
    assert _good(tmp_path).startswith("The journal is intact (")
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
        db.execute("UPDATE document SET title = hex(zeroblob(?))", (WHOLE_BYTES // 90,))
    assert _good(tmp_path).startswith(f"The newest {NEWEST} documents of the journal (")


@pytest.mark.parametrize("has_systemd", [True, False])
def test_how_to_start_the_poller(tmp_path: Path, has_systemd: bool) -> None:
    """Where there is no systemd, as in a container, the doctor does not advise it."""
    *_, stopped = check_journal(tmp_path, time.time(), has_systemd=has_systemd)
    assert ("systemctl" in stopped.fix) == has_systemd
    assert "cirrus-statusd" in stopped.fix
    with PollerJournal(tmp_path) as journal:
        assert journal.take_over("host:1", now_s=time.time() - 3600)
        *_, hangs = check_journal(tmp_path, time.time(), has_systemd=has_systemd)
    assert "has done nothing since" in hangs.text
    assert [word in hangs.fix for word in ("systemctl", "journalctl")] == [has_systemd] * 2


def _good(folder: Path) -> str:
    found = check_journal(folder, time.time(), has_systemd=True)
    return next(each.text for each in found if each.severity is Severity.OK)
