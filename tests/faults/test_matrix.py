"""Every fault at every request of both ways to the cloud: printed exactly once, or held and not
printed at all. The faults are made on the wire, by a real proxy."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from print_site import PrintSite
from tcp_proxy import TcpProxy

SMALL, LARGE = 1000, 1_500_000
# request → size of a document that needs it, and a piece of it that no other request has
REQUESTS: dict[str, tuple[int, bytes]] = {
    "putfile": (SMALL, b"PUT /api/putfile?"),
    "tempfile": (LARGE, b"POST /api/tempfile"),
    "putsegment": (LARGE, b"PUT /api/putsegment?"),
    "submitfile": (LARGE, b"POST /api/submitfile"),
    "get job": (SMALL, b"GET /api/get/job/"),
}


Fault = Callable[[PrintSite, TcpProxy, bytes], None]


def _answer(status: str, text: str, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(text)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", text]).encode()


def _instead(answer: bytes, times: int = 1) -> Fault:
    def make(_: PrintSite, proxy: TcpProxy, piece: bytes) -> None:
        proxy.answer_instead = (piece, answer, times)

    return make


def _lose_request(_: PrintSite, proxy: TcpProxy, piece: bytes) -> None:
    proxy.lose_requests_with = piece


def _lose_answer(_: PrintSite, proxy: TcpProxy, piece: bytes) -> None:
    proxy.lose_answers_after = piece


def _stall(_: PrintSite, proxy: TcpProxy, piece: bytes) -> None:
    proxy.lose_answers_after, proxy.keep_answers = piece, True


def _restart(site: PrintSite, proxy: TcpProxy, piece: bytes) -> None:
    def restart() -> None:
        site.cloud.restart()
        proxy.lost += 1

    proxy.at_request = (piece, restart)


HTML = _answer("200 OK", "<html>Sign in</html>", "Content-Type: text/html")
FAULTS: dict[str, Fault] = {
    "reset before the request": _lose_request,
    "reset after the request": _lose_answer,
    "no answer at all": _stall,
    "server restarts": _restart,
    "closed without an answer": _instead(b""),
    "answer cut off": _instead(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n2026"),
    "500": _instead(_answer("500 Internal Server Error", "oops")),
    "502 three times": _instead(_answer("502 Bad Gateway", "<h1>502</h1>"), 3),
    "503 with Retry-After": _instead(_answer("503 Unavailable", "later", "Retry-After: 1")),
    "504": _instead(_answer("504 Gateway Timeout", "")),
    "429": _instead(_answer("429 Too Many Requests", "slow down", "Retry-After: 1")),
    "401": _instead(_answer("401 Unauthorized", "who are you?")),
    "404": _instead(_answer("404 Not Found", "no such thing")),
    "Error text": _instead(_answer("200 OK", "Error: something is wrong")),
    "login page": _instead(HTML),
    "short segment, wrong number": _instead(_answer("200 OK", "1")),
    "nothing": _instead(_answer("200 OK", "")),
}
# nothing but these may hold a job: the server has said no, or something else has answered
MAY_HOLD = {"401", "404", "Error text", "login page", "short segment, wrong number", "nothing"}


@pytest.fixture(scope="module")
def faulty() -> Iterator[PrintSite]:
    """A site for the tests of this file."""
    with PrintSite() as site:
        yield site


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("request_name", REQUESTS)
def test_once_or_held(faulty: PrintSite, tmp_path: Path, request_name: str, fault: str) -> None:
    """The document is delivered once and the job completed, or it is held and not delivered; a
    person who releases it gets it printed, once. No fault of a line stops the queue, whatever its
    error policy (apple/cups#4757, #5735, #5544, PR #5123)."""
    site = faulty
    size, piece = REQUESTS[request_name]
    data = random.Random(f"{request_name} {fault}").randbytes(size)
    (tmp_path / "raw").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()

    def printed() -> int:
        return sum(job["sha256"] == digest for job in site.cloud.jobs())

    with TcpProxy(site.server) as proxy:
        site.configure(server=proxy.name)
        queue = site.queue(driver=False, server=proxy.name, policy="stop-printer")
        FAULTS[fault](site, proxy, piece)
        job_id = site.cups.lp(queue, "-o", "raw", tmp_path / "raw")
        while proxy.lost == 0:
            site.cups.wait_job(job_id, "processing", "completed", "held")
        proxy.lose_requests_with = proxy.lose_answers_after = None
        job = site.cups.wait_job(job_id, "completed", "held")
        if job["job-state"] == 4:
            assert fault in MAY_HOLD
            assert printed() == 0
            assert "(CB-4" in job["job-printer-state-message"]
            site.cups.run("lp", "-i", str(job_id), "-H", "resume")
            assert site.cups.wait_job(job_id)["job-state"] == 9
    assert printed() == 1
    assert site.cups.printer(queue)["printer-state"] == 3
