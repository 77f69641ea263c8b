"""A cloud is restored from a backup during a transfer: the right pages once, or a held job."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from print_site import PrintSite, document
from tcp_proxy import TcpProxy

HELD, COMPLETED = 4, 9
MOMENTS = {"later putsegment": b"&index=1", "submitfile": b"POST /api/submitfile"}


@pytest.fixture(scope="module")
def faulty() -> Iterator[PrintSite]:
    """A site for the tests of this file."""
    with PrintSite() as site:
        yield site


@pytest.mark.parametrize("moment", MOMENTS)
def test_restored_while_it_is_sent(faulty: PrintSite, tmp_path: Path, moment: str) -> None:
    """The backup has the upload, but none of its segments."""
    site = faulty
    data = random.Random(moment).randbytes(3_000_000)
    (tmp_path / "raw").write_bytes(data)
    backup = tmp_path / "backup"
    device = site.device()
    with TcpProxy(site.server) as proxy:
        site.configure(server=proxy.name)

        def back_up() -> None:
            shutil.copytree(site.cloud.data, backup)
            proxy.at_request = (MOMENTS[moment], restore)

        def restore() -> None:
            site.cloud.kill()
            shutil.rmtree(site.cloud.data)
            shutil.copytree(backup, site.cloud.data)
            site.cloud.come_back()

        proxy.at_request = (b"&index=0", back_up)
        queue = site.queue(f"Paris:{device}", driver=False, server=proxy.name)
        job_id = site.cups.lp(queue, "-o", "raw", tmp_path / "raw")
        job = site.cups.wait_job(job_id, "completed", "held")
        if job["job-state"] == HELD:  # the result of the submit is unknown
            assert moment == "submitfile"
            assert "(CB-4" in job["job-printer-state-message"]
            site.cups.run("lp", "-i", str(job_id), "-H", "resume")
            job = site.cups.wait_job(job_id)
    assert backup.exists()
    assert job["job-state"] == COMPLETED
    (printed,) = site.cloud_jobs(device, 1)
    assert document(printed) == data
