"""The poller with a real cupsd and the embedded cloud: what people see while jobs wait remotely."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import sqlite3
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import cups
import pytest

from print_site import PrintSite, eventually
from scripted_server import Answer, Request, ScriptedServer
from tcp_proxy import TcpProxy

HOLD = "?waittimeout=1"
COMPLETE = "?waittimeout=1&handover=complete"
HELD, CANCELED, ABORTED, COMPLETED = 4, 7, 8, 9


@pytest.fixture
def away(own_site: PrintSite) -> PrintSite:
    """A site whose location fetches nothing at first."""
    own_site.cloud.cli("location", "offline", "Paris")
    return own_site


def back(site: PrintSite) -> None:
    """Let the location fetch again."""
    site.cloud.cli("location", "online", "Paris")


def message(site: PrintSite, job_id: int) -> str:
    """The job's message: of the backend, or a later one of the poller."""
    job = site.cups.job(job_id)
    said = str(job.get("job-printer-state-message", ""))
    return str(job.get("job-message-from-operator") or said)


def queue_says(site: PrintSite, queue: str, text: str) -> bool:
    """Whether the queue's message or reasons contain a text."""
    printer = site.cups.printer(queue)
    return text in f"{printer.get('printer-state-message')} {printer['printer-state-reasons']}"


def queue_events(site: PrintSite) -> int:
    """The number of changes that pollers made to queues."""
    return site.statusd_log().count("event=queue")


def held_job(site: PrintSite, queue: str, data: bytes = b"x") -> int:
    """A job that has been handed over."""
    job_id = site.cups.lp(queue, data=data)
    site.cups.wait_job(job_id, "held")
    return job_id


def cloud_job(site: PrintSite) -> str:
    """The id of the newest cloud job."""
    return str(site.cloud.jobs()[-1]["id"])


def all_closed(site: PrintSite) -> bool:
    """Whether all documents are closed."""
    return site.journal("SELECT count(*) FROM document WHERE closed_at IS NULL") == [(0,)]


@contextlib.contextmanager
def changed_journal(site: PrintSite) -> Iterator[sqlite3.Connection]:
    """The journal with other values, mostly earlier times."""
    with contextlib.closing(sqlite3.connect(site.state / "journal.db")) as db:
        yield db
        db.commit()


def test_a_held_job_ends_with_the_truth(away: PrintSite) -> None:
    """armooo/cloudprint#93: a job that nobody fetches is held with a message and blocks nothing.

    The job is completed when it is delivered. Its document was sent once.
    """
    queue = away.queue(driver=False, options=HOLD)
    with away.statusd():
        job_id = held_job(away, queue)
        assert "Waiting for delivery at Paris" in message(away, job_id)
        assert "canceling it here does not stop it" in message(away, job_id)
        assert away.cups.printer(queue)["printer-state"] == 3
        eventually(lambda: queue_says(away, queue, "1 job waiting at Paris"))
        back(away)
        assert away.cups.wait_job(job_id)["job-state"] == COMPLETED
        eventually(lambda: not queue_says(away, queue, "waiting"))
    assert len(away.cloud.jobs()) == 1
    assert all_closed(away)
    assert "event=delivered" in away.statusd_log()


def test_a_filtered_job_is_held_and_ends(away: PrintSite, pdfs: dict[int, Path]) -> None:
    """A released job passes the filters again, but is never sent again, whatever its size."""
    queue = away.queue(options=HOLD)
    with away.statusd():
        job_id = away.cups.lp(queue, "-n", "2", pdfs[20])
        away.cups.wait_job(job_id, "held")
        back(away)
        assert away.cups.wait_job(job_id)["job-state"] == COMPLETED
    assert [job["props"]["copies"] for job in away.cloud.jobs()] == ["2"]


def test_several_files_are_held_as_one_job(away: PrintSite, pdfs: dict[int, Path]) -> None:
    """The last file speaks for all: CUPS would end a job of which an earlier file is held."""
    queue = away.queue(options=HOLD)
    with away.statusd():
        job_id = away.cups.lp(queue, pdfs[4], pdfs[1], pdfs[20])
        away.cups.wait_job(job_id, "held")
        assert len(away.cloud.jobs()) == 3
        back(away)
        assert away.cups.wait_job(job_id)["job-state"] == COMPLETED
    assert len(away.cloud.jobs()) == 3
    assert all_closed(away)


def test_the_queue_goes_on_when_others_wait(away: PrintSite) -> None:
    """A job waits for its delivery only while no other job waits, whatever its waittimeout."""
    queue = away.queue(driver=False, options="?waittimeout=600")
    first = away.cups.lp(queue, data=b"x")
    time.sleep(2.5)
    assert away.cups.job(first)["job-state"] == 5
    second = away.cups.lp(queue, data=b"y")
    away.cups.wait_job(first, "held")
    eventually(lambda: len(away.cloud.jobs()) == 2)
    assert away.cups.job(second)["job-state"] == 5
    back(away)
    assert away.cups.wait_job(second)["job-state"] == COMPLETED


