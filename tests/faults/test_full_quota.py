"""A quota of the embedded cloud that is full for a while."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from cloudlet_server import CloudletServer
from curl import Curl
from print_site import PrintSite, document, eventually
from small_disk import fill, small_disk

COMPLETED = 9


@pytest.mark.parametrize("quota", ["company_jobs", "company_bytes"])
def test_a_full_quota(own_site: PrintSite, quota: str) -> None:
    """A job waits while the quota is full, says so, and prints once when there is room."""
    site = own_site
    # a key may use half: one job, or the bytes of one of these documents
    limit = {"company_jobs": 2, "company_bytes": 1_600_000}[quota]
    with (site.cloud.data / "cloudlet.toml").open("a") as toml:
        toml.write(f"\n[limits]\n{quota} = {limit}\n")
    queue = site.queue(driver=False, options="?wait=submitted&compression=none")
    data = [bytes([number]) * 390_000 for number in range(2)]
    site.cloud.cli("location", "offline", "Paris")
    first = site.cups.lp(queue, "-o", "raw", data=data[0])
    assert site.cups.wait_job(first, "completed", "held")["job-state"] == COMPLETED
    second = site.cups.lp(queue, "-o", "raw", data=data[1])

    def says(text: str) -> bool:
        return text in site.cups.job(second).get("job-printer-state-message", "")

    eventually(lambda: says("(status 429): the quota of key "))
    assert "a request has to wait: the quota of key " in site.cloud.log_text
    site.cloud.cli("location", "online", "Paris")
    assert site.cups.wait_job(second, "completed", "held")["job-state"] == COMPLETED
    jobs = site.wait_jobs(lambda jobs: jobs[-1]["title"] and all(j["state"] == 2 for j in jobs))
    assert document(jobs[-1]) == data[1]


def test_a_full_disk(own_site: PrintSite) -> None:
    """A request that the cloud refuses because its disk is full may be sent again later."""
    cloud = own_site.cloud
    curl = Curl(cloud.url, own_site.key)
    fields = {"targets": "Paris:Laser1", "title": "a"}
    for folder in ("uploads", "documents"):
        with small_disk(cloud.data / folder, 512):
            answer = curl.put("/api/putfile", zlib.compress(bytes(600_000), 0), cmp="1", **fields)
        assert (answer.status, answer.text) == (429, "the disk is full\n")
        assert "retry-after" in answer.headers
    assert curl.put("/api/putfile", b"%PDF", **fields).lines


def test_a_full_disk_of_the_database(tmp_path: Path) -> None:
    """A request that writes only to the database may also be sent again when the disk is full."""
    cloud = CloudletServer()
    with small_disk(tmp_path / "cloud", 2048):
        cloud.start(tmp_path / "cloud")
        try:
            fill(cloud.data)
            curl = Curl(cloud.url, cloud.key)
            answers = (
                curl.get("/api/tempfile") for _ in range(100)
            )  # some fit into its last block
            refused = next(answer for answer in answers if answer.status != 200)
            assert (refused.status, refused.text) == (429, "the disk is full\n")
        finally:
            cloud.close()
