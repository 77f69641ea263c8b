"""Cancel at every step: the backend ends without waiting for an answer, and says what is true."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from print_site import PrintSite, eventually
from tcp_proxy import TcpProxy

SMALL, LARGE = 1000, 3_000_000
# Request → size of a document that needs it, a unique part of it, and the message after a cancel
# (none if nothing can have been printed).
STEPS: dict[str, tuple[int, bytes, str]] = {
    "tempfile": (LARGE, b"POST /api/tempfile", ""),
    "first putsegment": (LARGE, b"&index=0", ""),
    "later putsegment": (LARGE, b"&index=1", ""),
    "putfile": (SMALL, b"PUT /api/putfile?", "may be printed already"),
    "submitfile": (LARGE, b"POST /api/submitfile", "may be printed already"),
    "get job": (SMALL, b"GET /api/get/job/", "already has the job and will print it"),
}


@pytest.fixture(scope="module")
def slow() -> Iterator[PrintSite]:
    """A site whose backend would wait for an answer for a minute."""
    with PrintSite() as site:
        yield site


@pytest.mark.sampled
@pytest.mark.parametrize("moment", ["at_request", "at_answer"])
@pytest.mark.parametrize("step", STEPS)
def test_cancel(slow: PrintSite, tmp_path: Path, step: str, moment: str) -> None:
    """The proxy withholds request or answer until the backend has ended."""
    site = slow
    size, piece, told = STEPS[step]
    (tmp_path / "raw").write_bytes(random.Random(step).randbytes(size))
    with TcpProxy(site.server) as proxy:
        site.configure(server=proxy.name)
        bridge = site.config / "bridge.toml"
        bridge.write_text(bridge.read_text().replace("read_timeout_s = 10", "read_timeout_s = 60"))
        device = site.device()
        queue = site.queue(f"Paris:{device}", driver=False, server=proxy.name)
        there, gone = threading.Event(), threading.Event()

        def keep_back() -> None:
            there.set()
            gone.wait(60)

        setattr(proxy, moment, (piece, keep_back))
        job_id = site.cups.lp(queue, "-o", "raw", tmp_path / "raw")
        assert there.wait(60)
        site.cups.run("cancel", str(job_id))
        eventually(lambda: not site.backends())
        gone.set()
    assert site.cups.job(job_id)["job-state"] == 7
    eventually(lambda: site.cups.printer(queue)["printer-state"] == 3)
    log = [line for line in site.cups.error_log().splitlines() if f"[Job {job_id}]" in line]
    if told:
        assert any(told in line for line in log)
    else:
        assert any("stopped before it was sent" in line for line in log)
        assert not [job for job in site.cloud.jobs() if job["device"] == device]
