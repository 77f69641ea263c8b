"""`kill -9` at every step: the job resumes, and prints exactly once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from print_site import PrintSite, document, eventually
from tcp_proxy import TcpProxy

SMALL, LARGE = 1000, 3_000_000
RETRY_CURRENT = 7  # CUPS_BACKEND_RETRY_CURRENT, backend(7)
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


@pytest.fixture(scope="module", params=["cold", "warm"])
def faulty(request: pytest.FixtureRequest) -> Iterator[PrintSite]:
    """A site for the tests of this file, without and with warm workers."""
    with PrintSite(is_warm=request.param == "warm") as site:
        yield site


def _print(
    site: PrintSite, proxy: TcpProxy, path: Path, size: int
) -> tuple[str, int, Callable[[], list[bytes]]]:
    """Print `size` bytes of noise through the proxy to a device of their own.

    Return the queue, the CUPS job id, and a function that reads the device's documents.
    """
    path.write_bytes(random.Random(size).randbytes(size))
    site.configure(server=proxy.name)
    device = site.device()
    queue = site.queue(f"Paris:{device}", driver=False, server=proxy.name)
    job_id = site.cups.lp(queue, "-o", "raw", path)
    return queue, job_id, lambda: [document(job) for job in site.cloud_jobs(device, 1)]


@pytest.mark.sampled
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("step", STEPS)
def test_worker(faulty: PrintSite, tmp_path: Path, step: str, moment: str) -> None:
    """When the working process is killed, CUPS runs the job again, and it resumes."""
    site = faulty
    size, piece = STEPS[step]
    path = tmp_path / "raw"
    with TcpProxy(site.server) as proxy:
        killed: list[int] = []

        def kill() -> None:
            killed.append(site.worker())
            os.kill(killed[0], signal.SIGKILL)

        setattr(proxy, moment, (piece, kill))
        queue, job_id, documents = _print(site, proxy, path, size)
        assert site.cups.wait_job(job_id)["job-state"] == 9
        assert killed
    assert documents() == [path.read_bytes()]
    assert site.cups.printer(queue)["printer-state"] == 3


@pytest.mark.sampled
@pytest.mark.parametrize("step", STEPS)
def test_supervisor(faulty: PrintSite, tmp_path: Path, step: str) -> None:
    """CUPS counts a job as completed when the process that it sees is killed, and rightly."""
    site = faulty
    size, piece = STEPS[step]
    path = tmp_path / "raw"
    with TcpProxy(site.server) as proxy:
        proxy.at_request = (piece, lambda: os.kill(site.supervisor(), signal.SIGKILL))
        _, job_id, documents = _print(site, proxy, path, size)
        assert site.cups.wait_job(job_id)["job-state"] == 9
        eventually(lambda: bool(documents()))
        eventually(lambda: not site.backends())
    assert documents() == [path.read_bytes()]


@pytest.mark.sampled(seed=[0], faulty=["warm"])
@pytest.mark.parametrize("seed", range(4))
def test_at_any_moment(faulty: PrintSite, tmp_path: Path, seed: int) -> None:
    """The worker is killed at random moments, three times in a row."""
    site = faulty
    rng = random.Random(seed)
    path = tmp_path / "raw"
    with TcpProxy(site.server) as proxy:
        proxy.bytes_per_s = 250_000  # of each connection: no run ends before it is killed
        _, job_id, documents = _print(site, proxy, path, 4_000_000 + seed)
        killed: set[int] = set()
        for _ in range(3):
            eventually(lambda: set(site.workers()) - killed)  # a kill takes a moment
            time.sleep(rng.uniform(0.0, 0.8))
            worker = site.worker()
            os.kill(worker, signal.SIGKILL)
            killed.add(worker)
        assert site.cups.wait_job(job_id, timeout_s=90)["job-state"] == 9
    assert documents() == [path.read_bytes()]


@pytest.mark.sampled(faulty=["cold"])
def test_every_run_is_killed(faulty: PrintSite, tmp_path: Path) -> None:
    """A job whose runs are all killed is held with a message; released, it prints."""
    site = faulty
    path = tmp_path / "raw"
    with TcpProxy(site.server) as proxy:

        def kill() -> None:
            os.kill(site.worker(), signal.SIGKILL)
            proxy.at_request = (b"/api/", kill)

        proxy.at_request = (b"/api/", kill)
        _, job_id, documents = _print(site, proxy, path, LARGE + 1)
        job = site.cups.wait_job(job_id, "held", timeout_s=90)
        assert "interrupted 5 times in a row" in site.cups.error_log()
        assert "(CB-603)" in job["job-printer-state-message"]
        proxy.at_request = None
        site.cups.run("lp", "-i", str(job_id), "-H", "resume")
        assert site.cups.wait_job(job_id)["job-state"] == 9
    assert documents() == [path.read_bytes()]


def test_cupsd_alone(faulty: PrintSite, tmp_path: Path) -> None:
    """When cupsd dies and returns, the old backend leaves the job to the new one.

    The job prints once.
    """
    site = faulty
    path = tmp_path / "raw"
    with TcpProxy(site.server) as proxy:
        proxy.hide = (b"idempotency-supported", b"Idempotency-Key")
        proxy.bytes_per_s = 300_000
        _, job_id, documents = _print(site, proxy, path, LARGE + 2)
        eventually(lambda: proxy.sent_bytes > 500_000)
        site.cups.kill(alone=True)
        assert site.backends()
        site.cups.start()
        proxy.bytes_per_s = None
        assert site.cups.wait_job(job_id)["job-state"] == 9
    assert documents() == [path.read_bytes()]


OUTLIVING = """\
import os, sys
from cirrus_bridge.backend.call import Call
from cirrus_bridge.backend.main import run
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.journal.run_notes import NOT_NOTED
cupsd = os.spawnlp(os.P_NOWAIT, "true", "true")
os.waitpid(cupsd, 0)
call = Call(sys.argv, os.environ, sys.stdin.buffer, sys.stderr.buffer, cupsd)
sys.exit(run(call, NOT_NOTED, Clock()).code)
"""


def test_a_worker_that_outlives_its_cupsd(own_site: PrintSite) -> None:
    """A job that the next cupsd has completed already is no new print for an earlier run."""
    site = own_site
    queue = site.queue(driver=False)
    job_id = site.cups.lp(queue, data=b"x")
    assert site.cups.wait_job(job_id)["job-state"] == 9
    environ = {
        **(os.environ | site.environ),
        "CUPS_SERVER": str(site.cups.socket),
        "DEVICE_URI": f"cirrus://{site.server}/Acme/Paris:Laser1",
        "SOFTWARE": "CUPS/2.4",
        "PRINTER": queue,
    }
    command = [sys.executable, "-c", OUTLIVING, str(job_id), "ann", "t", "1", ""]
    done = subprocess.run(command, env=environ, input=b"x", capture_output=True)
    assert done.returncode == RETRY_CURRENT, done.stderr.decode()
    assert len(site.cloud.jobs()) == 1


def test_poller(own_site: PrintSite) -> None:
    """The next poller takes over at once."""
    site = own_site
    site.cloud.cli("location", "offline", "Paris")
    job_id = site.cups.lp(site.queue(driver=False, options="?waittimeout=1"), data=b"x")
    site.cups.wait_job(job_id, "held")
    with site.start_statusd() as killed:
        eventually(site.poller)
        killed.kill()
    site.cloud.cli("location", "online", "Paris")
    with site.statusd():
        assert site.cups.wait_job(job_id)["job-state"] == 9
