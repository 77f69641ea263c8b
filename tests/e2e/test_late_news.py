"""Jobs tell of what happens after they were held: the location goes offline, or the job waits in
its queue only to end."""

from __future__ import annotations

import contextlib
import sqlite3

from cirrus_bridge.base.privileges import as_owner
from print_site import PrintSite, eventually
from tcp_proxy import TcpProxy

HELD, PROCESSING, COMPLETED = 4, 5, 9
FOR_EVER = 10**6
BUSY = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy"


def _lpstat(site: PrintSite) -> str:
    return site.cups.run("lpstat", "-l", "-o")


def test_a_location_that_goes_offline_after_the_hold(own_site: PrintSite) -> None:
    """lpstat says so on the held job, which then waits on. It is printed once."""
    site = own_site
    site.cloud.cli("location", "offline", "Paris")
    queue = site.queue(driver=False, options="?waittimeout=1")
    with site.statusd():
        job_id = site.cups.lp(queue, data=b"x")
        site.cups.wait_job(job_id, "held")
        assert "Waiting for delivery at Paris. " in _lpstat(site)
        assert "offline" not in _lpstat(site)
    with (
        as_owner(str(site.state)),
        contextlib.closing(sqlite3.connect(site.state / "journal.db")) as db,
        db,
    ):
        # offline; an older job would be queried every five minutes only
        db.execute("UPDATE document SET accepted_at = accepted_at - 70")
    with site.statusd():
        eventually(lambda: "Waiting for delivery at Paris (offline since" in _lpstat(site))
        assert site.cups.wait_job(job_id, "held")["job-state"] == HELD
        assert site.statusd_log().count("event=told-again") == 1
        site.cloud.cli("location", "online", "Paris")
        assert site.cups.wait_job(job_id)["job-state"] == COMPLETED
    assert len(site.cloud.jobs()) == 1


def test_a_delivered_job_behind_a_job_that_waits(own_site: PrintSite) -> None:
    """A job that waits for its next attempt gives way to a job that was delivered meanwhile."""
    site = own_site
    site.cloud.cli("location", "offline", "Paris")
    with TcpProxy(site.server) as proxy, site.statusd():
        site.configure(server=proxy.name)
        queue = site.queue(driver=False, server=proxy.name, options="?waittimeout=1")
        delivered = site.cups.lp(queue, data=b"first")
        site.cups.wait_job(delivered, "held")
        proxy.answer_instead = (b"PUT /api/putfile", BUSY, FOR_EVER)
        waiting = site.cups.lp(queue, data=b"second")
        eventually(
            lambda: "Next attempt" in site.cups.job(waiting).get("job-printer-state-message", "")
        )
        site.cloud.cli("location", "online", "Paris")
        # the poller asks less and less often about a job that waits
        assert site.cups.wait_job(delivered, timeout_s=240)["job-state"] == COMPLETED
        assert "Waiting" not in site.cups.job(delivered).get("job-printer-state-message", "")
        held = site.cups.wait_job(waiting, "held")
        assert (
            "(CB-413) The job is held and continues by itself" in held["job-printer-state-message"]
        )
        proxy.answer_instead = None
        assert site.cups.wait_job(waiting)["job-state"] == COMPLETED
    assert [job["state"] for job in site.cloud.jobs()] == [2, 2]
