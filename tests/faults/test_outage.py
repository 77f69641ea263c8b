"""Long outages of server, key, journal or cupsd: nothing is lost or printed twice."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from answers import answer
from print_site import PrintSite, document, eventually
from tcp_proxy import TcpProxy

COMPLETED, ABORTED, CANCELED = 9, 8, 7
# CUPS cancels a job that is processed for longer (three hours by default)
MAX_JOB_TIME_S = 20


@pytest.fixture
def brief() -> Iterator[PrintSite]:
    """A site whose CUPS gives a job little time."""
    with PrintSite(directives=[f"MaxJobTime {MAX_JOB_TIME_S}"]) as site:
        site.configure_statusd("orphan_after_s = 1")
        yield site


def _says(site: PrintSite, job_id: int, code: str) -> Callable[[], bool]:
    return lambda: code in site.cups.job(job_id).get("job-printer-state-message", "")


def _order(site: PrintSite) -> list[bytes]:
    """The documents of the cloud, in their order of arrival."""
    return [document(job) for job in site.cloud.jobs()]


def test_a_night_without_the_server(brief: PrintSite) -> None:
    """Jobs are held with the reason and are not canceled.

    When the server is back, all of them print once, in order. The queue says what waits, until
    nothing waits.
    """
    site = brief
    queue = site.queue(driver=False)
    with site.statusd():
        site.cloud.stop()
        jobs = [site.cups.lp(queue, data=b"%d" % number) for number in range(4)]
        for job_id in jobs:
            site.cups.wait_job(job_id, "held")
            assert _says(site, job_id, "(CB-434)")()
        said = site.cups.job(jobs[0])["job-printer-state-message"]
        assert "(CB-411)" in said and "continues by itself" in said
        assert "connection refused" in site.cups.error_log()
        eventually(lambda: "offline-warning" in _reasons(site, queue))
        assert "connecting-to-device" not in _reasons(site, queue)
        eventually(lambda: "4 jobs are held until" in _message(site, queue))
        eventually(lambda: "(CB-411)" in _message(site, queue))
        time.sleep(MAX_JOB_TIME_S + 5)  # CUPS would have canceled the first job by now
        site.cloud.come_back()
        for job_id in jobs:
            assert site.cups.wait_job(job_id)["job-state"] == COMPLETED
        eventually(lambda: "offline-warning" not in _reasons(site, queue))
        eventually(lambda: "held" not in _message(site, queue))
    assert _order(site) == [b"0", b"1", b"2", b"3"]


def _message(site: PrintSite, queue: str) -> str:
    return str(site.cups.printer(queue)["printer-state-message"])


def _reasons(site: PrintSite, queue: str) -> str:
    return str(site.cups.printer(queue)["printer-state-reasons"])


def test_contimeout_of_a_held_job(brief: PrintSite) -> None:
    """After contimeout, the job says so, and waits for a person."""
    site = brief
    site.cloud.stop()
    first = site.queue(driver=False)
    queue = site.queue(driver=False, options="?contimeout=25")
    with site.statusd():
        eventually(site.poller)  # without a poller, the job would wait in its queue
        # behind a held job, the next one is held at once, whatever its random waits are
        eventually(_says(site, site.cups.lp(first, data=b"y"), "(CB-434)"))
        job_id = site.cups.lp(queue, data=b"x")
        eventually(_says(site, job_id, "(CB-434)"))
        eventually(_says(site, job_id, "(CB-431)"))
        site.cups.wait_job(job_id, "held")
        states = site.journal("SELECT state FROM document WHERE job_id = ?", job_id)
        assert states == [("sending",)]


def test_without_a_poller_the_job_waits_in_its_queue(brief: PrintSite) -> None:
    """The job survives MaxJobTime and prints once; the log says what to start."""
    site = brief
    site.cloud.stop()
    job_id = site.cups.lp(site.queue(driver=False), data=b"x")
    eventually(_says(site, job_id, "Next attempt at"))
    eventually(lambda: "start cirrus-statusd" in site.cups.error_log())
    time.sleep(MAX_JOB_TIME_S + 5)
    assert site.cups.job(job_id)["job-state"] not in (CANCELED, COMPLETED)
    site.cloud.come_back()
    site.wait_jobs(lambda jobs: len(jobs) == 1)
    with site.statusd():  # a run whose time is over just then leaves the job to the next poller
        eventually(site.poller)
        assert site.cups.wait_job(job_id)["job-state"] == COMPLETED
    assert len(site.cloud.jobs()) == 1


@pytest.mark.complete
def test_an_upload_that_takes_longer_than_cups_allows(brief: PrintSite, tmp_path: Path) -> None:
    """The upload resumes in a new run, so that it ends."""
    site = brief
    data = bytes(range(256)) * 20_000
    (tmp_path / "raw").write_bytes(data)
    with TcpProxy(site.server) as proxy:
        proxy.bytes_per_s = len(data) / (2 * MAX_JOB_TIME_S)
        site.configure(server=proxy.name)
        with (site.config / "bridge.toml").open("a") as settings:
            settings.write("connections = 1\nsegment_bytes = 65536\n")
        queue = site.queue(driver=False, server=proxy.name, options="?compression=none")
        job_id = site.cups.lp(queue, "-o", "raw", tmp_path / "raw")
        site.wait_jobs(lambda jobs: len(jobs) == 1)
        with site.statusd():  # a run whose time is over just then leaves the job to the poller
            assert site.cups.wait_job(job_id)["job-state"] == COMPLETED
        assert proxy.sent_bytes < 1.5 * len(data)
    (job,) = site.cloud.jobs()
    assert document(job) == data
    assert "MaxJobTime" in site.cups.error_log()


def test_a_delivery_that_takes_longer_than_cups_allows(brief: PrintSite) -> None:
    """waittimeout=0 has no limit, but CUPS has one, so the poller takes over."""
    site = brief
    site.cloud.cli("location", "offline", "Paris")
    with site.statusd():
        job_id = site.cups.lp(site.queue(driver=False, options="?waittimeout=0"), data=b"x")
        site.cups.wait_job(job_id, "held")
        site.cloud.cli("location", "online", "Paris")
        assert site.cups.wait_job(job_id)["job-state"] == COMPLETED
    assert len(site.cloud.jobs()) == 1


def test_a_journal_that_is_locked(own_site: PrintSite) -> None:
    """The job is held before JobRetryLimit aborts it, and goes on by itself."""
    site = own_site
    site.configure_statusd("orphan_after_s = 1")
    queue = site.queue(driver=False)
    assert site.cups.wait_job(site.cups.lp(queue, data=b"first"))["job-state"] == COMPLETED
    with _locked(site):
        jobs = [site.cups.lp(queue, data=b"%d" % number) for number in range(2)]
        for job_id in jobs:
            site.cups.wait_job(job_id, "held")
            assert _says(site, job_id, "(CB-502)")()
    with site.statusd():
        for job_id in jobs:
            assert site.cups.wait_job(job_id)["job-state"] == COMPLETED
    assert sorted(_order(site)) == [b"0", b"1", b"first"]
    assert list((site.state / "runs").iterdir()) == []


@contextlib.contextmanager
def _locked(site: PrintSite) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(site.state / "journal.db", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield


def test_a_key_that_is_replaced(own_site: PrintSite) -> None:
    """The job is held until the key is accepted, and nobody has to release it."""
    site = own_site
    with site.statusd():
        site.configure(key="wr0ng-k3y-0123456789")
        job_id = site.cups.lp(site.queue(driver=False), data=b"x")
        site.cups.wait_job(job_id, "held")
        assert _says(site, job_id, "(CB-402)")()
        site.configure()
        assert site.cups.wait_job(job_id)["job-state"] == COMPLETED
    assert len(site.cloud.jobs()) == 1


@pytest.mark.complete
def test_max_hold_time() -> None:
    """CUPS cancels held jobs after MaxHoldTime, but not jobs that wait for a server."""
    with PrintSite(directives=["MaxHoldTime 12", f"MaxJobTime {MAX_JOB_TIME_S}"]) as site:
        with site.statusd():
            site.cloud.stop()
            job_id = site.cups.lp(site.queue(driver=False), data=b"x")
            site.cups.wait_job(job_id, "held")
            time.sleep(25)
            site.cups.wait_job(job_id, "held")
            site.cloud.come_back()
            assert site.cups.wait_job(job_id)["job-state"] == COMPLETED
        assert len(site.cloud.jobs()) == 1


def test_more_jobs_than_cups_takes() -> None:
    """CUPS refuses the next job as usual; accepted jobs print."""
    with PrintSite(directives=["MaxJobs 3", f"MaxJobTime {MAX_JOB_TIME_S}"]) as site:
        queue = site.queue(driver=False)
        with site.statusd():
            site.cloud.stop()
            jobs = [site.cups.lp(queue, data=b"%d" % number) for number in range(3)]
            for job_id in jobs:
                site.cups.wait_job(job_id, "held")
            with pytest.raises(RuntimeError, match="Too many"):
                site.cups.lp(queue, data=b"3")
            site.cloud.come_back()
            for job_id in jobs:
                assert site.cups.wait_job(job_id)["job-state"] == COMPLETED
        assert _order(site) == [b"0", b"1", b"2"]


@pytest.mark.complete
def test_a_class_without_a_member_that_works(brief: PrintSite) -> None:
    """CUPS tries the members in turn; the job survives MaxJobTime and prints once."""
    site = brief
    for _ in range(2):
        site.cups.run("lpadmin", "-p", site.queue(driver=False), "-c", "all")
    site.cups.run("cupsenable", "all")
    site.cups.run("cupsaccept", "all")
    site.cloud.stop()
    with site.statusd():
        job_id = site.cups.lp("all", data=b"x")
        time.sleep(MAX_JOB_TIME_S + 5)
        assert site.cups.job(job_id)["job-state"] not in (CANCELED, COMPLETED)
        site.cloud.come_back()
        assert site.cups.wait_job(job_id)["job-state"] == COMPLETED
    assert len(site.cloud.jobs()) == 1


def test_a_held_job_that_is_canceled(brief: PrintSite) -> None:
    """Nothing of the job is sent when the server is back."""
    site = brief
    site.cloud.stop()
    with site.statusd():
        job_id = site.cups.lp(site.queue(driver=False), data=b"x")
        site.cups.wait_job(job_id, "held")
        site.cups.run("cancel", str(job_id))
        site.cloud.come_back()
        eventually(lambda: site.journal("SELECT state FROM document") == [("abandoned",)])
        assert "event=not-sent" not in site.statusd_log()  # the person knows
    assert site.cloud.jobs() == []


@pytest.mark.parametrize("stop", ["cancel", "hold", "cupsdisable", "contimeout"])
def test_a_lost_answer_and_then_an_outage(own_site: PrintSite, stop: str) -> None:
    """The document was delivered, so no message says that nothing was printed."""
    site = own_site
    with TcpProxy(site.server) as proxy:
        site.configure(server=proxy.name)
        limit = 8 if stop == "contimeout" else 600
        queue = site.queue(driver=False, server=proxy.name, options=f"?contimeout={limit}")

        def lose_it_all() -> None:
            proxy.lose_requests_with = b"HTTP/1.1"

        proxy.lose_answers_after = b"targets="
        proxy.at_answer = (b"targets=", lose_it_all)
        job_id = site.cups.lp(queue, data=b"x")
        eventually(lambda: proxy.lost > 2)
        if stop == "cancel":
            site.cups.run("cancel", str(job_id))
        elif stop == "hold":
            site.cups.run("lp", "-i", str(job_id), "-H", "hold")
        elif stop == "cupsdisable":
            site.cups.run("cupsdisable", queue)
        eventually(_says(site, job_id, "may be printed already"))
        if stop == "contimeout":
            site.cups.wait_job(job_id, "held")
            assert _says(site, job_id, "may be printed already")()
        assert "nothing was printed" not in site.cups.error_log()
        proxy.lose_answers_after = proxy.lose_requests_with = None
        if stop == "cupsdisable":
            site.cups.run("cupsenable", queue)
        elif stop != "cancel":
            site.cups.run("lp", "-i", str(job_id), "-H", "resume")
        if stop != "cancel":
            assert site.cups.wait_job(job_id)["job-state"] == COMPLETED
    assert len(site.cloud.jobs()) == 1


def test_nobody_knows_and_a_person_prints_again(own_site: PrintSite) -> None:
    """The first submit may have been accepted, whatever happens to the second.

    So no message says that nothing was printed.
    """
    site = own_site
    with TcpProxy(site.server) as proxy:
        site.configure(server=proxy.name)
        queue = site.queue(driver=False, server=proxy.name)
        proxy.hide = (b"idempotency-supported", b"Idempotency-Key")
        proxy.lose_answers_after = b"targets="
        job_id = site.cups.lp(queue, data=b"x")
        eventually(_says(site, job_id, "(CB-421)"))
        site.cups.wait_job(job_id, "held")
        proxy.lose_requests_with = b"HTTP/1.1"
        lost = proxy.lost
        site.cups.run("lp", "-i", str(job_id), "-H", "resume")
        eventually(lambda: proxy.lost > lost)
        site.cups.run("cancel", str(job_id))
        eventually(_says(site, job_id, "may be printed already"))
    assert "nothing was printed" not in site.cups.error_log()
    assert len(site.cloud.jobs()) == 1


def test_a_waiting_job_that_is_moved(brief: PrintSite) -> None:
    """The job prints at the other queue, so no message asks to print it again."""
    site = brief
    away, here = site.queue_to_nobody(), site.queue(driver=False)
    with site.statusd():
        job_id = site.cups.lp(away, data=b"x")
        site.cups.wait_job(job_id, "held")
        site.cups.run("lpmove", str(job_id), here)
        site.cups.run("lp", "-i", str(job_id), "-H", "resume")
        assert site.cups.wait_job(job_id)["job-state"] == COMPLETED
        states = "SELECT state FROM document ORDER BY created_at"
        eventually(lambda: site.journal(states) == [("abandoned",), ("closed",)])
        assert "restarted" not in site.statusd_log() and "printed" not in site.statusd_log()
    assert len(site.cloud.jobs()) == 1


def test_a_queue_that_leads_to_another_server_now(brief: PrintSite) -> None:
    """The queue's waiting jobs print at the new server, and nobody has to release them."""
    site = brief
    queue = site.queue_to_nobody()
    with site.statusd():
        job_id = site.cups.lp(queue, data=b"x")
        site.cups.wait_job(job_id, "held")
        uri = f"cirrus://{site.server}/Acme/Paris:Laser1"
        site.cups.run("lpadmin", "-p", queue, "-v", uri)
        assert site.cups.wait_job(job_id)["job-state"] == COMPLETED
        states = "SELECT state FROM document ORDER BY created_at"
        eventually(lambda: site.journal(states) == [("abandoned",), ("closed",)])
    assert len(site.cloud.jobs()) == 1


