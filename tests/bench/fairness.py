"""How long one company waits for the embedded cloud while another company puts load on it.

Company B submits small documents one after the other, each by `putfile` with parameters. The
comparison is B's own time on the idle cloud of the same run. Company A's clients are processes of
their own and share the machine's processors with the cloud.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import signal
import statistics
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlsplit

from cloudlet_server import CloudletServer
from frame import Setting, Table
from workloads import MB, make

COLUMNS = (
    *("what company A does", "B's median ms", "B's 99 % ms", "median / idle", "99 % / idle"),
    "A's answers a second",
)
# company A's load → how many clients repeat it
LOADS = {
    "prints 50 KB documents": 16,
    "prints 20 MB of PostScript": 8,
    "sends 512 KiB to the same place": 64,
    "sends bombs (49 KB for 50 MB, damaged at the end)": 45,
    "sends 4 MB of empty gzip members": 16,
}
_BOMB_BYTES = 50_000_000
_SETTLING_S = 2.0


def table(setting: Setting) -> Table:
    """Measure B's submits to the idle cloud, and under each load of A."""
    folder, count = setting.folder, setting.size(300, 50)
    made = Table(f"Two companies on one embedded cloud ({count} submits)", COLUMNS)
    document = make(folder / "50k.pdf", "pdf", 50_000).read_bytes()
    with _server(folder) as (server, key_a, key_b):
        measure = partial(_measure, server, key_b, document, count)
        measure()  # the first requests warm up
        idle = measure()
        made.row("nothing", *_figures(idle, idle), "")
        for load, clients in LOADS.items():
            with _company_a(folder, server, key_a, load, clients) as answers:
                time.sleep(_SETTLING_S)
                found = measure()
            made.row(f"{load}, {clients} clients", *_figures(found, idle), f"{answers():.0f}")
    return made


def _figures(found: list[float], idle: list[float]) -> tuple[str, ...]:
    middle, high = statistics.median(found), _high(found)
    ratios = (middle / statistics.median(idle), high / _high(idle))
    return f"{middle * 1000:.1f}", f"{high * 1000:.1f}", *(f"{ratio:.1f}" for ratio in ratios)


def _high(found: list[float]) -> float:
    return statistics.quantiles(found, n=100)[98]


def _measure(server: CloudletServer, key: str, document: bytes, count: int) -> list[float]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    found = []
    for _ in range(count):
        began = time.perf_counter()
        _, status = _ask(connection, key, "PUT", _PRINT, document)
        found.append(time.perf_counter() - began)
        assert status == 200, status
    connection.close()
    return found


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[tuple[CloudletServer, str, str]]:
    server = CloudletServer()
    server.start(folder / "data")
    with (server.data / "cloudlet.toml").open("a") as toml:
        toml.write("\n[limits]\ncompany_bytes = 4_000_000_000\n")  # the disk may be small
    server.cli("device", "add", "--parents", "B/Office/D", "--type", "viewer")
    server.cli("device", "add", "ACME/Office/D", "--type", "command", "--target", "true")
    try:
        yield server, server.key, server.new_key("B")
    finally:
        server.close()


@contextlib.contextmanager
def _company_a(
    folder: Path, server: CloudletServer, key: str, load: str, clients: int
) -> Iterator[Callable[[], float]]:
    """Run company A's clients; yield a function that returns the answers a second at the end."""
    made = folder / "load"
    made.mkdir(exist_ok=True)
    netloc = urlsplit(server.url).netloc
    command = [sys.executable, __file__, netloc, key, load, str(clients), str(made)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()  # the bodies are ready
    began = time.perf_counter()
    rate = 0.0
    try:
        yield lambda: rate
    finally:
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
        rate = int(said or 0) / (time.perf_counter() - began)


_QUERY = f"targets={quote('Office:D')}&title=document.pdf"
_PRINT = f"/api/putfile?{_QUERY}"


def _ask(
    connection: http.client.HTTPConnection, key: str, method: str, path: str, body: bytes = b""
) -> tuple[str, int]:
    connection.request(method, path, body, {"Authorization": f"Bearer {key}"})
    with connection.getresponse() as answer:
        return answer.read().decode(), answer.status


def _load(netloc: str, key: str, load: str, folder: Path) -> Callable[[], None]:
    """Make the body of a load; return a function that repeats its request forever."""
    body, path = _request(load, folder)

    def repeat() -> None:
        connection = http.client.HTTPConnection(netloc)
        method, target, sent = "PUT", path, body
        if path.startswith("/api/submitfile"):
            target = path + _ask(connection, key, "PUT", "/api/putfile", body)[0]
            method, sent = "POST", b""
        elif path.startswith("/api/putsegment"):
            target = path + _ask(connection, key, "GET", "/api/tempfile")[0]
        while True:
            try:
                _ask(connection, key, method, target, sent)
            except (OSError, http.client.HTTPException):
                connection.close()
                time.sleep(0.1)
            else:
                answered.append(None)

    return repeat


def _request(load: str, folder: Path) -> tuple[bytes, str]:
    """Make the body and the path of a load's request; a path may end with an empty `file`."""
    match list(LOADS).index(load):
        case 0:
            return make(folder / "50k.pdf", "pdf", 50_000).read_bytes(), _PRINT
        case 1:
            text = make(folder / "20M.ps", "ps", 20 * MB).read_bytes()
            return zlib.compress(text, 1), _PRINT + "&cmp=1"
        case 2:
            return bytes(512 * 1024), "/api/putsegment?index=0&file="
        case 3:
            return zlib.compress(bytes(_BOMB_BYTES))[:-1], _PRINT + "&cmp=1"
    return gzip.compress(b"") * 200_000, f"/api/submitfile?cmp=2&{_QUERY}&file="


answered: list[None] = []

if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    made_netloc, made_key, made_load, made_clients, made_folder = sys.argv[1:]
    work = _load(made_netloc, made_key, made_load, Path(made_folder))
    print("ready", flush=True)
    for _ in range(int(made_clients)):
        threading.Thread(target=work, daemon=True).start()
    signal.sigwait({signal.SIGTERM})
    print(len(answered), flush=True)