def test_the_message_is_kept_fresh(away: PrintSite) -> None:
    """Job and queue show since when the location fetches nothing, and its message afterwards."""
    device = away.device("--type", "viewer")
    queue = away.queue(f"Paris:{device}", driver=False, options=HOLD)
    job_id = held_job(away, queue)
    with changed_journal(away) as db:
        # offline; an older job would be queried every five minutes only
        db.execute("UPDATE document SET accepted_at = accepted_at - 70")
    with away.statusd():
        eventually(lambda: "Waiting for delivery at Paris (offline since" in message(away, job_id))
        eventually(lambda: queue_says(away, queue, "1 job waiting at Paris (offline since"))
        assert queue_says(away, queue, "offline-warning")
        back(away)
        eventually(lambda: "Received at Paris" in message(away, job_id))
        eventually(lambda: queue_says(away, queue, "1 job received at Paris"))
        assert not queue_says(away, queue, "offline-warning")
        away.cloud.cli("job", "save", cloud_job(away))
        assert away.cups.wait_job(job_id)["job-state"] == COMPLETED


def test_a_location_that_is_offline_when_a_job_comes(away: PrintSite) -> None:
    """The backend's message says since when the location is offline; dialogs and lpstat show it.

    Later news appear elsewhere: to write them there makes cupsd use freed memory.
    """
    queue = away.queue(driver=False, options=HOLD)
    held_job(away, queue)
    with changed_journal(away) as db:
        db.execute("UPDATE document SET accepted_at = accepted_at - 3600")
    job_id = held_job(away, queue)
    said = away.cups.job(job_id)["job-printer-state-message"]
    assert "Waiting for delivery at Paris (offline since" in said
    assert "The job has not been tracked since" in said
    assert "offline since" in away.cups.run("lpstat", "-l", "-o", queue)
    with away.statusd():
        eventually(lambda: "has not been tracked" not in message(away, job_id))
        assert away.cups.job(job_id)["job-printer-state-message"] == said
        back(away)
        assert away.cups.wait_job(job_id)["job-state"] == COMPLETED
    assert "offline" not in message(away, job_id)


def _told_offline(site: PrintSite, job_id: int) -> bool:
    job = site.cups.job(job_id)
    return job["job-state"] == HELD and "(offline since" in job["job-printer-state-message"]


def test_a_deletion_is_no_sign_of_life(away: PrintSite) -> None:
    """A deletion by the cloud itself does not make a location look online."""
    queue = away.queue(driver=False, options=HOLD)
    kept, deleted = held_job(away, queue), held_job(away, queue)
    with changed_journal(away) as db:
        db.execute("UPDATE document SET accepted_at = accepted_at - 70")
    with away.statusd():
        eventually(lambda: "(offline since" in message(away, kept))
        for job_id in (kept, deleted):  # each has said so, and is held again
            eventually(lambda job_id=job_id: _told_offline(away, job_id))  # type: ignore[misc]
        away.cloud.cli("job", "delete", cloud_job(away))
        assert away.cups.wait_job(deleted)["job-state"] == CANCELED
        eventually(lambda: "event=deleted" in away.statusd_log())
        eventually(lambda: 'message="1 job waiting at Paris' in away.statusd_log())
        assert 'message="1 job waiting at Paris (offline since' in away.statusd_log()
        assert "(offline since" in message(away, kept)


def test_a_location_that_works_for_others_is_not_offline(away: PrintSite) -> None:
    """A delivery at another device shows that the location is online.

    Its backend sees that delivery, although the first device fetches nothing.
    """
    stuck = away.device("--type", "viewer")
    queue = away.queue(f"Paris:{stuck}", driver=False, options=HOLD)
    job_id = held_job(away, queue)
    with changed_journal(away) as db:
        db.execute("UPDATE document SET accepted_at = accepted_at - 3600")
    deactivate = f"{away.cloud.url}/api/put/device/Acme/Paris/{stuck}?IsInactive=1"
    headers = {"Authorization": f"Bearer {away.cloud.new_key('Acme', 'admin')}"}
    urllib.request.urlopen(urllib.request.Request(deactivate, headers=headers)).close()
    with away.statusd():
        eventually(lambda: queue_says(away, queue, "(offline since"))
        back(away)
        away.cups.wait_job(away.cups.lp(away.queue(driver=False), data=b"y"), "completed")
        # the run of the waiting job takes the queue's message away until the poller's next turn
        eventually(
            lambda: (
                queue_says(away, queue, "1 job waiting at Paris")
                and not queue_says(away, queue, "(offline since")
            )
        )
        assert not queue_says(away, queue, "offline-warning")
        eventually(lambda: "(offline since" not in message(away, job_id))


