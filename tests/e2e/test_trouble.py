"""Faults: the cloud's jobs, CUPS's messages, and that nothing prints twice."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from print_site import PrintSite, document, eventually
from tcp_proxy import TcpProxy

# Hidden from each other, the cloud behaves like a server without support for keys.
ANNOUNCEMENT = (b"idempotency-supported", b"Idempotency-Key")


def test_wrong_key(own_site: PrintSite) -> None:
    """The job waits for the administrator, and the log names the server that refused the key.

    With a good key the job goes on. The key is in no message, log, URI, environment or process
    list.
    """
    site = own_site
    wrong = "wr0ng-k3y-0123456789"
    site.configure(key=wrong)
    queue = site.queue(driver=False)
    job_id = site.cups.lp(queue, data=b"x" * 400_000)
    job = site.cups.wait_job(job_id, "held")
    # CUPS must not ask users for a password that they do not have
    assert job["job-state-reasons"] == "job-hold-until-specified"
    assert f"{site.server} refused the API key" in site.cups.error_log()
    assert "(CB-402)" in job["job-printer-state-message"]
    assert wrong not in site.cups.error_log() + repr(job) + repr(site.cups.printer(queue))
    site.configure()
    site.cups.run("lp", "-i", str(job_id), "-H", "resume")
    assert site.cups.wait_job(job_id)["job-state"] == 9
    assert len(site.cloud.jobs()) == 1
    assert "username" not in repr(site.cups.printer(queue).get("auth-info-required"))
    assert site.key not in site.cups.error_log()


def test_key_is_in_no_process_list(own_site: PrintSite) -> None:
    """Neither arguments nor environment of a waiting backend show the key."""
    site = own_site
    site.cloud.cli("location", "offline", "Paris")
    job_id = site.cups.lp(site.queue(driver=False), data=b"x")
    eventually(lambda: "Waiting for Paris" in site.cups.error_log() or bool(site.cloud.jobs()))
    for backend in (site.worker(), site.supervisor()):
        process = Path(f"/proc/{backend}")
        shown = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        assert site.key.encode() not in shown
    site.cloud.cli("location", "online", "Paris")
    assert site.cups.wait_job(job_id)["job-state"] == 9


@pytest.mark.parametrize("target", ["Paris:NoSuch", "Nowhere:Laser1"])
def test_unknown_device(site: PrintSite, target: str) -> None:
    """simoncadman/CUPS-Cloud-Print#118: the held job shows a code and the server's own words.

    The job prints once the device exists.
    """
    queue = site.queue(target, driver=False)
    job_id = site.cups.lp(queue, data=b"x")
    job = site.cups.wait_job(job_id, "held")
    assert "unknown" in job["job-printer-state-message"]
    assert "(CB-401)" in job["job-printer-state-message"]
    assert site.cups.printer(queue)["printer-state"] == 3
    location, _, device = target.partition(":")
    if location != "Paris":
        site.cloud.cli("location", "add", f"Acme/{location}")
    site.cloud.cli("device", "add", f"Acme/{location}/{device}", "--type", "file")
    site.cups.run("lp", "-i", str(job_id), "-H", "resume")
    assert site.cups.wait_job(job_id)["job-state"] == 9


def test_server_down_then_up(own_site: PrintSite) -> None:
    """apple/cups#2555: an outage neither stops the queue nor drops the job.

    The job shows the fault and the time of the next attempt, and prints when the server is back.
    """
    site = own_site
    site.cloud.stop()
    queue = site.queue(driver=False)
    job_id = site.cups.lp(queue, data=b"x" * 700_000)

    def says_so() -> bool:
        reasons = site.cups.printer(queue)["printer-state-reasons"]
        message = site.cups.job(job_id).get("job-printer-state-message", "")
        return (
            "connecting-to-device" in reasons
            and "cannot be reached. (CB-411) Next attempt at" in message
            and "(connection refused)" in site.cups.error_log()
        )

    eventually(says_so)
    assert site.cups.job(job_id)["job-state"] == 5
    site.cloud.come_back()
    assert site.cups.wait_job(job_id)["job-state"] == 9
    assert "connecting-to-device" not in site.cups.printer(queue)["printer-state-reasons"]
    assert len(site.cloud.jobs()) == 1


def test_contimeout(site: PrintSite) -> None:
    """After contimeout the job is held with a reason, and the queue is free."""
    queue = site.queue_to_nobody("?contimeout=1")
    job = site.cups.wait_job(site.cups.lp(queue, data=b"x"), "held")
    assert "(CB-431)" in job["job-printer-state-message"]
    assert "Gave up after 1 seconds (contimeout)" in site.cups.error_log()
    assert site.cups.printer(queue)["printer-state"] == 3


def test_cancel_in_mid_upload(own_site: PrintSite, tmp_path: Path) -> None:
    """A job that is canceled while it is sent ends at once, and the cloud has no job."""
    site = own_site
    (tmp_path / "raw").write_bytes(os.urandom(20_000_000))
    with TcpProxy(site.server) as proxy:
        proxy.bytes_per_s = 2_000_000
        site.configure(server=proxy.name)
        queue = site.queue(driver=False, server=proxy.name)
        job_id = site.cups.lp(queue, "-o", "raw", tmp_path / "raw")
        eventually(lambda: proxy.sent_bytes > 1_000_000)
        before = time.monotonic()
        site.cups.run("cancel", str(job_id))
        eventually(lambda: not site.backends(), timeout_s=10)
        assert time.monotonic() - before < 10
        assert site.cups.job(job_id)["job-state"] == 7
    assert site.cloud.jobs() == []
    assert site.journal("SELECT state FROM document") == [("sending",)]


def _crash_in_mid_upload(site: PrintSite, proxy: TcpProxy, path: Path) -> int:
    """Print, and crash the backend after some confirmed segments; return the CUPS job id."""
    queue = site.queue(driver=False, server=proxy.name)
    job_id = site.cups.lp(queue, "-o", "raw", path)
    eventually(lambda: len(site.journal("SELECT 1 FROM segment")) > 2)
    os.kill(site.worker(), signal.SIGKILL)
    return job_id


def test_upload_continues_after_a_crash(own_site: PrintSite, tmp_path: Path) -> None:
    """The same job with the same data sends only segments that the server has not confirmed."""
    site = own_site
    data = os.urandom(12_000_000)
    (tmp_path / "raw").write_bytes(data)
    with TcpProxy(site.server) as proxy:
        proxy.bytes_per_s = 2_000_000
        site.configure(server=proxy.name)
        job_id = _crash_in_mid_upload(site, proxy, tmp_path / "raw")
        (before,) = site.journal("SELECT temp_file FROM document")
        confirmed = {at for (at,) in site.journal("SELECT position FROM segment")}
        proxy.bytes_per_s = None
        assert site.cups.wait_job(job_id)["job-state"] == 9
    assert site.journal("SELECT temp_file FROM document") == [before]
    sent = [int(head.split()[1].partition(b"&index=")[2] or -1) for head in proxy.heads]
    assert {sent.count(at) for at in confirmed} == {1}
    assert "the upload continues" in site.cups.error_log()
    (job,) = site.cloud.jobs()
    assert document(job) == data


def test_upload_that_the_server_has_forgotten(own_site: PrintSite, tmp_path: Path) -> None:
    """The upload starts again by itself if the temporary file has expired."""
    site = own_site
    data = os.urandom(6_000_000)
    (tmp_path / "raw").write_bytes(data)
    with TcpProxy(site.server) as proxy:
        proxy.bytes_per_s = 2_000_000
        site.configure(server=proxy.name)
        job_id = _crash_in_mid_upload(site, proxy, tmp_path / "raw")
        with contextlib.closing(sqlite3.connect(site.cloud.data / "cloudlet.db")) as db, db:
            db.execute("DELETE FROM upload")
        proxy.bytes_per_s = None
        assert site.cups.wait_job(job_id)["job-state"] == 9
    assert "so the upload starts again from the beginning" in site.cups.error_log()
    assert [document(job) for job in site.cloud.jobs()] == [data]


def test_segments_go_over_a_line_that_breaks(own_site: PrintSite, tmp_path: Path) -> None:
    """Each segment is sent until it arrives, although requests with segments get lost."""
    site = own_site
    data = os.urandom(20_000_000)
    (tmp_path / "raw").write_bytes(data)
    with TcpProxy(site.server) as proxy:
        site.configure(server=proxy.name)
        proxy.lose_requests_with = b"index=1"  # segments at 1…, 10…, 1000000…
        queue = site.queue(driver=False, server=proxy.name)
        job_id = site.cups.lp(queue, "-o", "raw", tmp_path / "raw")
        eventually(lambda: proxy.lost > 1)
        proxy.lose_requests_with = None
        assert site.cups.wait_job(job_id)["job-state"] == 9
    (job,) = site.cloud.jobs()
    assert document(job) == data


def test_stray_sigterm_loses_nothing(own_site: PrintSite, tmp_path: Path) -> None:
    """After a SIGTERM that is not from CUPS (a shutdown), CUPS runs the job again."""
    site = own_site
    data = os.urandom(6_000_000)
    (tmp_path / "raw").write_bytes(data)
    with TcpProxy(site.server) as proxy:
        proxy.bytes_per_s = 2_000_000
        site.configure(server=proxy.name)
        job_id = site.cups.lp(
            site.queue(driver=False, server=proxy.name), "-o", "raw", tmp_path / "raw"
        )
        eventually(lambda: proxy.sent_bytes > 1_000_000)
        os.kill(site.worker(), signal.SIGTERM)
        eventually(lambda: "stopped before it was sent" in site.cups.error_log())
        proxy.bytes_per_s = None
        assert site.cups.wait_job(job_id)["job-state"] == 9
    (job,) = site.cloud.jobs()
    assert document(job) == data


def test_cancel_after_submission(own_site: PrintSite) -> None:
    """The canceled job says that the cloud has it, and is delivered once."""
    site = own_site
    site.cloud.cli("location", "offline", "Paris")
    job_id = site.cups.lp(site.queue(driver=False), data=b"x")
    eventually(lambda: f"[Job {job_id}] Accepted by" in site.cups.error_log())
    site.cups.run("cancel", str(job_id))
    eventually(lambda: "already has the job and will print it" in site.cups.error_log())
    assert site.cups.job(job_id)["job-state"] == 7
    site.cloud.cli("location", "online", "Paris")
    assert [j["state_name"] for j in site.wait_jobs(lambda j: j[0]["state"] == 2)] == ["delivered"]


def test_offline_location(own_site: PrintSite) -> None:
    """apple/cups#4185, #3661: no job goes on forever.

    With handover=complete, the job ends as accepted after waittimeout, and says that delivery was
    not seen.
    """
    site = own_site
    site.cloud.cli("location", "offline", "Paris")
    queue = site.queue(driver=False, options="?waittimeout=1&handover=complete")
    job = site.cups.wait_job(site.cups.lp(queue, data=b"x"))
    assert job["job-state"] == 9
    message = job["job-printer-state-message"]
    assert "delivery not yet confirmed" in message
    assert "Waiting for Paris to fetch the job" in message


@pytest.mark.parametrize(
    ("wait", "expected"), [("submitted", "Accepted by"), ("received", "Received at Paris")]
)
def test_wait_levels(site: PrintSite, wait: str, expected: str) -> None:
    """cloud-print-connector#459, apple/cups#1122: accepted, received and delivered are distinct.

    wait=submitted and wait=received end the job that early, and claim no more than is known.
    """
    device = site.device("--type", "viewer")
    queue = site.queue(f"Paris:{device}", driver=False, options=f"?wait={wait}")
    job_id = site.cups.lp(queue, data=b"x")
    assert site.cups.wait_job(job_id)["job-state"] == 9
    assert f"[Job {job_id}] {expected}" in site.cups.error_log()
    assert f"[Job {job_id}] Delivered" not in site.cups.error_log()


@pytest.mark.parametrize(
    ("verb", "state", "message"),
    [("delete", 7, "Deleted at Paris"), ("trash", 7, "Moved to the trash"), ("save", 9, "")],
)
def test_recipients_decision(site: PrintSite, verb: str, state: int, message: str) -> None:
    """A job deleted or trashed at the cloud is canceled; a saved job is completed."""
    device = site.device("--type", "viewer")
    job_id = site.cups.lp(site.queue(f"Paris:{device}", driver=False), data=b"x")
    (cloud_job,) = [
        j
        for j in site.wait_jobs(
            lambda jobs: any(j["device"] == device and j["state"] == 1 for j in jobs)
        )
        if j["device"] == device
    ]
    site.cloud.cli("job", verb, cloud_job["id"])
    job = site.cups.wait_job(job_id)
    assert job["job-state"] == state
    assert message in job["job-printer-state-message"]


@pytest.mark.parametrize("size", [1000, 700_000], ids=["putfile", "segments"])
def test_lost_answer_of_a_submit(own_site: PrintSite, tmp_path: Path, size: int) -> None:
    """The job is held with a reason; nothing prints twice until a person releases it."""
    site = own_site
    (tmp_path / "raw").write_bytes(os.urandom(size))
    with TcpProxy(site.server) as proxy:
        site.configure(server=proxy.name)
        queue = site.queue(driver=False, server=proxy.name)
        proxy.hide = ANNOUNCEMENT
        proxy.lose_answers_after = b"targets="
        job_id = site.cups.lp(queue, "-o", "raw", tmp_path / "raw")
        job = site.cups.wait_job(job_id, "held")
        assert proxy.lost == 1
        assert "not known whether the cloud accepted it" in job["job-printer-state-message"]
        assert "(CB-421)" in job["job-printer-state-message"]
        assert len(site.wait_jobs(lambda jobs: bool(jobs))) == 1
        proxy.lose_answers_after = None
        site.cups.run("lp", "-i", str(job_id), "-H", "resume")
        assert site.cups.wait_job(job_id)["job-state"] == 9
    assert len(site.cloud.jobs()) == 2


@pytest.mark.sampled
@pytest.mark.parametrize("size", [1000, 700_000], ids=["putfile", "segments"])
@pytest.mark.parametrize("policy", ["hold", "resubmit", "drop"])
def test_lost_answer_of_a_server_that_knows_keys(
    own_site: PrintSite, tmp_path: Path, size: int, policy: str
) -> None:
    """With an Idempotency-Key the submit is repeated, and prints exactly once."""
    site = own_site
    (tmp_path / "raw").write_bytes(os.urandom(size))
    with TcpProxy(site.server) as proxy:
        site.configure(server=proxy.name)
        queue = site.queue(driver=False, server=proxy.name, options=f"?onambiguous={policy}")
        proxy.lose_answers_after = b"targets="
        job_id = site.cups.lp(queue, "-o", "raw", tmp_path / "raw")
        eventually(lambda: proxy.lost > 1)
        proxy.lose_answers_after = None
        assert site.cups.wait_job(job_id)["job-state"] == 9
    assert len(site.cloud.jobs()) == 1


def test_crash_while_the_server_decides(own_site: PrintSite) -> None:
    """If the backend dies between submit and answer, the next run asks again and prints once."""
    site = own_site
    with TcpProxy(site.server) as proxy:
        site.configure(server=proxy.name)
        queue = site.queue(driver=False, server=proxy.name)
        proxy.lose_answers_after, proxy.keep_answers = b"targets=", True
        job_id = site.cups.lp(queue, data=b"x")
        eventually(lambda: proxy.lost > 0)
        proxy.lose_answers_after = None
        os.kill(site.worker(), signal.SIGKILL)
        assert site.cups.wait_job(job_id)["job-state"] == 9
    assert len(site.cloud.jobs()) == 1


def test_lost_answer_with_drop(own_site: PrintSite) -> None:
    """onambiguous=drop prints at most once, and the job says so."""
    site = own_site
    with TcpProxy(site.server) as proxy:
        site.configure(server=proxy.name)
        queue = site.queue(driver=False, server=proxy.name, options="?onambiguous=drop")
        proxy.hide = ANNOUNCEMENT
        proxy.lose_answers_after = b"targets="
        job_id = site.cups.lp(queue, data=b"x")
        job = site.cups.wait_job(job_id)
        assert job["job-state"] == 7
        assert "never sends a job twice" in job["job-printer-state-message"]
        proxy.lose_answers_after = None
        time.sleep(1.1)  # CUPS dates the restart by the second
        site.cups.run("lp", "-i", str(job_id), "-H", "restart")
        eventually(lambda: len(site.cloud.jobs()) == 2)


def test_crash_between_submit_and_exit(own_site: PrintSite) -> None:
    """A backend that crashes while it waits for delivery submits nothing again."""
    site = own_site
    site.cloud.cli("location", "offline", "Paris")
    queue = site.queue(driver=False)
    job_id = site.cups.lp(queue, data=b"x")
    eventually(lambda: f"[Job {job_id}] Accepted by" in site.cups.error_log())
    os.kill(site.worker(), signal.SIGKILL)
    eventually(lambda: "The cloud has this document already" in site.cups.error_log())
    site.cloud.cli("location", "online", "Paris")
    assert site.cups.wait_job(job_id)["job-state"] == 9
    assert len(site.cloud.jobs()) == 1


def test_power_failure_while_waiting(own_site: PrintSite) -> None:
    """apple/cups#3810: cupsd and backend die before the job ends; the job ends and printed once."""
    site = own_site
    site.cloud.cli("location", "offline", "Paris")
    job_id = site.cups.lp(site.queue(driver=False), data=b"x")
    eventually(lambda: f"[Job {job_id}] Accepted by" in site.cups.error_log())
    site.cups.kill()
    site.cloud.cli("location", "online", "Paris")
    site.cups.start()
    assert site.cups.wait_job(job_id)["job-state"] == 9
    assert len(site.cloud.jobs()) == 1


