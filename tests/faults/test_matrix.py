"""Every fault at every request of both ways to the cloud: printed exactly once, or held.

A held job is not printed at all. A real proxy makes the faults on the wire.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from answers import WEB_PAGE, answer
from line_faults import COMMON_FAULTS, REQUESTS, instead
from print_site import PrintSite, document, eventually
from tcp_proxy import TcpProxy

FAULTS = COMMON_FAULTS | {
    "504": instead(answer("504 Gateway Timeout", "")),
    "short segment, wrong number": instead(answer("200 OK", "1")),
}
# Only these codes may hold a job: the server refused, or something else answered.
MAY_HOLD = {"401", "404", "Error text", "login page", "short segment, wrong number", "nothing"}


@pytest.fixture(scope="module", params=["cold", "warm"])
def faulty(request: pytest.FixtureRequest) -> Iterator[PrintSite]:
    """A site for the tests of this file, without and with warm workers."""
    with PrintSite(is_warm=request.param == "warm") as site:
        yield site


@pytest.mark.sampled
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("request_name", REQUESTS)
def test_once_or_held(faulty: PrintSite, tmp_path: Path, request_name: str, fault: str) -> None:
    """The document is delivered once and the job completed, or it is held and not delivered.

    A released job prints once. No fault of a line stops the queue, whatever its error policy
    (apple/cups#4757, #5735, #5544, PR #5123).
    """
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


@pytest.mark.sampled
@pytest.mark.parametrize("is_taken", [True, False])
@pytest.mark.parametrize("request_name", ["putfile", "submitfile"])
def test_an_id_that_another_job_has(
    faulty: PrintSite, tmp_path: Path, request_name: str, is_taken: bool
) -> None:
    """The job is held with a message, whether or not the server took the document.

    After its release, the job prints once.
    """
    site = faulty
    size, piece = REQUESTS[request_name]
    data = random.Random(f"{request_name} {is_taken}").randbytes(size)
    (tmp_path / "raw").write_bytes(data)
    device = site.device()
    with TcpProxy(site.server) as proxy:
        site.configure(server=proxy.name)
        queue = site.queue(f"Paris:{device}", driver=False, server=proxy.name)
        first = site.cups.lp(queue, data=b"another document")
        assert site.cups.wait_job(first)["job-state"] == 9
        repeated = answer("200 OK", site.cloud_jobs(device, 1)[0]["id"])
        if is_taken:
            proxy.at_answer = (piece, lambda: setattr(proxy, "rewrite_answers", lambda _: repeated))
        else:
            proxy.answer_instead = (piece, repeated, 1)
        job_id = site.cups.lp(queue, "-o", "raw", tmp_path / "raw")
        job = site.cups.wait_job(job_id, "held", "completed")
        assert job["job-state"] == 4
        assert "(CB-422)" in job["job-printer-state-message"]
        proxy.rewrite_answers = bytes
        site.cups.run("lp", "-i", str(job_id), "-H", "resume")
        assert site.cups.wait_job(job_id)["job-state"] == 9
    printed = [document(job) for job in site.cloud_jobs(device, 2)]
    assert printed == [b"another document", data]


# --- faults that last longer than a backend waits

Lasting = Callable[[PrintSite, list[TcpProxy]], contextlib.AbstractContextManager[None]]
FOR_EVER = 1_000_000


@contextlib.contextmanager
def _no_server(site: PrintSite, _: list[TcpProxy]) -> Iterator[None]:
    site.cloud.kill()
    yield
    site.cloud.come_back()


@contextlib.contextmanager
def _locked_journal(site: PrintSite, _: list[TcpProxy]) -> Iterator[None]:
    path = site.state / "journal.db"
    db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    db.execute("BEGIN IMMEDIATE")
    yield
    db.close()


def _answering(text: bytes) -> Lasting:
    @contextlib.contextmanager
    def answering(_: PrintSite, proxies: list[TcpProxy]) -> Iterator[None]:
        for proxy in proxies:
            proxy.answer_instead = (b"/api/", text, FOR_EVER)
        yield
        for proxy in proxies:
            proxy.answer_instead = None

    return answering


LASTING: Mapping[str, Lasting] = {
    "no server": _no_server,
    "a web page": _answering(WEB_PAGE),
    "refused key": _answering(answer("401 Unauthorized", "who are you?")),
    "locked journal": _locked_journal,
}


@pytest.fixture(scope="module")
def patient() -> Iterator[PrintSite]:
    """A site with a poller, whose CUPS gives a job little time."""
    # the journal's ten seconds have to fit in, on a busy machine too
    with PrintSite(directives=["MaxJobTime 40"]) as site:
        yield site


@pytest.mark.sampled(fault=["no server"])
@pytest.mark.parametrize("fault", LASTING)
def test_held_and_released_by_itself(patient: PrintSite, tmp_path: Path, fault: str) -> None:
    """From each request on, the job is held, resumes without a person, and prints once."""
    site = patient
    jobs: dict[int, tuple[str, bytes]] = {}
    with contextlib.ExitStack() as ends:
        proxies = [ends.enter_context(TcpProxy(site.server)) for _ in REQUESTS]
        _configure(site, proxies)
        ends.enter_context(site.statusd())
        eventually(site.poller)
        lasting = ends.enter_context(contextlib.ExitStack())
        all_there = threading.Barrier(
            len(proxies), lambda: lasting.enter_context(LASTING[fault](site, proxies))
        )
        for proxy, (size, piece) in zip(proxies, REQUESTS.values(), strict=True):
            data = random.Random(f"{piece!r} {fault}").randbytes(size)
            (tmp_path / "raw").write_bytes(data)
            device = site.device()
            proxy.at_request = (piece, all_there.wait)
            queue = site.queue(f"Paris:{device}", driver=False, server=proxy.name)
            jobs[site.cups.lp(queue, "-o", "raw", tmp_path / "raw")] = (device, data)
        for job_id in jobs:
            site.cups.wait_job(job_id, "held")
        lasting.close()
        for job_id, (device, data) in jobs.items():
            assert site.cups.wait_job(job_id)["job-state"] == 9
            assert [document(job) for job in site.cloud_jobs(device, 1)] == [data]


def _configure(site: PrintSite, proxies: list[TcpProxy]) -> None:
    site.configure()
    settings = site.config / "bridge.toml"
    settings.write_text(settings.read_text().replace("waittimeout = 20", "waittimeout = 1"))
    site.configure_statusd("orphan_after_s = 1")
    entries = [
        f'[[server]]\nhost = "{proxy.name}"\ncompany = "Acme"\napi_key = "{site.key}"\n'
        for proxy in proxies
    ]
    (site.config / "servers.d" / "site.toml").write_text("".join(entries))
