"""A server that reports another job: ours does not count as delivered, and is not printed again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from print_site import PrintSite, eventually
from tcp_proxy import TcpProxy

HELD, COMPLETED = 4, 9
OTHER = b'{"Name": "Salaries", "Size": 4711, "State": 2}'
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(OTHER), OTHER)
)
FOR_EVER = 1_000_000


@pytest.fixture(scope="module")
def faulty() -> Iterator[PrintSite]:
    """A site for the tests of this file, whose poller decides soon."""
    with PrintSite() as site:
        yield site


def _print(site: PrintSite, proxy: TcpProxy, options: str = "") -> tuple[str, int]:
    site.configure(server=proxy.name)
    site.configure_statusd("unknown_after_s = 1")
    queue = site.queue(driver=False, server=proxy.name, options=options)
    return queue, site.cups.lp(queue, "-t", "Report", data=b"a report")


def test_for_a_moment(faulty: PrintSite) -> None:
    """The backend asks again, and the job completes."""
    site = faulty
    with TcpProxy(site.server) as proxy:
        proxy.answer_instead = (b"GET /api/get/job/", ANSWER, 3)
        _, job_id = _print(site, proxy)
        assert site.cups.wait_job(job_id)["job-state"] == COMPLETED
        assert proxy.answer_instead is None


@pytest.mark.parametrize("handover", ["hold", "complete"])
def test_all_the_time(faulty: PrintSite, handover: str) -> None:
    """The job is held with the difference, again after each release."""
    site = faulty
    before = len(site.cloud.jobs())
    with TcpProxy(site.server) as proxy:
        proxy.answer_instead = (b"GET /api/get/job/", ANSWER, FOR_EVER)
        options = f"?handover={handover}&onfailure=reprint"
        queue, job_id = _print(site, proxy, options)

        def says_why() -> bool:
            job = site.cups.wait_job(job_id, "held", "completed")
            assert job["job-state"] == HELD
            return "4711 bytes instead of 8. Look at" in job["job-printer-state-message"]

        assert site.cups.wait_job(job_id, "held", "completed")["job-state"] == HELD
        with site.statusd():
            eventually(says_why)
            assert "4711" not in str(site.cups.printer(queue)["printer-state-message"])
            site.cups.run("lp", "-i", str(job_id), "-H", "resume")
            eventually(says_why)
    assert "event=mismatched" in site.statusd_log()
    assert len(site.cloud.jobs()) == before + 1
