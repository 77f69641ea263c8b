"""`kill -9` at every step of a job of an IPP client: the job prints once, no id comes twice."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from cirrus_bridge.ipp.message import Attribute, Group, JobState, Operation
from cirrus_bridge.ipp.values import Keyword
from faulty_printers import faulty_printers, pdf, printed
from line_faults import LARGE, SMALL
from paths import WELCOME
from printer_site import PrinterSite, eventually
from processes import children
from tcp_proxy import TcpProxy

# Request → size of a document that needs it, and a unique part of it.
STEPS: dict[str, tuple[int, bytes]] = {
    "putfile": (SMALL, b"PUT /api/putfile?"),
    "tempfile": (LARGE, b"POST /api/tempfile"),
    "first putsegment": (LARGE, b"&index=0"),
    "later putsegment": (LARGE, b"&index=1"),
    "submitfile": (LARGE, b"POST /api/submitfile"),
    "get job": (SMALL, b"GET /api/get/job/"),
}
MOMENTS = ("at_request", "at_answer")
Faulty = tuple[PrinterSite, TcpProxy]


@pytest.fixture(scope="module")
def faulty() -> Iterator[Faulty]:
    """A service for the tests of this file."""
    with faulty_printers() as made:
        yield made


def _service(site: PrinterSite) -> list[int]:
    assert site.program is not None
    return [site.program.pid]


def _starter(site: PrinterSite) -> list[int]:
    return children(*_service(site))


def _runs(site: PrinterSite) -> list[int]:
    return [run for starter in _starter(site) for run in children(starter)]


def _all(site: PrinterSite) -> list[int]:
    """As a power cut ends them."""
    return [*_runs(site), *_starter(site), *_service(site)]


VICTIMS: dict[str, Callable[[PrinterSite], list[int]]] = {
    "run": _runs,
    "starter": _starter,
    "service": _service,
    "all": _all,
}


# no run is left to kill when the cloud is asked for the job
CASES = [
    (victim, step) for victim in VICTIMS for step in STEPS if (victim, step) != ("run", "get job")
]


@pytest.mark.sampled
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(("victim", "step"), CASES)
def test_one_is_killed(faulty: Faulty, victim: str, step: str, moment: str) -> None:
    """The job goes on when the service is there again, and prints once."""
    site, line = faulty
    size, piece = STEPS[step]
    data = pdf(size, f"{victim} {step} {moment}")
    killed = threading.Event()

    def kill() -> None:
        for process in VICTIMS[victim](site):
            os.kill(process, signal.SIGKILL)
        killed.set()

    setattr(line, moment, (piece, kill))
    job_id = site.print(data)
    assert killed.wait(60)
    if victim != "run":
        _restart(site)
    site.wait_job(job_id, *(state for state in JobState if state.is_final))
    assert site.job(job_id).number("job-state") == JobState.COMPLETED
    assert printed(site, data) == 1
    assert site.print(WELCOME.read_bytes()) > job_id
    eventually(lambda: not _spooled(site))


def _restart(site: PrinterSite) -> None:
    """Start the service again after its end."""
    assert site.program is not None
    site.program.wait(60)
    site.stop()
    site.start()


def _spooled(site: PrinterSite) -> list[str]:
    return [path.name for path in (site.state / "printers" / "spool").iterdir()]


def test_a_run_that_is_always_killed(faulty: Faulty) -> None:
    """After a few times the job is held with the reason. Released, it prints once."""
    site, line = faulty
    data = pdf(LARGE, "always killed")

    def kill() -> None:
        line.at_request = (b"/api/", kill)
        for process in _runs(site):
            os.kill(process, signal.SIGKILL)

    line.at_request = (b"/api/tempfile", kill)
    job_id = site.print(data)
    job = site.wait_job(job_id, JobState.PENDING_HELD)
    line.at_request = None
    assert "(CB-603)" in job.text("job-state-message")
    site.ask(Operation.RELEASE_JOB, [Attribute("job-id", [job_id])])
    site.wait_job(job_id, JobState.COMPLETED)
    assert printed(site, data) == 1


def test_a_service_that_is_stopped_again_and_again(faulty: Faulty) -> None:
    """A stop is not a crash: the upload resumes each time, and the job is not held."""
    site, line = faulty
    data = pdf(3 * LARGE, "stopped")
    line.bytes_per_s = 500_000
    job_id = site.print(data)
    for _ in range(6):
        sent = line.sent_bytes
        eventually(lambda: line.sent_bytes > sent + 100_000, "no upload", site.log)  # noqa: B023
        assert site.stop() == 0
        site.start()
    line.bytes_per_s = None
    job = site.wait_job(job_id, JobState.PENDING_HELD, JobState.COMPLETED)
    assert job.number("job-state") == JobState.COMPLETED
    assert printed(site, data) == 1


def test_a_service_that_is_killed_while_documents_come(faulty: Faulty) -> None:
    """A document whose job was not accepted leaves nothing behind, and its job's id, if it has one,
    does not come again."""
    site, _ = faulty
    created = site.ask(Operation.CREATE_JOB)
    job_id = created.all(Group.JOB)[0].number("job-id") or 0
    with site.sending(Operation.PRINT_JOB), site.sending(Operation.SEND_DOCUMENT, job_id):
        eventually(lambda: len(_spooled(site)) == 2)
        site.kill()
    site.start()
    assert _spooled(site) == []
    assert site.job(job_id).keywords("job-state-reasons") == ("job-incoming",)
    assert site.print(WELCOME.read_bytes()) == job_id + 1


@pytest.mark.sampled(seed=[0])
@pytest.mark.parametrize("seed", range(3))
def test_at_any_moment(faulty: Faulty, seed: int) -> None:
    """The service, its starter or a run is killed at a random part of an upload, repeatedly.
    Jobs that wait behind it and held ones stay what they are."""
    site, line = faulty
    rng = random.Random(seed)
    data, behind = pdf(2 * LARGE, f"any {seed}"), pdf(SMALL, f"behind {seed}")
    line.bytes_per_s = 1_000_000
    jobs = [site.print(data), site.print(behind)]
    held = site.print(behind + b"%", [Attribute("job-hold-until", [Keyword("indefinite")])])
    for _ in range(3):
        sent, more = line.sent_bytes, rng.randint(1, 600_000)
        eventually(
            lambda: line.sent_bytes > sent + more or printed(site, data),  # noqa: B023
            "no upload",
            site.log,
        )
        victim = rng.choice(list(VICTIMS))
        for process in VICTIMS[victim](site):
            with contextlib.suppress(ProcessLookupError):  # a run that has just ended
                os.kill(process, signal.SIGKILL)
        if victim != "run":
            _restart(site)
    line.bytes_per_s = None
    for job_id, document in zip(jobs, (data, behind), strict=True):
        site.wait_job(job_id, JobState.COMPLETED)
        assert printed(site, document) == 1
    assert site.job(held).number("job-state") == JobState.PENDING_HELD
    assert printed(site, behind + b"%") == 0
    site.ask(Operation.CANCEL_JOB, [Attribute("job-id", [held])])


def test_a_second_service(faulty: Faulty) -> None:
    """It ends with the reason, and harms neither the jobs of the first one nor its documents."""
    site, _ = faulty
    before = len(_spooled(site))
    with site.sending(Operation.PRINT_JOB):
        eventually(lambda: len(_spooled(site)) == before + 1)
        second = site.run_second()
        assert second.returncode == 1
        assert "Another cirrus-printers" in second.stderr
        assert len(_spooled(site)) == before + 1
