"""The wall clock is set back a day while no program runs.

Times on the disk are in the future, and all work is finished nevertheless.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from print_site import PrintSite, document, eventually
from tcp_proxy import TcpProxy

DAY_S = 86_400
COMPLETED = 9


@pytest.mark.parametrize("is_noted", [True, False])
def test_both_processes_were_killed_before(
    own_site: PrintSite, tmp_path: Path, is_noted: bool
) -> None:
    """The job restarts, with a note of its run or with the journal alone.

    The upload resumes, and the job prints once.
    """
    site = own_site
    site.configure_statusd("orphan_after_s = 1")
    data = random.Random(17).randbytes(3_000_000)
    (tmp_path / "raw").write_bytes(data)
    with TcpProxy(site.server) as proxy:
        settings = (site.config / "bridge.toml").read_text()
        site.configure(server=proxy.name)
        (site.config / "bridge.toml").write_text(settings)
        with site.statusd():  # a poller that has given signs of life
            eventually(site.poller)
        proxy.at_request = (b"&index=1", lambda: _kill_all(site))
        queue = site.queue(driver=False, server=proxy.name)
        job_id = site.cups.lp(queue, "-o", "raw", tmp_path / "raw")
        assert site.cups.wait_job(job_id)["job-state"] == COMPLETED  # CUPS counts it as completed
        assert site.cloud.jobs() == []
        if not is_noted:
            shutil.rmtree(site.state / "runs")
        _set_back(site.state)
        with site.statusd():
            site.wait_jobs(lambda jobs: [job["state"] for job in jobs] == [2])
            assert site.cups.wait_job(job_id)["job-state"] == COMPLETED
    assert "event=restarted" in site.statusd_log()
    assert [document(job) for job in site.cloud.jobs()] == [data]


def _kill_all(site: PrintSite) -> None:
    worker = site.worker()
    both = (site.backends()[worker], worker)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in both:
            os.kill(pid, number)


def _set_back(state: Path) -> None:
    """Simulate a clock that was set back, because this machine's clock cannot be set."""
    with closing(sqlite3.connect(state / "journal.db", isolation_level=None)) as db:
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for _, column, kind, *_ in db.execute(f"PRAGMA table_info({table})").fetchall():
                if kind == "REAL" and column != "trusted_since_s":
                    db.execute(f"UPDATE {table} SET {column} = {column} + {DAY_S}")  # noqa: S608
    for path in (state, *state.rglob("*")):
        status = path.stat()
        os.utime(path, (status.st_atime + DAY_S, status.st_mtime + DAY_S))