def test_a_location_that_shows_life_is_asked_about(away: PrintSite) -> None:
    """A delivery at a location has its old jobs asked for at once, not minutes later."""
    with TcpProxy(away.server) as proxy:
        away.configure(server=proxy.name)
        job_id = held_job(away, away.queue(driver=False, server=proxy.name, options=HOLD))
        with changed_journal(away) as db:
            db.execute("UPDATE document SET accepted_at = accepted_at - 86400")
        asked = len(proxy.heads)
        with away.statusd():
            eventually(lambda: len(proxy.heads) > asked)
            back(away)
            queue = away.queue(driver=False, server=proxy.name)
            away.cups.wait_job(away.cups.lp(queue, data=b"y"), "completed")
            assert away.cups.wait_job(job_id)["job-state"] == COMPLETED


def test_nothing_is_written_when_nothing_changed(away: PrintSite) -> None:
    """A waiting job causes no writes in CUPS."""
    away.configure_statusd("orphan_after_s = 1")  # the poller looks at CUPS every second
    writes = ("CUPS-Add-Modify-Printer", "Set-Job-Attributes")
    queue = away.queue(driver=False, options=HOLD)
    held_job(away, queue)
    with away.statusd():
        eventually(lambda: queue_says(away, queue, "waiting at Paris"))
        before = [away.cups.error_log().count(write) for write in writes]
        with changed_journal(away) as db:  # makes the poller look at CUPS again
            db.execute("UPDATE document SET updated_at = updated_at + 1")
        time.sleep(4)
        assert [away.cups.error_log().count(write) for write in writes] == before
        assert away.statusd_log().count("event=queue") == 1


def test_a_location_that_cannot_print(away: PrintSite) -> None:
    """The log has the location's own message, even after CUPS ended the job as accepted. The queue
    counts the job."""
    device = away.device("--type", "command", "--target", "false")
    queue = away.queue(f"Paris:{device}", driver=False, options=COMPLETE)
    with away.statusd():
        away.cups.wait_job(away.cups.lp(queue, data=b"x"), "completed")
        back(away)
        eventually(lambda: f"event=failing queue={queue}" in away.statusd_log())
        eventually(lambda: queue_says(away, queue, "1 job received at Paris"))
    assert "Error: false: exit status" in away.statusd_log()
    assert not queue_says(away, queue, "exit status")


def test_deleted_at_the_cloud(away: PrintSite) -> None:
    """OpenPrinting/cups-browsed#75: a job deleted at the cloud is canceled, once."""
    queue = away.queue(driver=False, options=HOLD)
    with away.statusd():
        job_id = held_job(away, queue)
        away.cloud.cli("job", "delete", cloud_job(away))
        job = away.cups.wait_job(job_id)
        assert job["job-state"] == CANCELED
        assert "Deleted at Paris. If" in job["job-printer-state-message"]
        assert "(CB-701)" in job["job-printer-state-message"]
        assert not queue_says(away, queue, "eleted")
        back(away)
        good = away.cups.lp(queue, data=b"y")
        assert away.cups.wait_job(good)["job-state"] == COMPLETED
    assert len(away.cloud.jobs()) == 2
    assert all_closed(away)


@pytest.mark.parametrize(("policy", "state"), [("abort-job", ABORTED), ("retry-job", CANCELED)])
def test_forgotten_at_the_cloud(away: PrintSite, policy: str, state: int) -> None:
    """A job that the server no longer has is unknown, and ends by the queue's error policy.

    The policy that tries again does not repeat the job forever.
    """
    with (away.config / "bridge.toml").open("a") as bridge:
        bridge.write("[statusd]\nunknown_after_s = 1\n")
    queue = away.queue(driver=False, options=HOLD, policy=policy)
    job_id = held_job(away, queue)
    with contextlib.closing(sqlite3.connect(away.cloud.data / "cloudlet.db")) as db, db:
        db.execute("DELETE FROM transition")
        db.execute("DELETE FROM job")
    with away.statusd():
        job = away.cups.wait_job(job_id)
    assert job["job-state"] == state
    assert "The document may have been printed" in job["job-printer-state-message"]
    assert away.cloud.jobs() == []
    assert all_closed(away)


def test_released_early(away: PrintSite) -> None:
    """A person who releases a waiting job makes the backend follow it again; it prints once."""
    queue = away.queue(driver=False, options="?waittimeout=3")
    with away.statusd():
        job_id = held_job(away, queue)
        away.cups.run("lp", "-i", str(job_id), "-H", "resume")
        away.cups.wait_job(job_id, "processing")
        away.cups.wait_job(job_id, "held")
        away.cups.run("lp", "-i", str(job_id), "-H", "resume")
        back(away)
        assert away.cups.wait_job(job_id)["job-state"] == COMPLETED
    assert len(away.cloud.jobs()) == 1
    assert all_closed(away)