def test_a_person_who_holds_a_released_job(brief: PrintSite) -> None:
    """The poller does not release the job again."""
    site = brief
    site.cloud.stop()
    queue = site.queue(driver=False)
    with site.statusd():
        job_id = site.cups.lp(queue, data=b"x")
        site.cups.wait_job(job_id, "held")
        site.cups.run("cupsdisable", queue)
        site.cloud.come_back()
        site.cups.wait_job(job_id, "pending")
        site.cups.run("lp", "-i", str(job_id), "-H", "hold")
        site.cups.run("cupsenable", queue)
        time.sleep(15)  # longer than the poller waits before another release
        site.cups.wait_job(job_id, "held")
        site.cups.run("lp", "-i", str(job_id), "-H", "resume")
        assert site.cups.wait_job(job_id)["job-state"] == COMPLETED


def test_a_job_that_is_changed_after_a_lost_answer(own_site: PrintSite) -> None:
    """The submit differs then: a person learns that the job may be printed, and decides."""
    site = own_site
    with TcpProxy(site.server) as proxy:
        site.configure(server=proxy.name)
        queue = site.queue(driver=False, server=proxy.name)

        def lose_it_all() -> None:
            proxy.lose_requests_with = b"HTTP/1.1"

        proxy.lose_answers_after = b"targets="
        proxy.at_answer = (b"targets=", lose_it_all)
        job_id = site.cups.lp(queue, data=b"x")
        eventually(lambda: proxy.lost > 2)
        site.cups.run("lp", "-i", str(job_id), "-H", "hold")
        site.cups.wait_job(job_id, "held")
        proxy.lose_answers_after = proxy.lose_requests_with = None
        site.cups.run("lp", "-i", str(job_id), "-o", "cirrus-priority=70")
        site.cups.run("lp", "-i", str(job_id), "-H", "resume")
        eventually(_says(site, job_id, "(CB-421)"))
        assert _says(site, job_id, "changed after it was sent")()
        assert len(site.cloud.jobs()) == 1
        site.cups.wait_job(job_id, "held")
        site.cups.run("lp", "-i", str(job_id), "-H", "resume")
        assert site.cups.wait_job(job_id)["job-state"] == COMPLETED
    assert [job["props"].get("priority") for job in site.cloud.jobs()] == [None, "70"]


