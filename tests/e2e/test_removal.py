"""What is left in CUPS when Cirrus Bridge is removed (`cirrus-statusd --leave`)."""

from __future__ import annotations

import os
import subprocess

import pytest

from print_site import BACKEND, PATIENCE_S, PrintSite, eventually

HOLD = "?waittimeout=1"


@pytest.fixture
def away(own_site: PrintSite) -> PrintSite:
    """A site whose location fetches nothing."""
    own_site.cloud.cli("location", "offline", "Paris")
    return own_site


def _held(site: PrintSite, queue: str, data: bytes = b"x") -> int:
    job_id = site.cups.lp(queue, data=data)
    site.cups.wait_job(job_id, "held")
    return job_id


def _leave(site: PrintSite) -> str:
    """Let Cirrus Bridge leave; return what it tells the administrator."""
    done = subprocess.run(
        [BACKEND.with_name("cirrus-statusd"), "--leave"],
        env=os.environ | site.environ | {"CUPS_SERVER": str(site.cups.socket)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _message(site: PrintSite, job_id: int) -> str:
    return str(site.cups.job(job_id)["job-printer-state-message"])


def _reasons(site: PrintSite, queue: str) -> list[str]:
    return list(site.cups.printer(queue)["printer-state-reasons"])


def test_no_message_is_left(away: PrintSite) -> None:
    """A job that the cloud has ends. A job that was not sent stays held and says so. Queues have no
    reason and no message. Nothing is sent."""
    sent_to, unsent_to = (away.queue(options=HOLD, driver=False) for _ in range(2))
    with away.statusd():
        sent = _held(away, sent_to)
        away.configure(key="wrong")
        unsent = _held(away, unsent_to)
        eventually(lambda: _reasons(away, sent_to) == ["offline-warning"])
    said = _leave(away)
    assert away.cups.wait_job(sent)["job-state"] == 9
    assert "CUPS does not learn whether" in _message(away, sent)
    assert away.cups.wait_job(unsent, "held")
    assert _message(away, unsent).startswith("Cirrus Bridge was removed. This job was not sent.")
    for queue in (sent_to, unsent_to):
        printer = away.cups.printer(queue)
        assert _reasons(away, queue) == ["none"]
        assert not printer.get("printer-state-message")
    assert (
        "because their server has them: 1\n" in said
        and f" {unsent_to}-{unsent}. Cancel them" in said
    )
    assert len(away.cloud.jobs()) == 1


def test_a_stopped_queue(away: PrintSite) -> None:
    """Its jobs cannot run again. They stay held, and the operator's message says what to do."""
    queue = away.queue(options=HOLD, driver=False)
    job = _held(away, queue)
    away.cups.run("cupsdisable", queue)
    assert f" {queue}-{job}. Cancel them" in _leave(away)
    told = away.cups.job(job)["job-message-from-operator"]
    assert told == "Cirrus Bridge was removed. This job may already have been printed."


def test_the_service_starts_again(away: PrintSite) -> None:
    """After a later installation, jobs are sent, and documents are followed."""
    queue = away.queue(options=HOLD, driver=False)
    job = _held(away, queue)
    _leave(away)
    away.cups.wait_job(job)
    late = _held(away, queue, b"late")
    assert "This job was not sent" in _message(away, late)
    with away.statusd():
        away.cloud.cli("location", "online", "Paris")
        away.cups.run("lp", "-i", str(late), "-H", "resume")
        away.cups.wait_job(late, "completed")
        eventually(lambda: away.journal("SELECT 1 FROM document WHERE closed_at IS NULL") == [])
    assert [each["state_name"] for each in away.cloud.jobs()] == ["delivered"] * 2