def test_canceled_while_it_waits(away: PrintSite) -> None:
    """The log says that the cloud has the job, and the poller stops following it."""
    queue = away.queue(driver=False, options=HOLD)
    with away.statusd():
        job_id = held_job(away, queue)
        eventually(lambda: "event=started" in away.statusd_log())
        away.cups.run("cancel", str(job_id))
        eventually(lambda: "event=let-go" in away.statusd_log())
        assert "but the cloud already has the job" in away.statusd_log()
        assert all_closed(away)


def test_canceled_and_restarted_while_it_waits(away: PrintSite) -> None:
    """The end of the first print does not affect the second, which waits on."""
    queue = away.queue(driver=False, options=f"{HOLD}&onfailure=reprint")
    job_id = held_job(away, queue)
    away.cups.run("cancel", str(job_id))
    away.cups.wait_job(job_id)
    time.sleep(1.2)  # CUPS dates prints by the second
    away.cups.run("lp", "-i", str(job_id), "-H", "restart")
    away.cups.wait_job(job_id, "held")
    first, _ = (job["id"] for job in away.cloud.jobs())
    away.cloud.cli("job", "delete", str(first))
    with away.statusd():
        eventually(lambda: "event=let-go" in away.statusd_log() or "=re" in away.statusd_log())
        time.sleep(3)
        assert "=re" not in away.statusd_log()  # neither released nor reprinted
        back(away)
        assert away.cups.wait_job(job_id)["job-state"] == COMPLETED
        eventually(lambda: all_closed(away))
    assert [job["state"] for job in away.cloud.jobs()] == [3, 2]


def test_max_hold_time() -> None:
    """The poller stops following a held job that cupsd cancels after MaxHoldTime."""
    with PrintSite(directives=["MaxHoldTime 3"]) as site:
        site.cloud.cli("location", "offline", "Paris")
        queue = site.queue(driver=False, options=HOLD)
        with site.statusd():
            job_id = held_job(site, queue)
            assert site.cups.wait_job(job_id)["job-state"] == CANCELED
            eventually(lambda: "event=let-go" in site.statusd_log())
        assert all_closed(site)


def test_no_more_than_maxheld(away: PrintSite) -> None:
    """Jobs beyond `maxheld` end as accepted, and are still followed.

    cupsd counts held jobs among the jobs that it accepts.
    """
    queue = away.queue(driver=False, options=f"{HOLD}&maxheld=1")
    with away.statusd():
        first = held_job(away, queue)
        second = away.cups.wait_job(away.cups.lp(queue, data=b"y"))
        assert second["job-state"] == COMPLETED
        assert "delivery not yet confirmed" in second["job-printer-state-message"]
        eventually(lambda: queue_says(away, queue, "2 jobs waiting at Paris"))
        back(away)
        assert away.cups.wait_job(first)["job-state"] == COMPLETED
        eventually(lambda: all_closed(away))


def test_no_poller(away: PrintSite) -> None:
    """Without a poller nothing breaks and the job says so; a later poller catches up."""
    queue = away.queue(driver=False, options=HOLD)
    job_id = held_job(away, queue)
    assert "The job has not been tracked since" in message(away, job_id)
    assert "start cirrus-statusd" in away.cups.error_log()
    back(away)
    away.wait_jobs(lambda jobs: jobs[0]["state"] == 2)
    with away.statusd():
        assert away.cups.wait_job(job_id)["job-state"] == COMPLETED
        assert "has not been tracked" not in message(away, job_id)


def test_one_round(away: PrintSite) -> None:
    """--once asks for all open documents, tells CUPS, and ends."""
    queue = away.queue(driver=False, options=HOLD)
    jobs = [held_job(away, queue, data) for data in (b"x", b"y")]
    with away.start_statusd("--once") as poller:
        assert poller.wait(60) == 0
    assert "Waiting for delivery at Paris. The cloud already has" in message(away, jobs[0])
    back(away)
    away.wait_jobs(lambda jobs: all(job["state"] == 2 for job in jobs))
    with away.start_statusd("--once") as poller:
        assert poller.wait(60) == 0
    for job_id in jobs:
        assert away.cups.wait_job(job_id)["job-state"] == COMPLETED


def test_one_round_beside_the_service(away: PrintSite) -> None:
    """--once changes nothing while the service works, not even the queues' messages."""
    queue = away.queue(driver=False, options=HOLD)
    held_job(away, queue)
    with away.statusd():
        eventually(lambda: queue_says(away, queue, "1 job waiting at Paris"))
        with away.start_statusd("--once") as poller:
            assert poller.wait(60) == 0
        assert queue_says(away, queue, "1 job waiting at Paris")
    assert queue_events(away) == 1


