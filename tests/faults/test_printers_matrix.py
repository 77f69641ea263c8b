"""Every fault at every request, for jobs of IPP clients: printed exactly once, or the job says why
it was not printed, or a person decides."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from answers import answer
from cirrus_bridge.ipp.message import Attribute, JobState, Operation, Status
from faulty_printers import faulty_printers, pdf, printed
from line_faults import COMMON_FAULTS, REQUESTS, SMALL, instead
from printer_site import PrinterSite, eventually
from tcp_proxy import TcpProxy

Faulty = tuple[PrinterSite, TcpProxy]
HELD, ENDED = JobState.PENDING_HELD, [state for state in JobState if state.is_final]


FAULTS = COMMON_FAULTS | {
    "403": instead(answer("403 Forbidden", "not you")),
    "quota": instead(answer("413 Content Too Large", "Error: too many jobs today")),
    "wrong number": instead(answer("200 OK", "1")),
}


@pytest.fixture(scope="module")
def faulty() -> Iterator[Faulty]:
    """A service for the tests of this file."""
    with faulty_printers() as made:
        yield made


@pytest.fixture(autouse=True)
def _healed(faulty: Faulty) -> Iterator[None]:
    """No fault goes on in the next test."""
    yield
    heal(faulty[1])


def heal(line: TcpProxy) -> None:
    """End all faults of a line."""
    line.lose_requests_with = line.lose_answers_after = line.answer_instead = None
    line.at_request = line.at_answer = None
    line.rewrite_answers, line.keep_answers, line.lost = bytes, False, 0


# Only after these answers may a job end without a print: the server refuses the document, or has
# never heard of what it has said before. The job says so to its client.
MAY_END = {"404", "quota", "Error text", "wrong number"}


@pytest.mark.sampled
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("request_name", REQUESTS)
def test_once_or_refused(faulty: Faulty, request_name: str, fault: str) -> None:
    """The document is delivered once and nobody has to do anything, or the server has refused it
    and the job's message says so. Nothing of it is left in the spool."""
    site, line = faulty
    size, piece = REQUESTS[request_name]
    data = pdf(size, f"{request_name} {fault}")
    FAULTS[fault](site, line, piece)
    job_id = site.print(data)
    eventually(lambda: line.lost, "no fault", site.log)
    line.lose_requests_with = line.lose_answers_after = None
    job = site.wait_job(job_id, HELD, *ENDED)
    if job.number("job-state") == JobState.ABORTED:
        assert fault in MAY_END
        assert job.keywords("job-state-reasons") == ("aborted-by-system",)
        assert "(CB-40" in job.text("job-state-message")
        assert printed(site, data) == 0
    else:
        assert job.number("job-state") == JobState.COMPLETED
        assert job.keywords("job-state-reasons") == ("job-completed-successfully",)
        assert printed(site, data) == 1
    eventually(lambda: not list((site.state / "printers" / "spool").iterdir()))


@pytest.mark.sampled
@pytest.mark.parametrize("is_taken", [True, False])
@pytest.mark.parametrize("request_name", ["putfile", "submitfile"])
def test_an_id_that_another_job_has(faulty: Faulty, request_name: str, is_taken: bool) -> None:
    """The job is held for a person, whether or not the server took the document. Released, it
    prints."""
    site, line = faulty
    size, piece = REQUESTS[request_name]
    data = pdf(size, f"{request_name} {is_taken}")
    first = pdf(SMALL, f"first {request_name} {is_taken}")
    site.wait_job(site.print(first), JobState.COMPLETED)
    repeated = answer("200 OK", str(site.cloud.jobs()[-1]["id"]))
    if is_taken:
        line.at_answer = (piece, lambda: setattr(line, "rewrite_answers", lambda _: repeated))
    else:
        line.answer_instead = (piece, repeated, 1)
    job_id = site.print(data)
    _check_held(site, job_id, "CB-422")
    line.rewrite_answers = bytes
    _release(site, job_id)
    site.wait_job(job_id, JobState.COMPLETED)
    assert printed(site, data) == 1  # the submit has an Idempotency-Key


@pytest.mark.parametrize("request_name", ["putfile", "submitfile"])
def test_a_lost_answer_of_a_cloud_that_forgets(faulty: Faulty, request_name: str) -> None:
    """A cloud without Idempotency-Key would print a repeated job twice, so the job is held until a
    person releases or cancels it."""
    site, line = faulty
    size, piece = REQUESTS[request_name]
    line.hide = (b"idempotency-supported", b"Idempotency-Key")
    for end in ("release", "cancel"):
        data = pdf(size, f"{request_name} {end}")
        line.lose_answers_after = piece
        job_id = site.print(data)
        _check_held(site, job_id, "CB-421")
        line.lose_answers_after = None
        assert printed(site, data) == 1
        if end == "release":
            _release(site, job_id)
            site.wait_job(job_id, JobState.COMPLETED)
            assert printed(site, data) == 2  # as the person has asked
        else:
            asked = site.ask(Operation.CANCEL_JOB, [Attribute("job-id", [job_id])])
            assert asked.code == Status.OK
            said = site.wait_job(job_id, JobState.CANCELED).text("job-state-message")
            assert "may be printed" in said
    line.hide = ()


def _check_held(site: PrinterSite, job_id: int, code: str) -> None:
    job = site.wait_job(job_id, HELD, *ENDED)
    assert job.number("job-state") == HELD
    assert job.keywords("job-state-reasons") == ("job-held-for-review",)
    assert f"({code})" in job.text("job-state-message")


def _release(site: PrinterSite, job_id: int) -> None:
    assert site.ask(Operation.RELEASE_JOB, [Attribute("job-id", [job_id])]).code == Status.OK