def test_files_that_are_joined(brief: PrintSite, tmp_path: Path) -> None:
    """The backend reads all files before it fails, because CUPS would abort their job otherwise."""
    site = brief
    files = [tmp_path / name for name in "abc"]
    for number, path in enumerate(files):
        path.write_bytes(b"\x1bE" + random.Random(number).randbytes(2_000_000))
    site.cloud.stop()
    with site.statusd():
        job_id = site.cups.lp(site.queue(driver=False), "-o", "raw", *files)
        site.cups.wait_job(job_id, "held", "aborted")
        assert _says(site, job_id, "(CB-434)")()
        site.cloud.come_back()
        assert site.cups.wait_job(job_id)["job-state"] == COMPLETED
    assert _order(site) == [b"".join(path.read_bytes() for path in files)]


def test_files_that_are_joined_when_their_worker_is_killed(
    own_site: PrintSite, tmp_path: Path
) -> None:
    """CUPS runs the job again, as with a single file."""
    site = own_site
    files = [tmp_path / name for name in "abc"]
    for number, path in enumerate(files):
        path.write_bytes(b"\x1bE" + random.Random(number).randbytes(2_000_000))
    with TcpProxy(site.server) as proxy:
        site.configure(server=proxy.name)
        proxy.at_request = (b"/api/", lambda: os.kill(site.worker(), signal.SIGKILL))
        job_id = site.cups.lp(site.queue(driver=False, server=proxy.name), "-o", "raw", *files)
        assert site.cups.wait_job(job_id)["job-state"] == COMPLETED
    assert _order(site) == [b"".join(path.read_bytes() for path in files)]


def test_words_of_a_job_that_cups_aborts(own_site: PrintSite, pdfs: dict[int, Path]) -> None:
    """The job has a reason even if a file before the last one fails while cupsd is busy."""
    site = own_site
    piece = b"PUT /api/putfile"
    with TcpProxy(site.server) as proxy, contextlib.ExitStack() as busy:
        site.configure(server=proxy.name)
        proxy.answer_instead = (piece, answer("401 Unauthorized", "who are you?"), 1)

        def occupy_cupsd() -> None:
            busy.enter_context(site.cups.hanging())
            threading.Timer(1.0, busy.close).start()

        proxy.at_request = (piece, occupy_cupsd)
        job_id = site.cups.lp(site.queue(server=proxy.name), pdfs[1], pdfs[4])
        job = site.cups.wait_job(job_id)
        assert job["job-state"] == ABORTED
        assert "restart the job" in job["job-printer-state-message"]
        assert "(CB-402)" in job["job-printer-state-message"]
        site.cups.run("lp", "-i", str(job_id), "-H", "restart")
        assert site.cups.wait_job(job_id)["job-state"] == COMPLETED
    assert len(site.cloud.jobs()) == 2
