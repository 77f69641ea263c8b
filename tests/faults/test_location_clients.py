"""Clients of a location whose line or process breaks: each document is delivered once."""

from __future__ import annotations

import collections
import contextlib
import functools
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cirrus_cloudlet.client.connection import Connection
from cirrus_cloudlet.client.service import Service
from cirrus_cloudlet.client.settings import Settings
from cloudlet_server import CloudletServer
from curl import Curl
from location_client import LocationClient
from tcp_proxy import TcpProxy

LARGE = random.Random(3).randbytes(2_000_000)
# a unique part of each request of an errand
STEPS = {
    "poll": b"POST /api/client/poll",
    "document": b"GET /api/client/document/",
    "received": b"event=received",
    "delivered": b"event=delivered",
}
SEED = 22


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[CloudletServer]:
    """A server whose location Office is left to clients, with a command as its device D."""
    server = CloudletServer()
    server.start(tmp_path / "data")
    target = f"sh -c 'echo {{jobid}} >>{tmp_path}/printed'"
    server.cli("device", "add", "ACME/Office/D", "--type", "command", "--target", target)
    yield server
    server.close()


@pytest.fixture
def proxy(cloud: CloudletServer) -> Iterator[TcpProxy]:
    """The line between the client and the server."""
    with TcpProxy(cloud.url.removeprefix("http://")) as line:
        yield line


@pytest.fixture
def client(cloud: CloudletServer, tmp_path: Path) -> Iterator[LocationClient]:
    """A client that was not started yet."""
    key = cloud.cli("key", "add", "--role", "client", "--location", "Office")
    made = LocationClient(tmp_path / "client", key)
    yield made
    made.close()


def printed(tmp_path: Path) -> list[str]:
    """The jobs that the device D has got."""
    path = tmp_path / "printed"
    return path.read_text().split() if path.exists() else []


def test_a_broken_transfer_resumes(
    cloud: CloudletServer, proxy: TcpProxy, client: LocationClient
) -> None:
    """The line breaks in the middle of a document: the rest is fetched, and the digest is right."""
    proxy.cut_answer = (STEPS["document"], 1_200_000)
    client.start(f"http://{proxy.name}")
    job = cloud.wait_for_job(Curl(cloud.url, cloud.key).submit(LARGE), 2)
    assert Path(job["target"]).read_bytes() == LARGE
    assert proxy.lost == 1
    fetches = [head for head in proxy.heads if head.startswith(STEPS["document"])]
    assert len(fetches) == 2


def test_a_killed_client_resumes_the_transfer(
    cloud: CloudletServer, proxy: TcpProxy, client: LocationClient
) -> None:
    """A client that is killed in the middle of a document fetches the rest after its restart."""
    proxy.cut_answer = (STEPS["document"], 1_200_000)
    passed = 0

    def count(data: bytes) -> bytes:
        nonlocal passed
        passed += len(data)
        if passed > 100_000:  # so the first document request passes, and no further one
            proxy.lose_requests_with = STEPS["document"]
        return data

    proxy.rewrite_answers = count
    client.start(f"http://{proxy.name}")
    job_id = Curl(cloud.url, cloud.key).submit(LARGE)
    _eventually(lambda: proxy.lost >= 1)
    client.kill()
    proxy.rewrite_answers, proxy.lose_requests_with = bytes, None
    (part,) = (client.data / "spool").glob("*.part")
    size = part.stat().st_size
    assert 0 < size < len(LARGE)
    ranges: list[bytes] = []
    proxy.at_request = (b"Range: bytes=%d-" % size, lambda: ranges.append(b"resumed"))
    client.start(f"http://{proxy.name}")
    assert Path(cloud.wait_for_job(job_id, 2)["target"]).read_bytes() == LARGE
    assert ranges == [b"resumed"]


@pytest.mark.parametrize("moment", ["at_request", "at_answer"])
@pytest.mark.parametrize("step", STEPS)
def test_kill_between_two_requests(
    cloud: CloudletServer,
    proxy: TcpProxy,
    client: LocationClient,
    tmp_path: Path,
    step: str,
    moment: str,
) -> None:
    """Whenever the client is killed around a request, it prints the job once after its restart."""
    curl = Curl(cloud.url, cloud.key)
    first = curl.submit(b"%PDF-1.4 first", targets="Office:D") if step == "poll" else ""
    killed = threading.Event()

    def kill() -> None:
        client.kill()
        killed.set()

    setattr(proxy, moment, (STEPS[step], kill))
    client.start(f"http://{proxy.name}", "--allow-commands")
    ids = [first] if first else [curl.submit(b"%PDF-1.4 x", targets="Office:D")]
    assert killed.wait(30)
    client.start(f"http://{proxy.name}", "--allow-commands")
    ids.append(curl.submit(b"%PDF-1.4 the next", targets="Office:D"))
    for each in ids:
        cloud.wait_for_job(each, 2)
    assert printed(tmp_path) == ids


