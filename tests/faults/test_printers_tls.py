"""Every fault of TLS at every request, for jobs of IPP clients: the job waits with the reason, goes
on by itself once the fault is corrected, and prints once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from cirrus_bridge.ipp.message import Attribute, JobState, Operation, Status
from faulty_printers import inventory, pdf, printed
from line_faults import REQUESTS
from printer_site import PrinterSite, eventually
from tcp_proxy import TcpProxy
from tls_front import ENDS, Certificates, TlsFront

STOPPED, ENDED = JobState.PROCESSING_STOPPED, [state for state in JobState if state.is_final]
# the kind of a certificate → the code of a job that waits, and a part of what the log says
CERTIFICATES: dict[str, tuple[str, str]] = {
    "expired": ("CB-412", "certificate has expired"),
    "not yet valid": ("CB-412", "certificate is not yet valid"),
    "another name": ("CB-405", "Use the name from the certificate"),
    "unknown CA": ("CB-405", "Set ca_file in servers.d"),
    "client certificate required": ("CB-405", "does not support client certificates"),
    "no TLS": ("CB-405", "does not speak TLS"),
}
# Each request before the server has it, and those that print after the server has accepted them.
moments = pytest.mark.parametrize(
    ("request_name", "moment"),
    [
        *((name, "at_request") for name in REQUESTS),
        ("putfile", "at_answer"),
        ("submitfile", "at_answer"),
    ],
)


class Way(NamedTuple):
    """The way from a service to its cloud: TLS, and then a line on which requests are seen."""

    site: PrinterSite
    front: TlsFront
    line: TcpProxy
    certificates: Certificates


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    """A service for the tests of this file, whose cloud speaks TLS."""
    site = PrinterSite("", inventory("Laser1"))
    certificates = Certificates(site.root)
    with (
        TcpProxy(site.server) as line,
        TlsFront(line.name, certificates.of_kind("good")) as front,
    ):
        site.server, site.ca_file = front.name, certificates.ca_file
        with site:
            yield Way(site, front, line, certificates)


@pytest.mark.sampled
@moments
@pytest.mark.parametrize("kind", CERTIFICATES)
def test_a_certificate_that_is_replaced(
    way: Way, request_name: str, kind: str, moment: str
) -> None:
    """The connection breaks before the server has a request or after it has accepted it, and new
    connections are not trusted. The job says so until the certificate is good again."""
    site, front, line, certificates = way
    code, words = CERTIFICATES[kind]
    size, piece = REQUESTS[request_name]
    data = pdf(size, f"{request_name} {kind} {moment}")
    good = front.context
    bad = None if kind == "no TLS" else certificates.of_kind(kind)

    def replace() -> None:
        front.context = bad
        front.cut()

    seen = site.log().count(words)
    setattr(line, moment, (piece, replace))
    job_id = site.print(data)
    if request_name == "get job":  # the cloud has the job, which is therefore not stopped
        eventually(lambda: front.context is bad)
        before = front.connections
        eventually(lambda: front.connections > before, "the poller does not ask", site.log)
        assert site.job(job_id).number("job-state") == JobState.PROCESSING
    else:
        eventually(lambda: site.log().count(words) > seen, words, site.log)
        job = site.wait_job(job_id, STOPPED, JobState.PENDING_HELD, *ENDED)
        assert job.number("job-state") == STOPPED
        assert job.keywords("job-state-reasons") == ("printer-stopped",)
        assert f"({code})" in job.text("job-state-message")
    front.context = good
    site.wait_job(job_id, *ENDED)
    _check_printed(site, job_id, data)


@pytest.mark.sampled
@moments
@pytest.mark.parametrize("end", ENDS)
def test_a_cut_in_the_middle(way: Way, request_name: str, end: str, moment: str) -> None:
    """TLS ends in a request or in place of its answer, and the next handshakes break as well."""
    site, front, line, _ = way
    size, piece = REQUESTS[request_name]
    data = pdf(size, f"{request_name} {end} {moment}")

    def cut() -> None:
        front.broken_handshakes = 2
        front.cut(ENDS[end])

    setattr(line, moment, (piece, cut))
    job_id = site.print(data)
    site.wait_job(job_id, JobState.PENDING_HELD, *ENDED)
    assert front.broken_handshakes == 0
    _check_printed(site, job_id, data)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("request_name", ["putfile", "submitfile"])
def test_a_submit_that_is_cut_in_a_cloud_that_forgets(
    way: Way, request_name: str, end: str
) -> None:
    """A cloud without Idempotency-Key would print the document again, so a person decides."""
    site, front, line, _ = way
    size, piece = REQUESTS[request_name]
    data = pdf(size, f"{request_name} {end} forgets")
    line.hide = (b"idempotency-supported", b"Idempotency-Key")
    line.at_answer = (piece, lambda: front.cut(ENDS[end]))
    job_id = site.print(data)
    job = site.wait_job(job_id, JobState.PENDING_HELD, *ENDED)
    line.hide = ()
    assert job.number("job-state") == JobState.PENDING_HELD
    assert job.keywords("job-state-reasons") == ("job-held-for-review",)
    assert "(CB-421)" in job.text("job-state-message")
    asked = site.ask(Operation.CANCEL_JOB, [Attribute("job-id", [job_id])])
    assert asked.code == Status.OK
    said = site.wait_job(job_id, JobState.CANCELED).text("job-state-message")
    assert "may be printed" in said
    assert printed(site, data) == 1


def _check_printed(site: PrinterSite, job_id: int, data: bytes) -> None:
    """The job has ended well, and the cloud got its document once."""
    job = site.job(job_id)
    assert job.number("job-state") == JobState.COMPLETED
    assert job.keywords("job-state-reasons") == ("job-completed-successfully",)
    assert printed(site, data) == 1
    eventually(lambda: not list((site.state / "printers" / "spool").iterdir()))