def test_restarts_of_cupsd_and_poller(away: PrintSite) -> None:
    """Message, reasons and the job survive a restart of cupsd or poller, and the job ends right."""
    queue = away.queue(driver=False, options=HOLD)
    job_id = held_job(away, queue)
    with away.start_statusd() as poller:
        eventually(lambda: queue_says(away, queue, "1 job waiting at Paris"))
        poller.kill()
    away.cups.kill()
    away.cups.start()
    assert "Waiting for delivery at Paris" in message(away, job_id)
    with away.statusd():
        eventually(lambda: queue_says(away, queue, "1 job waiting at Paris"))
        away.cups.kill()
        back(away)
        away.wait_jobs(lambda jobs: jobs[0]["state"] == 2)
        eventually(lambda: "event=cups" in away.statusd_log())
        away.cups.start()
        assert away.cups.wait_job(job_id)["job-state"] == COMPLETED
    assert len(away.cloud.jobs()) == 1


def test_two_pollers(away: PrintSite) -> None:
    """Each job and queue has one poller; when that poller ends, the other takes over at once."""
    away.configure_statusd("orphan_after_s = 1")  # both look at CUPS every second
    queue = away.queue(driver=False, options=HOLD)
    job_id = held_job(away, queue)
    with away.start_statusd() as first:
        eventually(lambda: queue_says(away, queue, "1 job waiting at Paris"))
        owner = away.poller()
        assert owner
        with away.statusd():
            told = queue_events(away)
            time.sleep(4)
            assert queue_events(away) == told  # neither takes the other's messages away
            assert queue_says(away, queue, "1 job waiting at Paris")
            assert away.poller() == owner
            first.send_signal(signal.SIGTERM)
            assert first.wait(60) == 0
            eventually(lambda: away.poller() not in ("", owner))
            back(away)
            assert away.cups.wait_job(job_id)["job-state"] == COMPLETED
    assert away.statusd_log().count("event=delivered") == 1
    assert away.statusd_log().count("event=released") == 1


@pytest.mark.parametrize("options", [HOLD, COMPLETE])
def test_reprint(away: PrintSite, options: str) -> None:
    """onfailure=reprint: a deleted document prints once more; deleted again, it stays so."""
    queue = away.queue(driver=False, options=f"{options}&onfailure=reprint")
    with away.statusd():
        job_id = away.cups.lp(queue, data=b"x")
        for count in (1, 2):
            away.cups.wait_job(job_id, "held" if options == HOLD else "completed")
            eventually(lambda count=count: len(away.cloud.jobs()) == count)  # type: ignore[misc]
            time.sleep(1.5)  # CUPS dates restarts by the second
            away.cloud.cli("job", "delete", cloud_job(away))
        eventually(lambda: "event=not-reprinted" in away.statusd_log())
        eventually(lambda: all_closed(away))
    assert len(away.cloud.jobs()) == 2


@pytest.mark.parametrize("options", [HOLD, COMPLETE])
def test_stop(away: PrintSite, options: str) -> None:
    """onfailure=stop: the queue stops with a reason; once enabled, the failed job ends."""
    queue = away.queue(driver=False, options=f"{options}&onfailure=stop")
    with away.statusd():
        job_id = away.cups.lp(queue, data=b"x")
        away.cups.wait_job(job_id, "held" if options == HOLD else "completed")
        away.cloud.cli("job", "delete", cloud_job(away))
        eventually(lambda: away.cups.printer(queue)["printer-state"] == 5)
        assert queue_says(away, queue, f"job {job_id} was not delivered. Deleted at Paris")
        away.cups.run("cupsenable", queue)
        state = away.cups.wait_job(job_id)["job-state"]
        assert state == (CANCELED if options == HOLD else COMPLETED)
        eventually(lambda: all_closed(away))
        assert away.cups.printer(queue)["printer-state"] == 3


