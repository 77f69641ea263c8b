"""A job that waits for its owner, from lp with a real cupsd to the release in the cloud."""

from __future__ import annotations

import pytest

from print_site import PrintSite, document, eventually

SAID = "Waiting for release at Paris:Laser1. "


@pytest.fixture
def holding(own_site: PrintSite) -> PrintSite:
    """A site whose location holds jobs, and whose bridge tells who printed them."""
    own_site.cloud.cli("location", "hold", "Acme/Paris")
    settings = own_site.config / "bridge.toml"
    text = settings.read_text().replace("[defaults]\n", '[defaults]\nidentify = ["user"]\n')
    settings.write_text(text)
    return own_site


def _messages(site: PrintSite, job_id: int, queue: str) -> tuple[str, str]:
    """The messages of a job and its queue; the latter with the reasons."""
    job, printer = site.cups.job(job_id), site.cups.printer(queue)
    of_job = job.get("job-message-from-operator") or job.get("job-printer-state-message")
    return str(of_job), f"{printer['printer-state-message']} {printer['printer-state-reasons']}"


def test_released_later(holding: PrintSite) -> None:
    """The job is held at once and says for what it waits, as does the queue, without a warning.
    After the release it is delivered once, and CUPS completes it."""
    site = holding
    queue = site.queue(driver=False, options="?waittimeout=0")
    with site.statusd():
        job_id = site.cups.lp(queue, "-U", "nobody", data=b"12345")
        site.cups.wait_job(job_id, "held")
        assert _messages(site, job_id, queue)[0].startswith(SAID)
        eventually(
            lambda: "1 job waiting for release at Paris" in _messages(site, job_id, queue)[1]
        )
        assert "cirrus-delivery" not in _messages(site, job_id, queue)[1]
        (job,) = site.cloud.jobs()
        assert (job["state"], job["held_for"]) == (0, "nobody")
        site.cloud.cli("job", "release", job["id"])
        site.cups.wait_job(job_id, "completed")
    (job,) = site.cloud.jobs()
    assert job["state"] == 2
    assert document(job) == b"12345"
    assert [step["state"] for step in job["history"]] == [0, 0, 1, 2]
