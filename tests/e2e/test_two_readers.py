"""An error has two readers: the person who printed, on the job, and the administrator, in the log
and in cirrusctl. What became of one person's job is not the state of everyone's queue."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from print_site import PrintSite, eventually

HELD, CANCELED, COMPLETED, IDLE = 4, 7, 9, 3
# nothing for the person who printed
JARGON = re.compile(
    r"`|/\w+/|\.toml|servers\.d|cirrus-\w|cirrusctl|\b(lp|lpadmin|lpmove|cupsenable)\b"
    r"|exit status|job retry|127\.0\.0\.1"
)


@pytest.fixture
def quiet() -> Iterator[PrintSite]:
    """A site whose cupsd logs what CUPS logs by default."""
    with PrintSite(is_warm=False, directives=["LogLevel warn"]) as made:
        yield made


def _shown(site: PrintSite, job_id: int) -> str:
    """What CUPS shows on a job: over IPP, and in lpstat."""
    job = site.cups.job(job_id)
    told = (job.get("job-printer-state-message"), job.get("job-message-from-operator"))
    return f"{told} {site.cups.run('lpstat', '-l', '-W', 'all', '-o')}"


def _queue_says(site: PrintSite, queue: str) -> str:
    printer = site.cups.printer(queue)
    return f"{printer.get('printer-state-message')} {printer['printer-state-reasons']}"


def test_a_wrong_key(quiet: PrintSite) -> None:
    """The job says whom to tell; the log, `cirrusctl job` and the doctor say what to do."""
    site = quiet
    site.configure(key="wr0ng-k3y-0123456789")
    queue = site.queue(driver=False)
    job_id = site.cups.lp(queue, data=b"x")
    site.cups.wait_job(job_id, "held")
    said = _shown(site, job_id)
    assert "did not accept this printer's key. Tell your administrator. " in said
    assert "(CB-402)" in said and not JARGON.search(said), said
    assert f"Put a valid key for {site.server} into servers.d." in site.cups.error_log()
    shown = site.cirrusctl("job", str(job_id)).stdout
    assert "the server refused the key (CB-402)" in shown
    assert "put a valid key into servers.d" in shown
    (cause,) = json.loads(site.cirrusctl("job", str(job_id), "--json").stdout)["causes"]
    assert (cause["code"], cause["do"]) == ("CB-402", "put a valid key into servers.d")
    findings = json.loads(site.cirrusctl("doctor", "--json").stdout)["findings"]
    assert any("servers.d" in each["fix"] for each in findings if each.get("code") == "CB-402")
    assert "(CB-402)" not in _queue_says(site, queue)
    with site.statusd():  # the poller says at the queue that no job can print
        site.cups.wait_job(site.cups.lp(queue, data=b"x"), "held")
        eventually(lambda: "(CB-402)" in _queue_says(site, queue))
        said = _queue_says(site, queue)
    # dialogs cut long messages off, and clients have words for this reason
    assert said.startswith("Cirrus Bridge: The print server did not accept this printer's key.")
    assert said.endswith("['offline-warning']")
    assert not JARGON.search(said.replace(site.server, "")), said


def test_a_failed_delivery(own_site: PrintSite) -> None:
    """The location's error is for the administrator; the job has its code."""
    site = own_site
    device = site.device("--type", "command", "--target", "false")
    queue = site.queue(f"Paris:{device}", driver=False, options="?waittimeout=1")
    with site.statusd():
        job_id = site.cups.lp(queue, data=b"x")
        site.cups.wait_job(job_id, "held")
        eventually(lambda: "Paris has not been able to print the job yet" in _shown(site, job_id))
        said = _shown(site, job_id)
        assert "tell your administrator (CB-704)" in said and not JARGON.search(said), said
    (cloud_job,) = site.cloud.jobs()
    assert "exit status 1" in cloud_job["message"] and "cirrus-" not in cloud_job["message"]
    assert "Error: false: exit status 1" in site.statusd_log() + site.cups.error_log()
    shown = site.cirrusctl("job", str(job_id)).stdout
    assert "Error: false: exit status 1" in shown
    assert "the location has the job, but reports an error (CB-704)" in shown
    assert "cirrus-cloudlet job retry" in shown


def test_two_people(own_site: PrintSite) -> None:
    """Ann's job is deleted at the cloud, and Bob's device fails. Each job tells its own story; the
    queue only counts, and tells nobody of either."""
    site = own_site
    site.cloud.cli("location", "offline", "Paris")
    queue = site.queue(driver=False, options="?waittimeout=1")
    with site.statusd():
        jobs = {
            user: site.cups.lp(queue, "-U", user, data=user.encode()) for user in ("ann", "bob")
        }
        for job_id in jobs.values():
            site.cups.wait_job(job_id, "held")
        eventually(lambda: "2 jobs waiting at Paris" in _queue_says(site, queue))
        anns = next(
            job
            for job in site.cloud.jobs()
            if job["size"] == 3 and Path(job["document"]).read_bytes() == b"ann"
        )
        site.cloud.cli("job", "delete", str(anns["id"]))
        job = site.cups.wait_job(jobs["ann"])
        assert job["job-state"] == CANCELED
        said = job["job-printer-state-message"]
        assert "Not delivered. Deleted at Paris. If you do not know why, ask your admin" in said
        assert "(CB-701)" in said
        eventually(lambda: "1 job waiting at Paris" in _queue_says(site, queue))
        printer = site.cups.printer(queue)
        assert printer["printer-state"] == IDLE
        assert "eleted" not in _queue_says(site, queue)
        assert "CB-" not in _queue_says(site, queue)
        assert "eleted" not in str(site.cups.job(jobs["bob"]).get("job-printer-state-message"))
        wrong = site.cups.lp(site.queue("Paris:NoSuch", driver=False), "-U", "ann", data=b"x")
        site.cups.wait_job(wrong, "held")
        site.cloud.cli("location", "online", "Paris")
        assert site.cups.wait_job(jobs["bob"])["job-state"] == COMPLETED
        eventually(lambda: _queue_says(site, queue) == " ['none']")