@pytest.mark.parametrize("wait_s", [1, 60])
def test_stop_where_a_location_tells_of_an_error(away: PrintSite, wait_s: int) -> None:
    """onfailure=stop: a location's error stops the queue, and reprints nothing.

    Once enabled, the queue goes on, and the error is shown until it is over.
    """
    fixed = away.root / f"fixed{wait_s}"
    command = f"sh -c 'echo Paper jam >&2; test $0 = second -o -e {fixed}' {{title}}"
    device = away.device("--type", "command", "--target", command)
    queue = away.queue(
        f"Paris:{device}", driver=False, options=f"?waittimeout={wait_s}&onfailure=stop"
    )
    with away.statusd():
        first = away.cups.lp(queue, data=b"x")
        if wait_s == 1:
            away.cups.wait_job(first, "held")
        back(away)
        away.wait_jobs(lambda jobs: bool(jobs) and "Paper jam" in jobs[-1]["message"])
        if wait_s == 60:
            second = away.cups.lp(queue, "-t", "second", data=b"y")  # the first job makes room
            eventually(lambda: away.cups.printer(queue)["printer-state"] == 5)
        else:
            eventually(lambda: queue_says(away, queue, f"stopped because job {first} was not"))
            assert queue_says(away, queue, "(CB-704)")
            second = away.cups.lp(queue, "-t", "second", data=b"y")
        assert f"event=failing queue={queue} job={first}" in away.statusd_log() or wait_s == 60
        away.cups.run("cupsenable", queue)
        assert away.cups.wait_job(second, "completed")["job-state"] == COMPLETED
        eventually(lambda: "(CB-704)" in message(away, first))
        assert away.cups.printer(queue)["printer-state"] == 3
        fixed.touch()
        away.cloud.cli("job", "retry", str(away.cloud.jobs()[0]["id"]))
        assert away.cups.wait_job(first)["job-state"] == COMPLETED
    assert len(away.cloud.jobs()) == 2


def test_a_pause_and_foreign_reasons_stay(away: PrintSite) -> None:
    """An administrator's pause and message, and the backend's reasons, stay untouched."""
    queue = away.queue(driver=False, options=HOLD)
    held_job(away, queue)
    away.cups.run("cupsdisable", "-r", "out of toner", queue)
    with away.statusd():
        time.sleep(4)
        printer = away.cups.printer(queue)
        assert printer["printer-state"] == 5
        assert printer["printer-state-message"] == "out of toner"
        away.cups.run("cupsenable", queue)
        eventually(lambda: queue_says(away, queue, "waiting at Paris"))


def test_servers_that_talk_nonsense(away: PrintSite) -> None:
    """armooo/cloudprint#28: the poller survives a page of HTML and a closed port.

    The queue shows the outage, and the delivery is seen when the server works again.
    """
    queue = away.queue(driver=False, options=HOLD)
    job_id = held_job(away, queue)
    away.cloud.stop()
    with away.statusd():
        eventually(lambda: queue_says(away, queue, "the status cannot be checked right now"))
        assert queue_says(away, queue, "offline-warning")
        assert "(CB-411)" in away.cups.printer(queue)["printer-state-message"]
        away.cloud.come_back()
        back(away)
        assert away.cups.wait_job(job_id)["job-state"] == COMPLETED
        assert away.statusd_log().count("event=server-away") == 1


def test_one_job_of_which_the_server_talks_nonsense(own_site: PrintSite) -> None:
    """A nonsense answer about one job does not count as an outage, and the job says why it waits.

    Other jobs are asked for as before, and no message flaps.
    """
    submitted = itertools.count(1)

    def script(request: Request) -> Answer:
        if request.method == "PUT":
            return Answer(f"20261123000000-{next(submitted)}")
        state = 7 if request.path.endswith("-1") else 0
        return Answer(json.dumps({"State": state}), content_type="application/json")

    site = own_site
    with ScriptedServer(script) as server:
        site.configure(server=server.name)
        queue = site.queue(driver=False, server=server.name, options=HOLD)
        jobs = [held_job(site, queue), held_job(site, queue)]
        with site.statusd():
            eventually(lambda: "Unexpected response from" in message(site, jobs[0]))
            answered = len(server.requests)
            eventually(lambda: len(server.requests) >= answered + 4)
    assert site.statusd_log().count("event=server-away") == 1
    assert "Unexpected response" not in message(site, jobs[1])


def test_a_key_of_one_company_is_refused(away: PrintSite) -> None:
    """The server's other company is not affected: no message, no flapping, no delay."""
    away.configure_statusd("orphan_after_s = 1")  # the poller looks at CUPS every second
    for words in (("company", "add", "Beta"), ("location", "add", "Beta/Rome", "--name", "Rome")):
        away.cloud.cli(*words)
    away.cloud.cli("device", "add", "Beta/Rome/L", "--type", "file")
    away.cloud.cli("location", "offline", "Rome", "--company", "Beta")
    entry = away.config / "servers.d" / "beta.toml"
    entry.touch(mode=0o600)
    text = f'[[server]]\nhost = "{away.server}"\ncompany = "Beta"\napi_key = "{{}}"\n'
    entry.write_text(text.format(away.cloud.cli("key", "add", "--company", "Beta")))
    ours = away.queue(driver=False, options=HOLD)
    away.cups.add_queue("beta", f"cirrus://{away.server}/Beta/Rome:L{HOLD}", driver=None)
    job_id = held_job(away, ours)
    held_job(away, "beta")
    entry.write_text(text.format("wr0ng-k3y"))
    with away.statusd():
        eventually(lambda: queue_says(away, "beta", "(CB-402)"))
        time.sleep(4)
        assert not queue_says(away, ours, "CB-402")
        back(away)
        assert away.cups.wait_job(job_id)["job-state"] == COMPLETED
    assert away.statusd_log().count("event=server-away") == 1
    assert "event=server-back" not in away.statusd_log()