def test_paused_queue(own_site: PrintSite) -> None:
    """cupsdisable stops the backend; after cupsenable it waits on, and nothing prints again."""
    site = own_site
    site.cloud.cli("location", "offline", "Paris")
    queue = site.queue(driver=False)
    job_id = site.cups.lp(queue, data=b"x")
    eventually(lambda: f"[Job {job_id}] Accepted by" in site.cups.error_log())
    site.cups.run("cupsdisable", queue)
    site.cups.wait_job(job_id, "pending", "stopped")
    site.cups.run("cupsenable", queue)
    site.cloud.cli("location", "online", "Paris")
    assert site.cups.wait_job(job_id)["job-state"] == 9
    assert len(site.cloud.jobs()) == 1


def test_paused_while_the_server_decides(own_site: PrintSite) -> None:
    """A queue paused during a submit holds the job, because the result is unknown.

    The job is not sent again until a person releases it.
    """
    site = own_site
    with TcpProxy(site.server) as proxy:
        site.configure(server=proxy.name)
        queue = site.queue(driver=False, server=proxy.name)
        proxy.hide = ANNOUNCEMENT
        proxy.lose_answers_after, proxy.keep_answers = b"targets=", True
        job_id = site.cups.lp(queue, data=b"x")
        eventually(lambda: proxy.lost > 0)
        site.cups.run("cupsdisable", queue)
        site.cups.wait_job(job_id, "pending", "stopped")
        proxy.lose_answers_after = None
        site.cups.run("cupsenable", queue)
        job = site.cups.wait_job(job_id, "held")
        assert "interrupted while it was sent" in job["job-printer-state-message"]
        assert len(site.cloud.jobs()) == 1
        site.cups.run("lp", "-i", str(job_id), "-H", "resume")
        assert site.cups.wait_job(job_id)["job-state"] == 9
    assert len(site.cloud.jobs()) == 2


