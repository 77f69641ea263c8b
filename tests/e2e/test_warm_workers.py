"""Warm workers: jobs share a worker, and nothing but speed depends on the service."""

from __future__ import annotations

import os
import pwd
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from answers import answer
from cirrus_bridge.backend.front import LONGEST_S
from cirrus_bridge.backend.workerd import AT_ONCE, MOST
from print_site import PrintSite, document, eventually
from programs import Program
from tcp_proxy import TcpProxy

HELD, COMPLETED = 4, 9
WRONG_KEY = "wr0ng-k3y-0123456789"


@pytest.fixture(scope="module")
def warm() -> Iterator[PrintSite]:
    """A site for the tests of this file."""
    with PrintSite() as site:
        yield site


def _idle_workers(site: PrintSite) -> list[int]:
    """The workers that wait for a job."""
    assert site.workerd
    children = Path(f"/proc/{site.workerd.pid}/task/{site.workerd.pid}/children").read_text()
    return [
        pid
        for pid in map(int, children.split())
        if Path(f"/proc/{pid}/comm").read_text() == "cirrus idle\n"
    ]


def _print(site: PrintSite, queue: str, data: bytes) -> None:
    job_id = site.cups.lp(queue, "-o", "raw", data=data)
    assert site.cups.wait_job(job_id)["job-state"] == COMPLETED
    eventually(lambda: _idle_workers(site))


def test_a_worker_does_one_job_after_the_other(warm: PrintSite) -> None:
    """Jobs share a worker, and leave no open file in it."""
    device = warm.device()
    queue = warm.queue(f"Paris:{device}", driver=False)
    documents = [b"first", b"second", random.Random(1).randbytes(1_500_000), b"last"]
    warm.stop_workerd()
    warm.start_workerd()
    workers, files = set(), []
    for data in documents:
        _print(warm, queue, data)
        (worker,) = _idle_workers(warm)
        workers.add(worker)
        files.append(len(os.listdir(f"/proc/{worker}/fd")))  # noqa: PTH208
    assert [document(job) for job in warm.cloud_jobs(device, 4)] == documents
    assert len(workers) == 1
    assert files[0] == files[1]
    assert files[2] == files[3], "a large job leaves only its connections"


def test_jobs_of_one_worker_share_a_connection(warm: PrintSite) -> None:
    """Jobs that follow each other at once need one connection to the server."""
    with TcpProxy(warm.server) as proxy:
        warm.configure(server=proxy.name)
        queue = warm.queue(driver=False, server=proxy.name, options="?wait=submitted")
        jobs = [warm.cups.lp(queue, "-o", "raw", data=b"%d" % number) for number in range(4)]
        for job_id in jobs:
            assert warm.cups.wait_job(job_id)["job-state"] == COMPLETED
        assert proxy.connections < len(jobs)
    warm.configure()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_service_ends_during_a_job(warm: PrintSite, number: int) -> None:
    """The worker does its job to the end; the next job is done without the service."""
    device = warm.device()
    data = random.Random(number).randbytes(1_500_000)
    with TcpProxy(warm.server) as proxy:
        warm.configure(server=proxy.name)
        queue = warm.queue(f"Paris:{device}", driver=False, server=proxy.name)
        service = warm.workerd
        assert service

        def end() -> None:
            service.send_signal(number)
            service.wait(60)

        proxy.at_request = (b"&index=0", end)
        job_id = warm.cups.lp(queue, "-o", "raw", data=data)
        assert warm.cups.wait_job(job_id)["job-state"] == COMPLETED
        assert service.returncode in (0, -number)
        warm.workerd = None
        job_id = warm.cups.lp(queue, "-o", "raw", data=b"alone")
        assert warm.cups.wait_job(job_id)["job-state"] == COMPLETED
    assert [document(job) for job in warm.cloud_jobs(device, 2)] == [data, b"alone"]
    warm.configure()
    warm.start_workerd()


def test_a_key_that_is_newer_than_the_service(warm: PrintSite) -> None:
    """A job uses the new key, although the service still has a copy of the old one."""
    warm.configure(key=WRONG_KEY)
    entry = warm.config / "servers.d" / "site.toml"
    entry.write_text(entry.read_text().replace(WRONG_KEY, warm.key))
    job_id = warm.cups.lp(warm.queue(driver=False), data=b"x")
    assert warm.cups.wait_job(job_id)["job-state"] == COMPLETED
    warm.configure()


def test_a_configuration_that_is_wrong(warm: PrintSite) -> None:
    """The error is told as without the service, and stops the queue."""
    bridge = warm.config / "bridge.toml"
    good = bridge.read_text()
    bridge.write_text(f"{good}nonsense = 1\n")
    queue = warm.queue(driver=False)
    job_id = warm.cups.lp(queue, data=b"x")
    eventually(lambda: warm.cups.printer(queue)["printer-state"] == 5)
    bridge.write_text(good)
    warm.cups.run("cupsenable", queue)
    assert warm.cups.wait_job(job_id)["job-state"] == COMPLETED


def test_a_stopped_service(warm: PrintSite) -> None:
    """If the service hangs, the front does the job by itself after a while."""
    assert warm.workerd
    warm.workerd.send_signal(signal.SIGSTOP)
    try:
        job_id = warm.cups.lp(warm.queue(driver=False), data=b"x")
        assert warm.cups.wait_job(job_id)["job-state"] == COMPLETED
    finally:
        warm.workerd.send_signal(signal.SIGCONT)


