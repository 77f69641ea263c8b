"""Honest clients of an embedded cloud, for the soak, and how long they wait."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from cloudlet_server import CloudletServer
from paths import WELCOME

Waits = Mapping[str, Sequence[float]]  # kind of work → seconds
PATIENCE_S = 60.0  # a client tries that long
_BUSY = frozenset({429, 503})
_DELIVERED = 2
_SEGMENTS = 4
_JOBS_ON_A_PAGE = 100


@dataclass(slots=True)
class HonestClients:
    """People who print and look at the page. They try again when the server is busy."""

    server: CloudletServer
    cookie: str
    draw: random.Random
    waits_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    repeated: int = 0
    faults: list[str] = field(default_factory=list)
    _printed: str = ""

    def fill_the_page(self, limit_s: float) -> None:
        """Print as many documents as the page shows; a page takes longer with more jobs."""
        until = time.monotonic() + limit_s
        for _ in range(_JOBS_ON_A_PAGE):
            if time.monotonic() < until:
                self.print()

    def run(self, seconds: float) -> Waits:
        """Work for a while; return how long each kind of work took, in seconds."""
        self.waits_s = defaultdict(list)
        ended = threading.Event()
        work = {self.print: 0.5, self.page: 0.5, self.image: 2.0}
        threads = [
            threading.Thread(target=self._repeat, args=(task, pause_s, ended))
            for task, pause_s in work.items()
        ]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        ended.set()
        for thread in threads:
            thread.join()
        return dict(self.waits_s)

    def _repeat(self, task: Callable[[], None], pause_s: float, ended: threading.Event) -> None:
        while not ended.is_set():
            began_s = time.monotonic()
            try:
                task()
            except (AssertionError, OSError, http.client.HTTPException) as error:
                self.faults.append(f"{task.__name__}: {error!r}")
            else:
                self.waits_s[task.__name__].append(time.monotonic() - began_s)
            ended.wait(pause_s)

    def print(self) -> None:
        """Upload a document in segments, submit it, and wait until it is delivered."""
        mark = f"%{self.draw.randbytes(16).hex()}\n".encode()
        document = WELCOME.read_bytes() + mark
        name = self._api("POST", "tempfile")
        size = -(-len(document) // _SEGMENTS)
        for index in range(0, len(document), size):
            query = {"file": name, "index": str(index)}
            self._api("PUT", "putsegment", query, document[index : index + size])
        query = {"file": name, "targets": "Office:Folder", "title": "honest"}
        job_id = self._api("POST", "submitfile", query, key=mark.decode().strip("%\n"))
        status = f"get/job/ACME/Office/Folder/{quote(job_id)}"
        until = time.monotonic() + PATIENCE_S
        while json.loads(self._api("GET", status))["State"] != _DELIVERED:
            assert time.monotonic() < until, f"{job_id} is not delivered"
            time.sleep(0.02)
        self._printed = job_id
        (delivered,) = self.server.data.glob(f"delivered/Office/Folder/{job_id}-*")
        assert delivered.read_bytes() == document, job_id
        delivered.unlink()

    def page(self) -> None:
        """Look at the newest jobs, and at one of them."""
        assert b"Newest jobs" in self._page("/")
        if self._printed:
            assert self._printed.encode() in self._page(f"/jobs/{self._printed}")

    def image(self) -> None:
        """Look at a page image of the newest print."""
        if self._printed:
            assert self._page(f"/jobs/{self._printed}/pages/1").startswith(b"\x89PNG")

    def _api(
        self, method: str, verb: str, query: Mapping[str, str] | None = None, body: bytes = b"",
        key: str = "",
    ) -> str:  # fmt: skip
        headers = {"Authorization": f"Bearer {self.server.key}"}
        headers |= {"Content-Type": "application/octet-stream"} if method == "PUT" else {}
        headers |= {"Idempotency-Key": key} if key else {}
        path = f"/api/{verb}?{urlencode(query or {})}"
        text = self._request(method, path, headers, body).decode()
        assert not text.startswith("Error: "), text
        return text

    def _page(self, path: str) -> bytes:
        return self._request("GET", path, {"Cookie": self.cookie})

    def _request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> bytes:
        until = time.monotonic() + PATIENCE_S
        while True:
            connection = http.client.HTTPConnection(
                "127.0.0.1", self.server.port, timeout=PATIENCE_S
            )
            with contextlib.closing(connection):
                try:
                    connection.request(method, path, body, dict(headers))
                    response = connection.getresponse()
                    data = response.read()
                except (OSError, http.client.HTTPException):
                    if time.monotonic() > until:
                        raise
                else:
                    if response.status not in _BUSY or time.monotonic() > until:
                        assert response.status == 200, f"{method} {path}: {response.status}"
                        return data
            self.repeated += 1
            time.sleep(0.1)