def test_restart_of_a_finished_job_prints_again(site: PrintSite) -> None:
    """A finished job that is restarted prints once more."""
    device = site.device()
    job_id = site.cups.lp(site.queue(f"Paris:{device}", driver=False), data=b"x")
    for count in (1, 2, 3):
        assert site.cups.wait_job(job_id)["job-state"] == 9
        assert len(site.cloud_jobs(device, count)) == count
        if count < 3:
            time.sleep(1.1)  # CUPS dates its jobs by the second
            site.cups.run("lp", "-i", str(job_id), "-H", "restart")
            site.cups.wait_job(job_id, "pending", "processing", "completed")
            eventually(lambda: site.cups.job(job_id)["job-state"] == 9)


def test_restarts_within_one_second(site: PrintSite) -> None:
    """Each restart is a print, although CUPS dates its jobs by the second."""
    device = site.device()
    queue = site.queue(f"Paris:{device}", driver=False, options="?wait=submitted")
    job_id = site.cups.lp(queue, data=b"x")
    for _ in range(3):
        assert site.cups.wait_job(job_id)["job-state"] == 9
        site.cups.run("lp", "-i", str(job_id), "-H", "restart")
    assert len(site.cloud_jobs(device, 4)) == 4


def test_several_files_and_one_fails(own_site: PrintSite, pdfs: dict[int, Path]) -> None:
    """CUPS ends a job whose second of three files fails; restarted, it resumes there."""
    site = own_site
    with TcpProxy(site.server) as proxy:
        site.configure(server=proxy.name)
        queue = site.queue(server=proxy.name)
        proxy.hide = ANNOUNCEMENT
        proxy.at_answer = (b"targets=", lambda: setattr(proxy, "lose_answers_after", b"targets="))
        job_id = site.cups.lp(queue, pdfs[4], pdfs[1], pdfs[20])
        job = site.cups.wait_job(job_id)
        assert job["job-state"] == 8
        assert "restart the job" in job["job-printer-state-message"]
        proxy.lose_answers_after = None
        time.sleep(1.1)
        site.cups.run("lp", "-i", str(job_id), "-H", "restart")
        jobs = site.wait_jobs(lambda jobs: len(jobs) == 4)
        eventually(lambda: site.cups.job(job_id)["job-state"] == 9)
    sizes = [job["size"] for job in jobs]
    assert sizes[1] == pytest.approx(sizes[2], rel=0.01)  # the ambiguous job, released by a person
    assert len(site.cloud.jobs()) == 4


