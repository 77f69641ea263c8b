"""The poller with a real cupsd and the embedded cloud: what people see while jobs wait far away."""

from __future__ import annotations

from print_site import PrintSite, eventually


def _offline(site: PrintSite) -> None:
    site.cloud.cli("location", "offline", "Paris")


def _online(site: PrintSite) -> None:
    site.cloud.cli("location", "online", "Paris")


def _message(site: PrintSite, job_id: int) -> str:
    return str(site.cups.job(job_id).get("job-printer-state-message", ""))


def test_a_held_job_ends_with_the_truth(own_site: PrintSite) -> None:
    """A job that nobody fetches is held, says so, blocks nothing, and is completed when it is
    delivered; its document was sent once."""
    site = own_site
    _offline(site)
    queue = site.queue(driver=False, options="?waittimeout=1")
    with site.statusd():
        job_id = site.cups.lp(queue, data=b"x")
        site.cups.wait_job(job_id, "held")
        assert "Waiting for delivery at Paris" in _message(site, job_id)
        assert site.cups.printer(queue)["printer-state"] == 3
        eventually(lambda: "1 job waiting at Paris" in str(site.cups.printer(queue)))
        _online(site)
        assert site.cups.wait_job(job_id)["job-state"] == 9
        eventually(lambda: "waiting" not in str(site.cups.printer(queue)))
    assert len(site.cloud.jobs()) == 1
    print(site.statusd_log())
    assert "event=delivered" in site.statusd_log()
