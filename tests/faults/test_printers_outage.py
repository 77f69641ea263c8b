"""Outages of cloud, key, disk and journal while IPP clients print: nothing is lost, and nothing is
printed twice without a question."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import threading
from collections.abc import Iterator

import pytest

from answers import answer
from cirrus_bridge.ipp.message import Attribute, JobState, Operation, Status
from cirrus_bridge.ipp.values import Keyword, MimeType
from faulty_printers import faulty_printers, inventory, pdf, printed
from line_faults import LARGE, SMALL
from printer_site import PrinterSite, eventually
from small_disk import fill, small_disk
from tcp_proxy import TcpProxy

Faulty = tuple[PrinterSite, TcpProxy]
STOPPED = JobState.PROCESSING_STOPPED
PRINTERS = ("Laser1", "Laser2", "Laser3")
STOP_S = 8.0  # about three seconds, but less than a request to the cloud may take (10 s)


@pytest.fixture
def faulty() -> Iterator[Faulty]:
    """A service with several printers."""
    with faulty_printers(devices=PRINTERS) as made:
        yield made


def _names(site: PrinterSite) -> list[str]:
    uris = [each.text("printer-uri-supported") for each in site.printers()]
    return [uri.rpartition("/")[2] for uri in uris]


def test_a_night_without_the_cloud(faulty: Faulty) -> None:
    """One job at a time asks whether the cloud is back; then all jobs of all printers print, in
    their order, and nobody has to do anything."""
    site, line = faulty
    names = _names(site)
    assert len(names) == len(PRINTERS)
    documents = {name: [pdf(SMALL, f"{name} {number}") for number in range(3)] for name in names}
    site.cloud.kill()
    jobs = {site.print(data, name=name): data for name in names for data in documents[name]}
    job = site.wait_job(min(jobs), STOPPED)
    assert job.keywords("job-state-reasons") == ("printer-stopped",)
    assert "(CB-411)" in job.text("job-state-message")
    asked = line.connections
    eventually(lambda: line.connections >= asked + 4)  # the jobs go on asking
    assert sum(site.job(each).number("job-state") == JobState.PROCESSING for each in jobs) <= 1
    site.cloud.come_back()
    for job_id, data in jobs.items():
        site.wait_job(job_id, JobState.COMPLETED)
        assert printed(site, data) == 1
    for name in names:
        digests = [hashlib.sha256(data).hexdigest() for data in documents[name]]
        came = [job["sha256"] for job in site.cloud.jobs() if job["sha256"] in digests]
        assert came == digests


def test_a_key_that_is_replaced(faulty: Faulty) -> None:
    """Jobs wait with the reason, and go on by themselves with the right key."""
    site, line = faulty
    line.answer_instead = (b"/api/", answer("401 Unauthorized", "who are you?"), 1_000_000)
    data = pdf(SMALL, "key")
    job_id = site.print(data)
    job = site.wait_job(job_id, STOPPED)
    assert "(CB-402)" in job.text("job-state-message")
    line.answer_instead = None
    site.wait_job(job_id, JobState.COMPLETED)
    assert printed(site, data) == 1


@pytest.mark.parametrize("moment", ["upload", "submit"])
def test_a_stop_while_the_cloud_hangs(faulty: Faulty, moment: str) -> None:
    """The service stops at once, whatever the cloud does, and resumes without a second print."""
    site, line = faulty
    reached, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        reached.set()
        go_on.wait(60)

    line.at_request = (b"/api/putsegment" if moment == "upload" else b"/api/submitfile", hang)
    data = pdf(LARGE, f"hangs {moment}")
    job_id = site.print(data)
    assert reached.wait(60)
    assert site.program is not None
    site.program.terminate()
    assert site.program.wait(STOP_S) == 0
    site.stop()
    go_on.set()
    site.start()
    site.wait_job(job_id, JobState.COMPLETED)
    assert printed(site, data) == 1
    assert not site.log().count("Traceback")


@pytest.mark.sampled
@pytest.mark.parametrize("piece", [b"/api/putsegment", b"/api/submitfile"])
@pytest.mark.parametrize("moment", ["at_request", "at_answer"])
def test_cancel_while_the_document_is_sent(faulty: Faulty, piece: bytes, moment: str) -> None:
    """Nothing is printed, or the job says that the document may be printed or is."""
    site, line = faulty
    canceled: list[int] = []
    data = pdf(LARGE, f"cancel {piece!r} {moment}")
    job_ids: list[int] = []
    known = threading.Event()

    def cancel() -> None:
        known.wait(60)
        asked = site.ask(Operation.CANCEL_JOB, [Attribute("job-id", job_ids)])
        canceled.append(asked.code)

    setattr(line, moment, (piece, cancel))
    job_ids.append(site.print(data))
    known.set()
    eventually(lambda: canceled)
    assert canceled == [Status.OK]
    job = site.wait_job(job_ids[0], JobState.CANCELED, JobState.COMPLETED)
    said = job.text("job-state-message")
    if job.number("job-state") == JobState.COMPLETED:
        assert printed(site, data) == 1
    elif "Nothing was printed" in said:
        assert printed(site, data) == 0
    else:
        assert "may be printed" in said
    eventually(lambda: not list((site.state / "printers" / "spool").iterdir()))


def test_cancel_after_the_cloud_has_the_job(faulty: Faulty) -> None:
    """It is refused, and the job goes on."""
    site, _ = faulty
    site.cloud.cli("location", "offline", "Paris")
    job_id = site.print(pdf(SMALL, "late"))
    eventually(lambda: "queued-in-device" in site.job(job_id).keywords("job-state-reasons"))
    asked = site.ask(Operation.CANCEL_JOB, [Attribute("job-id", [job_id])])
    assert asked.code == Status.NOT_POSSIBLE
    assert "will print it" in asked.status_message
    site.cloud.cli("location", "online", "Paris")
    site.wait_job(job_id, JobState.COMPLETED)


# --- disks


@pytest.fixture
def small() -> Iterator[PrinterSite]:
    """A service with a state folder on a disk of 8 MB."""
    site = PrinterSite("", inventory(*PRINTERS))
    site.state.mkdir()
    with contextlib.ExitStack() as ends:
        ends.callback(site.__exit__)
        shutil.chown(ends.enter_context(small_disk(site.state, 8192)), "lp")
        ends.callback(lambda: site.stop())
        site.configure()
        site.start()
        yield site


def _send(site: PrinterSite, data: bytes) -> int:
    asked = [Attribute("document-format", [MimeType("application/pdf")])]
    return site.ask(Operation.PRINT_JOB, asked, data=data).code


def test_a_document_that_does_not_fit(small: PrinterSite) -> None:
    """The client is told to come again; others print on, and nothing is left of the document."""
    site = small
    assert _send(site, pdf(9_000_000, "large")) == Status.TEMPORARY_ERROR
    assert not list((site.state / "printers" / "spool").iterdir())
    data = pdf(SMALL, "fits")
    site.wait_job(site.print(data), JobState.COMPLETED)
    assert printed(site, data) == 1


def test_a_disk_that_gets_full(small: PrinterSite) -> None:
    """No job is lost: jobs of before wait and go on by themselves with room again, and new ones are
    refused. The service runs all the time."""
    site = small
    assert site.program is not None
    site.cloud.kill()
    waiting = [pdf(SMALL, f"waits {number}") for number in range(3)]
    jobs = [site.print(data) for data in waiting]
    site.wait_job(jobs[0], STOPPED)
    filler = fill(site.state)
    assert _send(site, pdf(200_000, "new")) == Status.TEMPORARY_ERROR
    site.cloud.come_back()
    eventually(lambda: "disk is full" in site.log(), "no trouble", site.log)
    assert site.program.poll() is None
    filler.unlink()
    for job_id, data in zip(jobs, waiting, strict=True):
        site.wait_job(job_id, JobState.COMPLETED)
        assert printed(site, data) == 1
    assert len(list((site.state / "printers" / "spool").iterdir())) == 0
    assert site.program.poll() is None


# --- the journal is lost


@pytest.mark.parametrize("decision", ["release", "cancel"])
def test_a_journal_that_is_deleted(faulty: Faulty, decision: str) -> None:
    """A job that may be printed is held with a question, and a person decides. A job that was never
    sent prints."""
    site, line = faulty
    line.lose_answers_after = b"POST /api/submitfile"
    data, fresh = pdf(LARGE, f"journal {decision}"), pdf(SMALL, "fresh")
    job_id = site.print(data)
    eventually(lambda: line.lost)
    site.stop()
    line.lose_answers_after = None
    assert printed(site, data) == 1
    for path in (site.state / "printers").glob("journal.db*"):
        path.unlink()
    site.start()
    behind = site.print(fresh)
    job = site.wait_job(job_id, JobState.PENDING_HELD, JobState.COMPLETED)
    assert job.number("job-state") == JobState.PENDING_HELD
    assert job.keywords("job-state-reasons") == ("job-held-for-review",)
    assert "(CB-505)" in job.text("job-state-message")
    site.wait_job(behind, JobState.COMPLETED)
    asked = [Attribute("job-id", [job_id])]
    if decision == "release":
        site.ask(Operation.RELEASE_JOB, asked)
        site.wait_job(job_id, JobState.COMPLETED)
        assert printed(site, data) == 2
    else:
        site.ask(Operation.CANCEL_JOB, asked)
        said = site.wait_job(job_id, JobState.CANCELED).text("job-state-message")
        assert "may be printed" in said
        assert printed(site, data) == 1


def test_a_spool_that_is_restored(faulty: Faulty) -> None:
    """Jobs that were printed since the backup are not printed again: the journal knows them."""
    site, _ = faulty
    data = pdf(SMALL, "restored")
    asked = [Attribute("job-hold-until", [Keyword("indefinite")])]
    job_id = site.print(data, asked)
    site.stop()
    folder, backup = site.state / "printers", site.root / "backup"
    subprocess.run(["cp", "-a", folder, backup], check=True)
    site.start()
    site.ask(Operation.RELEASE_JOB, [Attribute("job-id", [job_id])])
    site.wait_job(job_id, JobState.COMPLETED)
    site.stop()
    for path in [*folder.glob("spool.db*"), folder / "spool"]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    subprocess.run(["cp", "-a", *backup.glob("spool*"), folder], check=True)
    site.start()
    site.ask(Operation.RELEASE_JOB, [Attribute("job-id", [job_id])])
    job = site.wait_job(job_id, JobState.COMPLETED)
    assert job.text("job-state-message")
    assert printed(site, data) == 1