def test_server_that_answers_nonsense(own_site: PrintSite) -> None:
    """A login page in front of the server counts as an outage, and is named in the message.

    When the page is gone, the job prints once.
    """
    from scripted_server import Answer, Request, ScriptedServer

    page = Answer("<html>Sign in</html>", content_type="text/html")
    signed_in = threading.Event()
    submitted: list[str] = []

    def script(request: Request) -> Answer:
        if not signed_in.is_set():
            return page
        if request.path == "/api/putfile":
            submitted.append(request.headers["Idempotency-Key"])
            return Answer("20261123000000-1")
        return Answer("3.0\n2.0\nS\nL", headers={"Idempotency-Supported": "1"})

    site = own_site
    with ScriptedServer(script) as server:
        site.configure(server=server.name)
        queue = site.queue(driver=False, server=server.name, options="?wait=submitted")
        job_id = site.cups.lp(queue, data=b"x")
        eventually(lambda: "it sent a web page" in site.cups.error_log())
        signed_in.set()
        assert site.cups.wait_job(job_id)["job-state"] == 9
    assert len(submitted) == 1


def test_status_query_never_submits_again(own_site: PrintSite) -> None:
    """apple/cups#669, #953, #4073: bad status answers after a submit print nothing again."""
    from scripted_server import Answer, Request, ScriptedServer

    def script(request: Request) -> Answer:
        if request.method == "PUT":
            return Answer("20261123000000-1")
        return Answer("<h1>502</h1>", 502)

    site = own_site
    with ScriptedServer(script) as server:
        site.configure(server=server.name)
        queue = site.queue(driver=False, server=server.name, options="?waittimeout=2")
        job = site.cups.wait_job(site.cups.lp(queue, data=b"x"), "held")
    assert "Waiting for delivery at Paris" in job["job-printer-state-message"]
    assert "The job has not been tracked since" in job["job-printer-state-message"]
    assert [r.method for r in server.requests].count("PUT") == 1


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda site: (site.config / "servers.d/site.toml").chmod(0o644), "chmod 600"),
        (lambda site: (site.config / "servers.d/site.toml").unlink(), "No [[server]] entry"),
        (lambda site: (site.config / "bridge.toml").write_text("[defaults"), "is not TOML"),
    ],
    ids=["exposed", "missing", "broken"],
)
def test_wrong_configuration(
    own_site: PrintSite, break_it: Callable[[PrintSite], object], says: str
) -> None:
    """The queue stops and keeps its jobs; once fixed, it prints them. The log says what to fix."""
    site = own_site
    break_it(site)
    queue = site.queue(driver=False)
    job_id = site.cups.lp(queue, data=b"x")
    eventually(lambda: site.cups.printer(queue)["printer-state"] == 5)
    said = site.cups.printer(queue)["printer-state-message"]
    assert said.startswith("This printer is not set up correctly. Tell your administrator. (CB-20")
    assert says in site.cups.error_log()
    assert site.cups.job(job_id)["job-state"] == 3
    (site.config / "servers.d/site.toml").unlink(missing_ok=True)
    site.configure()
    site.cups.run("cupsenable", queue)
    assert site.cups.wait_job(job_id)["job-state"] == 9