def test_kill_during_a_delivery(
    cloud: CloudletServer, client: LocationClient, tmp_path: Path
) -> None:
    """The client dies after printing and before its note: the job is held with the question."""
    target = f"sh -c 'echo {{jobid}} >>{tmp_path}/printed; kill -9 $PPID'"
    cloud.cli("device", "add", "ACME/Office/Deadly", "--type", "command", "--target", target)
    client.start(cloud.url, "--allow-commands")
    job_id = Curl(cloud.url, cloud.key).submit(b"%PDF-1.4 x", targets="Office:Deadly")
    _eventually(lambda: printed(tmp_path) == [job_id])
    client.find_dead()
    client.start(cloud.url, "--allow-commands")
    cloud.wait_for_job(job_id, 1, message="interrupted during the delivery; the job waits until")
    assert printed(tmp_path) == [job_id]
    client.stop()
    assert "Traceback" not in client.log.read_text()


def test_kill_while_a_file_is_written(
    cloud: CloudletServer, client: LocationClient, tmp_path: Path
) -> None:
    """A file is written once, even if the client dies between the file and its note."""
    client.start(cloud.url)
    curl = Curl(cloud.url, cloud.key)
    folder = client.delivered / "Office" / "Folder"
    for _ in range(4):
        job_id = curl.submit(LARGE, title="a")
        _eventually(functools.partial(_has_file, folder, job_id))
        client.kill()
        client.start(cloud.url)
        assert Path(cloud.wait_for_job(job_id, 2)["target"]).parent == folder
    assert [path.read_bytes() == LARGE for path in folder.iterdir()] == [True] * 4


def test_the_server_is_killed(
    cloud: CloudletServer, client: LocationClient, tmp_path: Path
) -> None:
    """A server that is killed while clients work prints nothing twice, and loses nothing."""
    client.start(cloud.url, "--allow-commands")
    curl = Curl(cloud.url, cloud.key)
    ids: list[str] = []
    for number in range(3):
        ids += curl.put("/api/putfile", b"%PDF-1.4 x", targets=";".join(["Office:D"] * 4),
                        title=str(number)).lines  # fmt: skip
        cloud.kill()
        cloud.come_back()
    for each in ids:
        cloud.wait_for_job(each, 2)
    assert printed(tmp_path) == ids


def test_fifty_clients(cloud: CloudletServer, tmp_path: Path) -> None:
    """Fifty locations behind a line that breaks in the middle of documents get their jobs once."""
    chance = random.Random(SEED)
    places = [f"L{number}" for number in range(50)]
    targets = ";".join(f"{place}:Folder" for place in places)
    for place in places:
        cloud.cli("device", "add", "--parents", f"ACME/{place}/Folder")
    with TcpProxy(cloud.url.removeprefix("http://")) as line:
        services = [_service(cloud, f"http://{line.name}", tmp_path / place) for place in places]
        with _running(services):
            curl = Curl(cloud.url, cloud.key)
            bodies = {}
            for _ in range(4):
                body = chance.randbytes(chance.randrange(1000, 400_000))
                line.cut_answer = (STEPS["document"], chance.randrange(500, len(body)))
                ids = curl.put("/api/putfile", body, targets=targets, title="x").lines
                bodies.update(dict.fromkeys(ids, body))
            states: collections.Counter[int] = collections.Counter()
            for jobs in cloud.changing_jobs(90):
                if line.lost < 20:
                    line.cut_answer = (STEPS["document"], chance.randrange(500, 100_000))
                states = collections.Counter(job["state"] for job in jobs)
                if states == {2: 200}:
                    break
            assert states == {2: 200}
    assert line.lost >= 4
    files = sorted(tmp_path.glob("L*/delivered/*/*/*"))
    assert sorted(path.name.partition("-x")[0] for path in files) == sorted(bodies)
    assert all(path.read_bytes() == bodies[path.name.partition("-x")[0]] for path in files)


def _service(cloud: CloudletServer, url: str, folder: Path) -> Service:
    """A client of the location that is named like its folder, in this process."""
    folder.mkdir()
    place = folder.name
    key = cloud.cli("key", "add", "--role", "client", "--location", f"ACME/{place}")
    settings = Settings(folder, url, place, folder / "key")
    return Service(settings, Connection(url, key, None, None), list)


@contextlib.contextmanager
def _running(services: list[Service]) -> Iterator[None]:
    threads = [threading.Thread(target=each.run, daemon=True) for each in services]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for service in services:
            service.stop()
        for thread in threads:
            thread.join(20)


def _has_file(folder: Path, job_id: str) -> bool:
    return any(folder.glob(f"{job_id}-*"))


def _eventually(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
