"""Both processes of a backend are killed at once, and CUPS counts their job as printed.

The poller notices, and each document prints exactly once.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from print_site import PrintSite, document, eventually
from tcp_proxy import TcpProxy

COMPLETED = 9
pytestmark = pytest.mark.sampled(watched=["cold"])


@pytest.fixture(params=["cold", "warm"])
def watched(request: pytest.FixtureRequest) -> Iterator[PrintSite]:
    """A site whose poller looks for such jobs soon."""
    with PrintSite(is_warm=request.param == "warm") as site:
        with (site.config / "bridge.toml").open("a") as file:
            file.write("[statusd]\norphan_after_s = 4\n")
        with site.statusd():
            eventually(lambda: "event=started" in site.statusd_log())  # the settings are read
            yield site


def _kill_both(site: PrintSite) -> None:
    worker = site.worker()
    both = (site.backends()[worker], worker)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in both:
            os.kill(pid, number)


@contextlib.contextmanager
def _journal_in_use(site: PrintSite) -> Iterator[None]:
    """The journal is locked, so that a run cannot reach its first step."""
    eventually(lambda: (site.state / "journal.db").exists())
    with contextlib.closing(sqlite3.connect(site.state / "journal.db", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield


def test_before_the_journal_knows_of_it(watched: PrintSite) -> None:
    """The only document of a job without a trace in the journal prints."""
    queue = watched.queue(driver=False)
    with _journal_in_use(watched):
        job_id = watched.cups.lp(queue, data=b"the document")
        watched.worker()
        _kill_both(watched)
        watched.cups.wait_job(job_id, "completed")
    assert watched.journal("SELECT * FROM document") == []
    (job,) = watched.wait_jobs(lambda jobs: len(jobs) == 1 and jobs[0]["state"] == 2)
    assert document(job) == b"the document"
    assert watched.cups.wait_job(job_id)["job-state"] == COMPLETED
    assert "event=restarted" in watched.statusd_log()


def test_before_the_journal_knows_of_the_first_of_several(
    watched: PrintSite, pdfs: dict[int, Path]
) -> None:
    """The second file does not pass for the first, which prints after the others."""
    with _journal_in_use(watched):
        job_id = watched.cups.lp(watched.queue(), pdfs[1], pdfs[4], pdfs[20])
        watched.worker()
        _kill_both(watched)
    watched.wait_jobs(lambda jobs: len(jobs) == 3 and all(job["state"] == 2 for job in jobs))
    assert watched.cups.wait_job(job_id)["job-state"] == COMPLETED
    numbers = "SELECT number FROM document ORDER BY accepted_at"
    assert watched.journal(numbers) == [(2,), (3,), (1,)]
    assert len({job["sha256"] for job in watched.cloud.jobs()}) == 3


def test_worker_of_a_job_of_several_files(watched: PrintSite, pdfs: dict[int, Path]) -> None:
    """CUPS aborts a job that the backend wants to run again; the other files print."""
    with _journal_in_use(watched):
        job_id = watched.cups.lp(watched.queue(), pdfs[1], pdfs[4])
        os.kill(watched.worker(), signal.SIGKILL)
        watched.cups.wait_job(job_id, "aborted")
    watched.wait_jobs(lambda jobs: len(jobs) == 2 and all(job["state"] == 2 for job in jobs))
    assert watched.cups.wait_job(job_id)["job-state"] == COMPLETED


def test_worker_when_the_cloud_has_all_of_several_files(
    watched: PrintSite, pdfs: dict[int, Path]
) -> None:
    """CUPS aborts a job that is printed already; CUPS is told, and nothing is sent again."""
    watched.cloud.cli("location", "offline", "Paris")
    job_id = watched.cups.lp(watched.queue(options="?waittimeout=1"), pdfs[1], pdfs[4])
    watched.cups.wait_job(job_id, "held")
    with _journal_in_use(watched):
        watched.cups.run("lp", "-i", str(job_id), "-H", "resume")
        os.kill(watched.worker(), signal.SIGKILL)
    eventually(lambda: "event=restarted" in watched.statusd_log())
    watched.cups.wait_job(job_id, "held")
    watched.cloud.cli("location", "online", "Paris")
    assert watched.cups.wait_job(job_id)["job-state"] == COMPLETED
    assert len(watched.cloud.jobs()) == 2


@pytest.mark.sampled
@pytest.mark.parametrize("knows_keys", [True, False])
def test_while_it_is_submitted(watched: PrintSite, knows_keys: bool) -> None:
    """A server that knows a repeated submit prints once; with other servers, a person decides."""
    data = random.Random(7).randbytes(1000)
    with TcpProxy(watched.server) as proxy:
        watched.configure(server=proxy.name)
        if not knows_keys:
            proxy.hide = (b"idempotency-supported", b"Idempotency-Key")
        proxy.at_answer = (b"PUT /api/putfile?", lambda: _kill_both(watched))
        job_id = watched.cups.lp(watched.queue(driver=False, server=proxy.name), data=data)
        watched.cups.wait_job(job_id, "completed")
        eventually(lambda: "event=restarted" in watched.statusd_log())
        if knows_keys:
            eventually(lambda: watched.journal("SELECT accepted_at > 0 FROM document") == [(1,)])
            assert watched.cups.wait_job(job_id)["job-state"] == COMPLETED
        else:
            watched.cups.wait_job(job_id, "held")
            eventually(lambda: "(CB-421)" in watched.cups.job(job_id)["job-printer-state-message"])
    (job,) = watched.cloud.jobs()
    assert document(job) == data


def test_files_that_are_joined(watched: PrintSite, tmp_path: Path) -> None:
    """The poller says that a restart of CUPS helps, and the job prints once.

    CUPS waits forever for a filter whose reader is gone.
    """
    files = [tmp_path / "a", tmp_path / "b"]
    for number, path in enumerate(files):
        path.write_bytes(b"\x1bE" + random.Random(number).randbytes(500_000))
    with _journal_in_use(watched):
        job_id = watched.cups.lp(watched.queue(driver=False), "-o", "raw", *files)
        watched.worker()
        _kill_both(watched)
    eventually(lambda: "event=stuck" in watched.statusd_log())
    watched.cups.restart()
    (job,) = watched.wait_jobs(lambda jobs: len(jobs) == 1 and jobs[0]["state"] == 2)
    assert document(job) == b"".join(path.read_bytes() for path in files)
    assert watched.cups.wait_job(job_id)["job-state"] == COMPLETED


def test_cupsd_dies_while_it_joins_files(watched: PrintSite, tmp_path: Path) -> None:
    """Nothing of the truncated data prints, and then all of the job does."""
    files = [tmp_path / "a", tmp_path / "b"]
    for number, path in enumerate(files):
        path.write_bytes(b"\x1bE" + random.Random(number).randbytes(200_000))
    queue = watched.queue(driver=False)
    with _journal_in_use(watched):
        watched.cups.lp(queue, "-o", "raw", *files)
        watched.worker()
        watched.cups.kill(alone=True)
    eventually(lambda: not watched.backends())
    assert watched.cloud.jobs() == []
    watched.cups.start()
    (job,) = watched.wait_jobs(lambda jobs: len(jobs) == 1 and jobs[0]["state"] == 2)
    assert document(job) == b"".join(path.read_bytes() for path in files)