def test_wrong_uri(site: PrintSite) -> None:
    """A queue with a wrong URI stops, and the log explains the error."""
    queue = site.queue("Paris")
    site.cups.lp(queue, data=b"x")
    eventually(lambda: site.cups.printer(queue)["printer-state"] == 5)
    assert "(CB-201)" in site.cups.printer(queue)["printer-state-message"]
    assert "LOCATION:DEVICE" in site.cups.error_log()


def test_class_tries_its_other_member(own_site: PrintSite) -> None:
    """A class gives the job to its other member if a server is away, once."""
    site = own_site
    away = site.queue_to_nobody()
    there = site.queue(driver=False)
    for queue in (away, there):
        site.cups.run("lpadmin", "-p", queue, "-c", "all")
    site.cups.run("cupsenable", "all")
    site.cups.run("cupsaccept", "all")
    for _ in range(2):  # one of the two meets the member that is away
        job_id = site.cups.lp("all", data=b"x")
        assert site.cups.wait_job(job_id)["job-state"] == 9
    assert len(site.cloud.jobs()) == 2
    assert "CUPS tries another printer of the class" in site.cups.error_log()
    assert json.dumps(site.journal("SELECT DISTINCT state FROM document WHERE closed_at > 0"))


def _class_of(site: PrintSite, proxy: TcpProxy) -> tuple[str, str]:
    """A class "both" of a queue through the proxy and of a paused queue; their names."""
    site.configure(server=proxy.name)
    entry = site.config / "servers.d" / "direct.toml"
    entry.touch(mode=0o600)
    entry.write_text(f'[[server]]\nhost = "{site.server}"\napi_key = "{site.key}"\n')
    first = site.queue(driver=False, server=proxy.name)
    second = site.queue(driver=False)
    for queue in (first, second):
        site.cups.run("lpadmin", "-p", queue, "-c", "both")
    for command in ("cupsenable", "cupsaccept"):
        site.cups.run(command, "both")
    site.cups.run("cupsdisable", second)
    return first, second


