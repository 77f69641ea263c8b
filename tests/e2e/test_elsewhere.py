"""The poller and jobs that CUPS prints elsewhere: by a class, another queue or another URI."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from print_site import PrintSite, eventually

HOLD = "?waittimeout=1"
HELD, COMPLETED, STOPPED = 4, 9, 5


@pytest.fixture
def away(own_site: PrintSite) -> PrintSite:
    """A site whose location fetches nothing, with a queue "local" of another backend."""
    own_site.cloud.cli("location", "offline", "Paris")
    own_site.cups.add_queue("local", "file:///dev/null", driver=None, policy="retry-job")
    return own_site


def in_class_with_local(site: PrintSite, queue: str) -> None:
    """A class "group" of the queue and the local queue, which does not work at first."""
    for member in (queue, "local"):
        site.cups.run("lpadmin", "-p", member, "-c", "group")
    site.cups.run("cupsenable", "group")
    site.cups.run("cupsaccept", "group")
    site.cups.run("cupsdisable", "local")


def held(site: PrintSite, queue: str) -> int:
    """A job that was handed over."""
    job_id = site.cups.lp(queue, data=b"x")
    site.cups.wait_job(job_id, "held")
    return job_id


def closed(site: PrintSite) -> bool:
    """Whether nothing is left to be done for any document."""
    return site.journal("SELECT count(*) FROM document WHERE closed_at IS NULL") == [(0,)]


@pytest.mark.parametrize("how", ["class", "lpmove"])
def test_printed_by_another_program(away: PrintSite, how: str) -> None:
    """A job that another program printed is not lost, so it is not restarted."""
    dead = away.queue_to_nobody()
    in_class_with_local(away, dead)
    job_id = away.cups.lp("group" if how == "class" else dead, data=b"x")
    eventually(lambda: away.journal("SELECT state FROM document") == [("sending",)])
    away.cups.run("cupsenable", "local")
    if how == "lpmove":
        away.cups.run("lpmove", str(job_id), "local")
    assert away.cups.wait_job(job_id)["job-state"] == COMPLETED
    with contextlib.closing(sqlite3.connect(away.state / "journal.db")) as db, db:
        db.execute("UPDATE document SET updated_at = updated_at - 3600")
    with away.statusd():
        eventually(lambda: closed(away))
    assert "Restart-Job" not in away.cups.error_log()


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_class_does_not_print_what_its_member_has_sent(away: PrintSite, by_hand: bool) -> None:
    """A released job returns to the class member that has sent it."""
    queue = away.queue(driver=False, options=HOLD)
    in_class_with_local(away, queue)
    job_id = held(away, "group")
    away.cups.run("cupsenable", "local")
    with away.statusd():
        eventually(lambda: f"/printers/{queue}" in away.cups.job(job_id)["job-printer-uri"])
        if by_hand:
            away.cups.run("lp", "-i", str(job_id), "-H", "resume")
            away.cups.wait_job(job_id, "held")
        away.cloud.cli("location", "online", "Paris")
        assert away.cups.wait_job(job_id)["job-state"] == COMPLETED
        eventually(lambda: closed(away))
    assert f"/printers/{queue}" in away.cups.job(job_id)["job-printer-uri"]
    assert len(away.cloud.jobs()) == 1


def test_a_queue_that_leads_to_another_device_now(away: PrintSite) -> None:
    """A job that the cloud has is not sent to the new device."""
    queue = away.queue(driver=False, options=HOLD)
    job_id = held(away, queue)
    there = f"cirrus://{away.server}/Acme/Paris:{away.device()}{HOLD}"
    away.cups.run("lpadmin", "-p", queue, "-v", there)
    with away.statusd():
        away.cloud.cli("location", "online", "Paris")
        assert away.cups.wait_job(job_id)["job-state"] == COMPLETED
        eventually(lambda: closed(away))
    assert [job["device"] for job in away.cloud.jobs()] == ["Laser1"]


def test_a_queue_that_has_another_backend_now(away: PrintSite) -> None:
    """The held job stays and explains why: if released, it would print twice."""
    queue = away.queue(driver=False, options=HOLD)
    job_id = held(away, queue)
    away.cups.run("lpadmin", "-p", queue, "-v", "file:///dev/null")
    with away.statusd():
        away.cloud.cli("location", "online", "Paris")
        eventually(lambda: closed(away))
    job = away.cups.job(job_id)
    assert job["job-state"] == HELD
    assert "Delivered at Paris:Laser1. A release would" in job["job-message-from-operator"]


def test_a_queue_whose_name_is_not_ascii(away: PrintSite) -> None:
    """Jobs of such a queue are released and end as usual."""
    uri = f"cirrus://{away.server}/Acme/Paris:Laser1{HOLD}"
    away.cups.add_queue("büro", uri, driver=None, policy="retry-job")
    job_id = held(away, "büro")
    with away.statusd():
        away.cloud.cli("location", "online", "Paris")
        assert away.cups.wait_job(job_id)["job-state"] == COMPLETED
    assert closed(away)


def test_stop_leaves_a_pause_as_it_is(away: PrintSite) -> None:
    """onfailure=stop does not change a queue that an administrator has stopped."""
    queue = away.queue(driver=False, options=f"{HOLD}&onfailure=stop")
    held(away, queue)
    away.cups.run("cupsdisable", "-r", "out of toner", queue)
    with away.statusd():
        away.cloud.cli("job", "delete", str(away.cloud.jobs()[-1]["id"]))
        eventually(lambda: "event=released" in away.statusd_log())
    printer = away.cups.printer(queue)
    assert (printer["printer-state"], printer["printer-state-message"]) == (STOPPED, "out of toner")
    assert "event=stopped" not in away.statusd_log()
