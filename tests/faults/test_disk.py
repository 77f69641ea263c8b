"""Full disks and damaged spool files: a clear error, a kept job, no half document."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from print_site import PrintSite, document, eventually
from small_disk import fill, small_disk
from tcp_proxy import TcpProxy

SIZE = 6_000_000


def _raw(path: Path) -> Path:
    path.write_bytes(random.Random(1).randbytes(SIZE))
    return path


def test_state_folder_is_full(own_site: PrintSite, tmp_path: Path) -> None:
    """Nothing is sent without a journal; with room again, the job prints."""
    site = own_site
    with small_disk(site.state, 1024) as state:
        filler = fill(state)
        job_id = site.cups.lp(site.queue(driver=False), data=b"x")
        job = site.cups.wait_job(job_id, "held")
        assert "(CB-501)" in job["job-printer-state-message"]
        assert "disk" in site.cups.error_log()
        assert site.cloud.jobs() == []
        filler.unlink()
        site.cups.run("lp", "-i", str(job_id), "-H", "resume")
        assert site.cups.wait_job(job_id)["job-state"] == 9
    assert len(site.cloud.jobs()) == 1


@pytest.mark.sampled
@pytest.mark.parametrize("moment", ["at_request", "at_answer"])
@pytest.mark.parametrize("piece", [b"&index=0", b"&index=1", b"POST /api/submitfile"])
def test_state_folder_gets_full(
    own_site: PrintSite, tmp_path: Path, piece: bytes, moment: str
) -> None:
    """At any moment, the job is held, and prints once when there is room again."""
    site = own_site
    with small_disk(site.state, 1024) as state, TcpProxy(site.server) as proxy:
        site.configure(server=proxy.name)
        setattr(proxy, moment, (piece, lambda: fill(state)))
        queue = site.queue(driver=False, server=proxy.name)
        job_id = site.cups.lp(queue, "-o", "raw", _raw(tmp_path / "raw"))
        job = site.cups.wait_job(job_id, "held", "completed")
        if job["job-state"] == 4:  # SQLite may have had blocks left
            assert "(CB-501)" in job["job-printer-state-message"]
            (state / "filler").unlink()
            site.cups.run("lp", "-i", str(job_id), "-H", "resume")
            assert site.cups.wait_job(job_id)["job-state"] == 9
    assert [document(job) for job in site.cloud.jobs()] == [(tmp_path / "raw").read_bytes()]


def test_state_folder_gets_full_while_the_poller_follows(own_site: PrintSite) -> None:
    """A poller that cannot write its journal tells nobody, and ends with the reason.

    The next poller, with room again, sees the delivery. The job ends right and prints once.
    """
    site = own_site
    site.cloud.cli("location", "offline", "Paris")
    with small_disk(site.state, 1024) as state:
        queue = site.queue(driver=False, options="?waittimeout=1")
        job_id = site.cups.lp(queue, data=b"x")
        site.cups.wait_job(job_id, "held")
        with site.start_statusd() as poller:
            eventually(site.poller)
            filler = fill(state)
            site.cloud.cli("location", "online", "Paris")
            assert poller.wait(40) == 1
        assert "(CB-501)" in site.statusd_log()
        assert "disk" in site.statusd_log()
        filler.unlink()
        with site.statusd():
            assert site.cups.wait_job(job_id)["job-state"] == 9
    assert [document(job) for job in site.cloud.jobs()] == [b"x"]


def test_spool_folder_is_full(own_site: PrintSite, tmp_path: Path) -> None:
    """CUPS accepts no job that it cannot store; earlier jobs print."""
    site = own_site
    spool = site.cups.root / "spool"
    owner = spool.stat()
    site.cups.stop()
    with small_disk(spool, 8192):
        os.chown(spool, owner.st_uid, owner.st_gid)
        spool.chmod(0o710)
        (spool / "tmp").mkdir(mode=0o1770)
        os.chown(spool / "tmp", owner.st_uid, owner.st_gid)
        site.cups.start()
        queue = site.queue(driver=False)
        site.cloud.cli("location", "offline", "Paris")
        job_id = site.cups.lp(queue, "-o", "raw", _raw(tmp_path / "raw"))
        eventually(lambda: bool(site.cloud.jobs()))
        with pytest.raises(RuntimeError):
            site.cups.lp(queue, "-o", "raw", tmp_path / "raw")
        site.cloud.cli("location", "online", "Paris")
        assert site.cups.wait_job(job_id)["job-state"] == 9
        site.cups.stop()
    assert [document(job) for job in site.cloud.jobs()] == [(tmp_path / "raw").read_bytes()]


def test_spool_file_shrinks(own_site: PrintSite, tmp_path: Path) -> None:
    """A file that is truncated while it is read holds the job, and nothing is submitted."""
    site = own_site
    with TcpProxy(site.server) as proxy:
        site.configure(server=proxy.name)
        queue = site.queue(driver=False, server=proxy.name)
        (tmp_path / "raw").write_bytes(random.Random(2).randbytes(30_000_000))

        def shrink() -> None:
            (spool,) = (site.cups.root / "spool").glob("d*-001")
            os.truncate(spool, 20_000_000)

        proxy.at_request = (b"&index=0", shrink)
        job = site.cups.wait_job(site.cups.lp(queue, "-o", "raw", tmp_path / "raw"), "held")
    assert "was cut off while it was being read" in job["job-printer-state-message"]
    assert "(CB-303)" in job["job-printer-state-message"]
    assert site.cloud.jobs() == []


def test_spool_file_is_gone(own_site: PrintSite, tmp_path: Path) -> None:
    """A missing file holds the job, with the system's reason."""
    site = own_site
    site.cloud.stop()
    queue = site.queue(driver=False)
    site.cups.run("cupsdisable", queue)
    job_id = site.cups.lp(queue, "-o", "raw", _raw(tmp_path / "raw"))
    (spool,) = (site.cups.root / "spool").glob("d*-001")
    spool.rename(tmp_path / "away")
    spool.mkdir()  # without any file, CUPS itself aborts the job
    site.cloud.come_back()
    site.cups.run("cupsenable", queue)
    job = site.cups.wait_job(job_id, "held")
    assert "cannot be read (Is a directory)" in job["job-printer-state-message"]
    spool.rmdir()
    (tmp_path / "away").rename(spool)
    site.cups.run("lp", "-i", str(job_id), "-H", "resume")
    assert site.cups.wait_job(job_id)["job-state"] == 9
    assert len(site.cloud.jobs()) == 1