def test_class_does_not_print_an_ambiguous_job_elsewhere(own_site: PrintSite) -> None:
    """No other member prints a job that one member may have printed."""
    site = own_site
    with TcpProxy(site.server) as proxy:
        _, second = _class_of(site, proxy)
        proxy.hide = ANNOUNCEMENT
        proxy.lose_answers_after = b"targets="
        job_id = site.cups.lp("both", data=b"x")
        job = site.cups.wait_job(job_id, "held")
        assert "(CB-421)" in job["job-printer-state-message"]
        site.cups.run("cupsenable", second)
        assert len(site.cloud.jobs()) == 1


def test_class_waits_for_the_member_that_may_have_the_job(own_site: PrintSite) -> None:
    """A member that lost an answer and is then away keeps the job, because it may have it."""
    site = own_site
    with TcpProxy(site.server) as proxy:
        _, second = _class_of(site, proxy)
        proxy.lose_answers_after = b"/api/"
        job_id = site.cups.lp("both", data=b"x")
        eventually(lambda: proxy.lost > 1)
        site.cups.run("cupsenable", second)
        time.sleep(6)  # longer than the wait before a job is left to another member
        assert len(site.cloud.jobs()) == 1
        proxy.lose_answers_after = None
        assert site.cups.wait_job(job_id)["job-state"] == 9
    assert len(site.cloud.jobs()) == 1