def test_a_cupsd_that_hangs_for_a_moment(away: PrintSite) -> None:
    """A cupsd that hangs gets its message once when it answers again."""
    queue = away.queue(driver=False, options=HOLD)
    job_id = held_job(away, queue)
    with away.statusd():
        eventually(lambda: queue_says(away, queue, "1 job waiting"))
        with away.cups.hanging():
            eventually(lambda: "event=cups" in away.statusd_log())
        back(away)
        assert away.cups.wait_job(job_id)["job-state"] == COMPLETED


def test_configuration_is_read_again(away: PrintSite) -> None:
    """A renewed key is used without a restart while jobs wait."""
    queue = away.queue(driver=False, options=HOLD)
    job_id = held_job(away, queue)
    away.configure(key="wr0ng-k3y")
    with away.statusd():
        eventually(lambda: queue_says(away, queue, "(CB-402)"))
        away.configure()
        back(away)
        assert away.cups.wait_job(job_id)["job-state"] == COMPLETED
    assert "wr0ng" not in away.statusd_log()


def test_sigterm_ends_it_at_once(away: PrintSite) -> None:
    """SIGTERM ends the poller at once, even during a request; the next poller takes over."""
    queue = away.queue(driver=False, options=HOLD)
    held_job(away, queue)
    with away.start_statusd() as poller:
        eventually(away.poller)
        os.kill(poller.pid, signal.SIGTERM)
        assert poller.wait(5) == 0
    assert away.journal("SELECT state FROM document") == [("held",)]
    assert away.poller() == ""


def test_both_processes_killed_at_once(own_site: PrintSite) -> None:
    """CUPS counts the job as printed; the poller notices and has it printed."""
    site = own_site
    site.cloud.stop()
    queue = site.queue(driver=False)
    job_id = site.cups.lp(queue, data=b"x")
    eventually(lambda: site.journal("SELECT state FROM document") == [("sending",)])
    worker, supervisor = site.worker(), site.supervisor()
    os.kill(supervisor, signal.SIGSTOP)
    os.kill(worker, signal.SIGKILL)
    os.kill(supervisor, signal.SIGKILL)
    assert site.cups.wait_job(job_id)["job-state"] == COMPLETED
    site.cloud.come_back()
    with changed_journal(site) as db:
        db.execute("UPDATE document SET updated_at = updated_at - 3600")
    with site.statusd():
        eventually(lambda: len(site.cloud.jobs()) == 1)
        eventually(lambda: all_closed(site))
    assert "event=restarted" in site.statusd_log()


def test_a_job_of_a_class(away: PrintSite) -> None:
    """A job of a class is held and released there."""
    queue = away.queue(driver=False, options=HOLD)
    away.cups.run("lpadmin", "-p", queue, "-c", "group")
    away.cups.run("cupsenable", "group")
    away.cups.run("cupsaccept", "group")
    with away.statusd():
        job_id = held_job(away, "group")
        back(away)
        assert away.cups.wait_job(job_id)["job-state"] == COMPLETED
    assert len(away.cloud.jobs()) == 1
    assert all_closed(away)


def test_a_held_job_that_is_moved(away: PrintSite) -> None:
    """A moved job is printed at the other queue once a person releases it."""
    here = away.queue(driver=False, options=HOLD)
    there = away.queue(f"Paris:{away.device()}", driver=False, options=HOLD)
    with away.statusd():
        job_id = held_job(away, here)
        away.cups.run("lpmove", str(job_id), there)
        back(away)
        eventually(lambda: all_closed(away))
        assert away.cups.job(job_id)["job-state"] == 4
        away.cups.run("lp", "-i", str(job_id), "-H", "resume")
        assert away.cups.wait_job(job_id)["job-state"] == COMPLETED
        eventually(lambda: all_closed(away))
    assert len(away.cloud.jobs()) == 2


