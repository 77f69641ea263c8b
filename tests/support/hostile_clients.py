"""Hostile clients of an embedded cloud, for the soak: `hostile_clients.py PORT KEY SEED`.

Each kind of attack runs in a thread of its own, at a fixed rate, until standard input ends. Then
the number of attacks of each kind is printed as JSON. The key belongs to a company of its own.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import http.client
import json
import os
import random
import resource
import socket
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

HELD = 300  # connections of each kind that are kept open
_WAIT_S = 10.0
_GARBAGE_WAIT_S = 0.5  # a server may wait for the rest
_MANY_FILES = 4096
_GARBAGE = (
    b"GET foo HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nOrigin: http://[\r\n\r\n",
    b"POST /sign-in HTTP/1.1\r\nHost: x\r\nOrigin: http://[\r\nContent-Length: 1\r\n\r\nx",
    b"GET /%ff%00/../ HTTP/1.1\r\nHost: \xff\r\n\r\n",
    b"PUT /api/putfile HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /api/tempfile HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
)


class HostileClients:
    """Attacks on a server at 127.0.0.1."""

    def __init__(self, port: int, key: str, seed: int) -> None:
        self._port = port
        self._key = key
        self._draw = random.Random(seed)
        self._held: Mapping[str, deque[socket.socket]] = {
            name: deque() for name in ("halves", "idle", "slow", "deaf")
        }
        self._bomb = gzip.compress(bytes(48 * 1024 * 1024))
        self._members = gzip.compress(b"") * 20_000
        self._rates: Mapping[Callable[[], None], float] = {  # in attacks each second
            self.send_half_a_head: 20.0,
            self.connect_only: 20.0,
            self.send_a_body_slowly: 5.0,
            self.read_nothing: 0.5,
            self.send_garbage: 10.0,
            self.guess_a_password: 1.0,
            self.leave_an_upload: 5.0,
            functools.partial(self.submit, self._bomb): 0.5,
            functools.partial(self.submit, self._members): 0.5,
        }
        self.done: Counter[str] = Counter()
        self._ended = threading.Event()

    def run_until_input_ends(self) -> None:
        """Attack until nobody writes to standard input any longer."""
        threads = [threading.Thread(target=self._repeat, args=each) for each in self._rates.items()]
        for thread in threads:
            thread.start()
        sys.stdin.read()
        self._ended.set()
        for thread in threads:
            thread.join()

    def _repeat(self, attack: Callable[[], None], rate: float) -> None:
        name = getattr(attack, "__name__", "submit")
        while not self._ended.wait(1 / rate):
            # a server may refuse or close any connection
            with contextlib.suppress(OSError, http.client.HTTPException):
                attack()
            self.done[name] += 1

    def send_half_a_head(self) -> None:
        """Begin a request, and keep the connection."""
        self._hold("halves", b"POST /api/tempfile HTTP/1.1\r\nHost: x\r\nX-Half: ")

    def connect_only(self) -> None:
        """Connect, and keep the connection."""
        self._hold("idle", b"")

    def send_a_body_slowly(self) -> None:
        """Begin an upload, and send one byte to each upload that was begun before."""
        head = self._head("PUT", "/api/putfile", "Content-Length: 1000000")
        for each in self._held["slow"]:
            with contextlib.suppress(OSError):
                each.send(b"x")
        self._hold("slow", head)

    def read_nothing(self) -> None:
        """Request a file many times, and read no answer."""
        self._hold("deaf", self._head("GET", "/page.css") * 200)

    def send_garbage(self) -> None:
        """Send a request that is not HTTP, or almost."""
        garbage = self._draw.choice((*_GARBAGE, self._draw.randbytes(2000)))
        with self._connect() as connection:
            connection.sendall(garbage)
            connection.settimeout(_GARBAGE_WAIT_S)
            connection.recv(4096)

    def guess_a_password(self) -> None:
        """Sign in with a wrong password."""
        form = urlencode({"name": f"guess {self._draw.random()}", "password": "wrong"})
        self._request("POST", "/sign-in", form.encode(), "application/x-www-form-urlencoded")

    def leave_an_upload(self) -> None:
        """Upload a segment that is never submitted."""
        self._upload(self._draw.randbytes(100_000))

    def submit(self, packed: bytes) -> None:
        """Submit a document that is small only while it is compressed."""
        query = urlencode({
            "file": self._upload(packed), "targets": "Office:Folder", "title": "bomb", "cmp": "2",
        })  # fmt: skip
        self._request("POST", f"/api/submitfile?{query}")

    def _upload(self, data: bytes) -> str:
        name = self._request("POST", "/api/tempfile").decode()
        self._request("PUT", f"/api/putsegment?{urlencode({'file': name, 'index': 0})}", data)
        return name

    def _request(
        self, method: str, path: str, body: bytes = b"", kind: str = "application/octet-stream"
    ) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_WAIT_S)
        with contextlib.closing(connection):
            headers = {"Authorization": f"Bearer {self._key}", "Content-Type": kind}
            connection.request(method, path, body, headers)
            return connection.getresponse().read()

    def _head(self, method: str, path: str, *fields: str) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {self._key}"]
        return "\r\n".join([*lines, *fields, "", ""]).encode()

    def _connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), _WAIT_S)

    def _hold(self, name: str, data: bytes) -> None:
        held = self._held[name]
        if len(held) >= HELD:
            held.popleft().close()
        connection = self._connect()
        held.append(connection)
        connection.setblocking(False)
        connection.send(data)


if __name__ == "__main__":
    os.setpriority(os.PRIO_PROCESS, 0, 19)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, _MANY_FILES), hard))
    clients = HostileClients(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    clients.run_until_input_ends()
    print(json.dumps(clients.done))