def test_crash_of_one_member_is_no_matter_for_another(own_site: PrintSite) -> None:
    """A job that crashed while one member submitted it is held when another member gets it."""
    site = own_site
    with TcpProxy(site.server) as proxy:
        first, second = _class_of(site, proxy)
        proxy.lose_answers_after, proxy.keep_answers = b"targets=", True
        job_id = site.cups.lp("both", data=b"x")
        eventually(lambda: proxy.lost > 0)
        site.cups.run("cupsdisable", first)
        site.cups.run("cupsenable", second)
        job = site.cups.wait_job(job_id, "held")
        assert "interrupted while it was sent" in job["job-printer-state-message"]
    assert len(site.cloud.jobs()) == 1


def test_moved_job(site: PrintSite) -> None:
    """A held job that is moved to another queue prints there."""
    device = site.device()
    lost, found = (
        site.queue("Paris:Gone", driver=False),
        site.queue(f"Paris:{device}", driver=False),
    )
    job_id = site.cups.lp(lost, data=b"moved")
    site.cups.wait_job(job_id, "held")
    site.cups.run("lpmove", str(job_id), found)
    site.cups.run("lp", "-i", str(job_id), "-H", "resume")
    assert site.cups.wait_job(job_id)["job-state"] == 9
    assert [document(job) for job in site.cloud_jobs(device, 1)] == [b"moved"]


