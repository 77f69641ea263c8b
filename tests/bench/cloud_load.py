"""The embedded cloud under load: rates, waits, and the processor time of a request.

The documents wait for a location that is offline. The clients share the machine with the cloud, so
they are as cheap as possible: one process, prepared requests, connections that stay open, and no
parsing besides the end of a response.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from cloudlet_server import CloudletServer
from frame import Setting, Table
from workloads import make

COLUMNS = (
    *("request", "clients", "requests/s", "median ms", "99 % ms", "cloud's CPU ms a request"),
)
CLIENTS = (1, 8, 64)
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_SETTLING_S = 1.0
_HIGH_S = 0.3
_TOML = """
[[location]]
company = "ACME"
id = "Away"
online = false

[[device]]
company = "ACME"
location = "Away"
id = "Folder"
type = "file"

[limits]
company_bytes = 40_000_000_000
company_jobs = 10_000_000
"""


def table(setting: Setting) -> Table:
    """Measure each request with each number of clients."""
    seconds = setting.size(10, 1)
    made = Table(f"The embedded cloud ({seconds} s each)", COLUMNS)
    document = make(setting.folder / "50k.pdf", "pdf", 50_000).read_bytes()
    with _server(setting.folder) as server:
        place = f"targets={quote('Away:Folder')}&title=document.pdf"
        submit = _request(server, "PUT", f"putfile?{place}", document)
        job_id = _once(server, submit)
        status = _request(server, "GET", f"get/job/ACME/Away/Folder/{job_id}")
        for name, request, goal in (
            ("putfile and submit, 50 KB", submit, 1_000),
            ("get job", status, 5_000),
        ):
            for clients in CLIENTS:
                _load(server, request, clients, _SETTLING_S)
                began_s, began_cpu_s = time.perf_counter(), _cpu_s(server.pid)
                waits_s = _load(server, request, clients, seconds)
                cpu_s = _cpu_s(server.pid) - began_cpu_s
                rate = len(waits_s) / (time.perf_counter() - began_s)
                high_s = statistics.quantiles(waits_s, n=100)[98]
                made.row(
                    *(name, f"{clients}", f"{rate:,.0f}"),
                    f"{statistics.median(waits_s) * 1000:.1f}",
                    f"{high_s * 1000:.1f}",
                    f"{cpu_s / len(waits_s) * 1000:.2f}",
                )
            made.goal(
                f"the embedded cloud: {name}, {clients} clients",
                f"≥ {goal:,}/s, 99 % in ≤ {_HIGH_S:g} s",
                f"{rate:,.0f}/s, {high_s:.2f} s",
                is_met=rate >= goal and high_s <= _HIGH_S,
            )
    return made


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[CloudletServer]:
    server = CloudletServer()
    server.start(folder / "data")
    with (server.data / "cloudlet.toml").open("a") as toml:
        toml.write(_TOML)
    try:
        yield server
    finally:
        server.close()


def _request(server: CloudletServer, method: str, target: str, body: bytes = b"") -> bytes:
    head = (
        f"{method} /api/{target} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        f"Authorization: Bearer {server.key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _once(server: CloudletServer, request: bytes) -> str:
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(request)
        return _answer(client).decode()


def _load(server: CloudletServer, request: bytes, clients: int, seconds: float) -> list[float]:
    """Repeat a request on each client's connection; return the waits for answers in seconds."""
    waits_s: list[float] = []
    sent_s: dict[socket.socket, float] = {}
    with contextlib.ExitStack() as open_clients, selectors.EpollSelector() as selector:
        for _ in range(clients):
            client = socket.create_connection(("127.0.0.1", server.port))
            open_clients.enter_context(client)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(client, selectors.EVENT_READ, client)
            sent_s[client] = time.perf_counter()
            client.sendall(request)
        until_s = time.perf_counter() + seconds
        while sent_s:
            for key, _ in selector.select():
                client = key.data
                _answer(client)
                now_s = time.perf_counter()
                waits_s.append(now_s - sent_s.pop(client))
                if now_s < until_s:
                    sent_s[client] = now_s
                    client.sendall(request)
    return waits_s


def _answer(client: socket.socket) -> bytes:
    """Read a response, whose Content-Length is known to be there; return its body."""
    received = b""
    while True:
        received += client.recv(65536)
        head, end, body = received.partition(b"\r\n\r\n")
        if not end:
            assert received, "the server closed the connection"
            continue
        assert head.startswith(b"HTTP/1.1 200 "), received
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) >= length:
            assert not body.startswith(b"Error: "), body
            return body


def _cpu_s(pid: int) -> float:
    """The processor time of a process and of its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S + sum(_cpu_s(int(c)) for c in children)