@pytest.mark.attacker("local account")
def test_other_users_cannot_use_the_workers(warm: PrintSite) -> None:
    """Only root and the service's own user get a worker, whatever the mode of the socket is."""
    path = warm.environ["CIRRUS_BRIDGE_WORKERS"]
    assert os.stat(path).st_mode & 0o077 == 0  # noqa: PTH116
    asked = f"""\
import socket
service = socket.socket(socket.AF_UNIX)
service.connect({path!r})
print(service.recv(1))
"""
    for opened in (Path(path), Path(path).parent):
        opened.chmod(0o777)
    said = subprocess.run(
        [sys.executable, "-c", asked], user="nobody", capture_output=True, text=True, check=True
    )
    assert said.stdout == "b''\n"
    with socket.socket(socket.AF_UNIX) as root:
        root.settimeout(2 * LONGEST_S)
        root.connect(path)
        assert root.recv(1) == b"w"
        root.sendall(b"what")  # no front sends such a size, and without descriptors
        assert root.recv(1) == b""


def test_a_burst_of_jobs(warm: PrintSite) -> None:
    """A burst gets few workers at once, and more as long as these are busy."""
    count = AT_ONCE + 2
    with TcpProxy(warm.server) as proxy:
        warm.configure(server=proxy.name)
        proxy.bytes_per_s = 1000
        devices = [warm.device() for _ in range(count)]
        queues = [
            warm.queue(f"Paris:{device}", driver=False, server=proxy.name) for device in devices
        ]
        data = random.Random(2).randbytes(100_000)
        jobs = [warm.cups.lp(queue, "-o", "raw", data=data) for queue in queues]
        eventually(lambda: len(warm.workers()) == count)
        proxy.bytes_per_s = None
        for job_id in jobs:
            assert warm.cups.wait_job(job_id)["job-state"] == COMPLETED
    warm.configure()


def test_more_jobs_than_workers() -> None:
    """Beyond MOST, workers give way by leaving jobs that no location fetches to the poller. Each
    job is printed once."""
    with PrintSite() as site, site.statusd():
        site.cloud.cli("location", "offline", "Paris")
        queues = [site.queue(driver=False, options="?waittimeout=600") for _ in range(MOST + 4)]
        jobs = [site.cups.lp(queue, data=b"x") for queue in queues]
        eventually(lambda: any(site.cups.job(job)["job-state"] == HELD for job in jobs))
        assert "another job waits for this process" in site.cups.error_log()
        eventually(lambda: len(site.cloud.jobs()) == len(jobs))
        site.cloud.cli("location", "online", "Paris")
        for job_id in jobs:
            assert site.cups.wait_job(job_id, timeout_s=240)["job-state"] == COMPLETED
        assert len(site.cloud.jobs()) == len(jobs)


def test_a_spool_that_the_service_cannot_read(warm: PrintSite) -> None:
    """The front does the job by itself, as the user and group that CUPS gives a backend."""
    spool = warm.cups.root / "spool"
    group = spool.stat().st_gid
    os.chown(spool, 0, 0)
    spool.chmod(0o700)
    try:
        job_id = warm.cups.lp(warm.queue(driver=False), data=b"x")
        assert warm.cups.wait_job(job_id)["job-state"] == COMPLETED
    finally:
        os.chown(spool, pwd.getpwnam("lp").pw_uid, group)


FAKE = """\
import os, socket, struct
service = socket.socket(socket.AF_UNIX)
service.bind({path!r})
service.listen()
front, _ = service.accept()
front.send(b"w")
head, _, _, _ = socket.recv_fds(front, 4, 3)
(size,) = struct.unpack("=I", head)
while size:
    size -= len(front.recv(size))
socket.send_fds(front, [b"s" + bytes(3)], [os.pidfd_open({victim})])
front.recv(1)
print("agreed", flush=True)
front.recv(1)
"""


@pytest.mark.attacker("local account")
def test_the_service_stops_no_other_process() -> None:
    """Take over the service's user, and give root's front the handle of another process: a cancel
    does not stop that process."""
    with PrintSite() as site, Program[bytes](["sleep", "600"]) as victim:
        site.stop_workerd()
        fake = FAKE.format(path=site.environ["CIRRUS_BRIDGE_WORKERS"], victim=victim.pid)
        owner = site.state.stat().st_uid
        with Program[str](
            [sys.executable, "-c", fake], user=owner, stdout=subprocess.PIPE, text=True
        ) as service:
            eventually(Path(site.environ["CIRRUS_BRIDGE_WORKERS"]).exists)
            job_id = site.cups.lp(site.queue(driver=False), data=b"x")
            assert service.stdout
            assert service.stdout.readline() == "agreed\n"
            site.cups.run("cancel", str(job_id))
            service.kill()  # then the front ends, after it has passed on the signal
            eventually(lambda: not site.backends())
        assert victim.poll() is None


def test_the_front_is_killed_before_the_job_is_held() -> None:
    """CUPS takes the job for printed, because nobody gives it the worker's exit code. The poller
    makes CUPS print the job."""
    with PrintSite() as site, TcpProxy(site.server) as proxy:
        site.configure(server=proxy.name)
        site.configure_statusd("orphan_after_s = 1")
        piece = b"PUT /api/putfile"
        proxy.at_request = (piece, lambda: os.kill(site.supervisor(), signal.SIGKILL))
        proxy.answer_instead = (piece, answer("401 Unauthorized", "who are you?"), 1)
        with site.statusd():
            job_id = site.cups.lp(site.queue(driver=False, server=proxy.name), data=b"x")
            site.wait_jobs(lambda jobs: len(jobs) == 1 and jobs[0]["state"] == 2)
            assert site.cups.wait_job(job_id)["job-state"] == COMPLETED