def test_a_repeated_job_uuid(site: PrintSite) -> None:
    """A repeated job-uuid, which clients may choose, does not mix up documents."""
    device = site.device()
    queue = site.queue(f"Paris:{device}", driver=False)
    chosen = "job-uuid=urn:uuid:00000000-0000-0000-0000-000000000001"
    for data in (b"mine", b"yours"):
        assert site.cups.wait_job(site.cups.lp(queue, "-o", chosen, data=data))["job-state"] == 9
    assert [document(job) for job in site.cloud_jobs(device, 2)] == [b"mine", b"yours"]


def test_restart_after_a_kill_that_cups_takes_for_success(own_site: PrintSite) -> None:
    """CUPS counts a job as completed if its backend was killed; a restart prints it."""
    site = own_site
    site.cloud.cli("location", "offline", "Paris")
    job_id = site.cups.lp(site.queue(driver=False), data=b"x")
    eventually(lambda: f"[Job {job_id}] Accepted by" in site.cups.error_log())
    os.kill(site.supervisor(), signal.SIGKILL)
    assert site.cups.wait_job(job_id)["job-state"] == 9
    site.cloud.cli("location", "online", "Paris")
    time.sleep(1.1)
    site.cups.run("lp", "-i", str(job_id), "-H", "restart")
    eventually(lambda: len(site.cloud.jobs()) == 2)