def test_a_moved_job_that_waits_at_both_queues(away: PrintSite) -> None:
    """The job's only message is about its current queue, whatever happens to the first print."""
    away.cloud.cli("location", "add", "Acme/Lyon", "--name", "Lyon office")
    away.cloud.cli("device", "add", "Acme/Lyon/Laser2", "--type", "file")
    away.cloud.cli("location", "offline", "Lyon")
    here = away.queue(driver=False, options=HOLD)
    there = away.queue("Lyon:Laser2", driver=False, options=HOLD)
    with away.statusd():
        job_id = held_job(away, here)
        away.cups.run("lpmove", str(job_id), there)
        away.cups.run("lp", "-i", str(job_id), "-H", "resume")
        eventually(lambda: queue_says(away, there, "1 job waiting at Lyon"))
        first, _ = (str(job["id"]) for job in away.cloud.jobs())
        until_s, said = time.monotonic() + 20, set()
        while time.monotonic() < until_s:
            said.add(message(away, job_id).partition(".")[0])
            time.sleep(0.2)
        assert said == {"Waiting for delivery at Lyon"}
        away.cloud.cli("job", "delete", first)
        eventually(lambda: "Deleted at Paris" in away.statusd_log())
        assert "Released" not in message(away, job_id)
        away.cloud.cli("location", "online", "Lyon")
        assert away.cups.wait_job(job_id)["job-state"] == COMPLETED
        eventually(lambda: all_closed(away))
    assert len(away.cloud.jobs()) == 2


def test_a_queue_that_is_renamed(away: PrintSite) -> None:
    """Jobs moved to another queue with the same URI end there, and nothing prints twice."""
    queue = away.queue(driver=False, options=HOLD)
    with away.statusd():
        job_id = held_job(away, queue)
        away.cups.add_queue("renamed", away.cups.printer(queue)["device-uri"], driver=None)
        away.cups.run("lpmove", queue, "renamed")
        away.cups.run("lpadmin", "-x", queue)
        back(away)
        assert away.cups.wait_job(job_id)["job-state"] == COMPLETED
        eventually(lambda: all_closed(away))
    assert len(away.cloud.jobs()) == 1


def test_no_orphan_of_a_job_that_printed_elsewhere(own_site: PrintSite) -> None:
    """A job that another member of a class has printed is not printed again for the first."""
    site = own_site
    dead, good = site.queue_to_nobody(), site.queue(driver=False)
    for member in (dead, good):
        site.cups.run("lpadmin", "-p", member, "-c", "group")
    site.cups.run("cupsenable", "group")
    site.cups.run("cupsaccept", "group")
    site.cups.run("cupsdisable", good)
    job_id = site.cups.lp("group", data=b"x")
    eventually(lambda: site.journal("SELECT state FROM document") == [("sending",)])
    site.cups.run("cupsenable", good)
    assert site.cups.wait_job(job_id)["job-state"] == COMPLETED
    with changed_journal(site) as db:
        db.execute("UPDATE document SET updated_at = updated_at - 3600")
    with site.statusd():
        eventually(lambda: all_closed(site))
    assert len(site.cloud.jobs()) == 1


def test_what_clients_of_cups_see(away: PrintSite) -> None:
    """lpstat, ipptool and a subscription show the same story in the same order."""
    queue = away.queue(options=HOLD)
    with subscription(away, queue) as events, away.statusd():
        job_id = held_job(away, queue)
        assert f"{queue}-{job_id}" in away.cups.run("lpstat", "-W", "not-completed", "-o", queue)
        assert "Waiting for delivery at Paris" in away.cups.run("lpstat", "-l", "-o", queue)
        eventually(lambda: "1 job waiting at Paris" in away.cups.run("lpstat", "-l", "-p", queue))
        assert "enabled" in away.cups.run("lpstat", "-p", queue)
        assert away.cups.job(job_id)["job-state-reasons"] == "job-hold-until-specified"
        shown = away.cups.run("ipptool", "-tv", away.cups.uri(queue), "get-printer-attributes.test")
        assert " = Cirrus Bridge: 1 job waiting at Paris" in shown
        assert "printer-state (enum) = idle" in shown
        shown = away.cups.run("ipptool", "-tv", away.cups.uri(queue), "get-jobs.test")
        assert f"job-id (integer) = {job_id}" in shown
        assert "job-state (enum) = pending-held" in shown
        back(away)
        away.cups.wait_job(job_id)
        completed = away.cups.run("lpstat", "-W", "completed", "-o", queue)
        assert f"{queue}-{job_id}" in completed
        seen = events(job_id)
    states = [state for state, before in zip(seen, [0, *seen], strict=False) if state != before]
    assert states[-5:] == [5, 4, 3, 5, COMPLETED], seen


@contextlib.contextmanager
def subscription(site: PrintSite, queue: str) -> Iterator[Callable[[int], list[int]]]:
    """A subscription to the queue's events, as a desktop's print applet has it.

    The yielded function returns the states of a job so far.
    """
    cups.setServer(str(site.cups.socket))
    connection = cups.Connection()
    wanted = ["job-created", "job-state-changed", "job-completed", "job-stopped"]
    number = connection.createSubscription(site.cups.uri(queue), events=wanted)

    def states(job_id: int) -> list[int]:
        told = connection.getNotifications([number])["events"]
        return [event["job-state"] for event in told if event.get("notify-job-id") == job_id]

    yield states
    connection.cancelSubscription(number)
