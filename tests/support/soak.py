"""A soak of the embedded cloud: honest and hostile clients use it at the same time.

`tests/soak --minutes 10 --seed N` runs a long one. Honest clients print and look at the page, first
alone for a quarter of the time. Then hostile clients attack as well. They run in a process of their
own with the lowest priority (nice 19), so that their own work does not slow the server down. All
clients share the loopback address.

At the end, these promises are checked:

- Each honest print is delivered once and unchanged, and each page is shown.
- The 99th percentile of the honest clients' waits is at most three times as long as before.
- Memory, open files and disk return to where they were.
- The log has no traceback, and at most 200 lines for each minute.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlencode

import hostile_clients
from cloudlet_server import CloudletServer
from paths import WELCOME
from programs import Program
from visitor import Visitor

SLOWDOWN = 3.0
LOG_LINES = 200  # each minute
MORE_MEMORY_BYTES = 32 * 1024**2  # kept by Python and libc for later requests
MORE_FILES = 16  # idle connections to the database
PATIENCE_S = 60.0  # a client tries that long
_RETURN_S = 90.0  # for memory and open files after the attack
_BUSY = frozenset({429, 503})
_SEGMENTS = 4
_NEWLINE = "\n"
_WARM_UP_S = 10.0  # the server's memory grows with its first requests
_LIMITS = "\n[limits]\ndocument_bytes = 16777216\n"
_NO_TIME = "upload_hours = 0.0000001\ndocument_days = 0.0000001\n"
_RIVAL = """
[[company]]
id = "Rival"

[[location]]
company = "Rival"
id = "Office"

[[device]]
company = "Rival"
location = "Office"
id = "Folder"
type = "file"
"""


Waits = Mapping[str, Sequence[float]]  # kind of work → seconds


class Usage(NamedTuple):
    """What a server's process uses: its share of memory (PSS), and open files."""

    memory_bytes: int
    files: int


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
        until = time.monotonic() + PATIENCE_S
        while (
            json.loads(self._api("GET", f"get/job/ACME/Office/Folder/{quote(job_id)}"))["State"]
            != 2
        ):
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
        text = self._request(
            method, f"/api/{verb}?{urlencode(query or {})}", headers, body
        ).decode()
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


@dataclass(slots=True)
class Soak:
    """A soak on a server of its own.

    Attributes:
        say: gets the lines of the report.
        broken: the promises that were not kept, about everything but time.
        slow: those about time.
    """

    folder: Path
    seed: int
    say: Callable[[str], None]
    broken: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)
    server: CloudletServer = field(default_factory=CloudletServer)

    def run(self, idle_s: float, hostile_s: float) -> None:
        """Run the soak, and report it."""
        self.server.start(self.folder / "data")
        try:
            toml = self.server.data / "cloudlet.toml"
            toml.write_text(toml.read_text() + _RIVAL + _LIMITS)
            honest = self._enter()
            honest.run(min(idle_s, _WARM_UP_S))
            idle = honest.run(idle_s)
            before, logged = self._usage(), len(self.server.log_text)
            attacks, attacked = self._attack(honest, hostile_s)
            stored = self._stored()
            after = self._wait_for_return(before)
            log = self.server.log_text[logged:]
            toml.write_text(toml.read_text() + _NO_TIME)
            self.server.restart()
            left = self._wait_for_expiry()
        finally:
            self.server.close()
        self.broken += honest.faults
        self._compare_waits(idle, attacked)
        self.say(f"{honest.repeated} requests repeated, {len(honest.faults)} failed")
        self.say(f"attacks: {attacks}")
        self.say(f"memory: {before.memory_bytes >> 20} MiB, then {after.memory_bytes >> 20} MiB")
        self.say(f"open files: {before.files}, then {after.files}")
        self.say(f"stored: {stored >> 20} MiB, {left} bytes after they expired")
        self.say(f"log: {len(log)} bytes, {log.count(_NEWLINE)} lines")
        self._require(after.memory_bytes <= before.memory_bytes + MORE_MEMORY_BYTES, "memory")
        self._require(after.files <= before.files + MORE_FILES, "open files")
        self._require(left == 0, "disk")
        self._require("Traceback" not in log, "a traceback in the log")
        lines = LOG_LINES * (1 + hostile_s / 60)
        self._require(log.count(_NEWLINE) <= lines, "size of the log")

    def _enter(self) -> HonestClients:
        password = self.server.cli("account", "add", "anna", "--company", "ACME")
        visitor = Visitor(self.server.url)
        assert visitor.sign_in("anna", password).status == 303
        return HonestClients(self.server, visitor.cookie, random.Random(self.seed))

    def _attack(self, honest: HonestClients, seconds: float) -> tuple[str, Waits]:
        key = self.server.new_key("Rival")
        with Program[str](
            [sys.executable, hostile_clients.__file__, str(self.server.port), key, str(self.seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as hostile:
            attacked = honest.run(seconds)
            attacks, _ = hostile.communicate(timeout=PATIENCE_S)
        return attacks.strip(), attacked

    def _usage(self) -> Usage:
        process = Path("/proc", str(self.server.pid))
        lines = (process / "smaps_rollup").read_text().splitlines()
        pss_kb = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return Usage(pss_kb * 1024, len(list((process / "fd").iterdir())))

    def _wait_for_return(self, before: Usage) -> Usage:
        until = time.monotonic() + _RETURN_S
        while (after := self._usage()).files > before.files + MORE_FILES:
            if time.monotonic() > until:
                break
            time.sleep(0.2)
        return after

    def _stored(self) -> int:
        folders = [self.server.data / name for name in ("uploads", "documents", "previews")]
        found = 0
        for path in (path for folder in folders for path in folder.rglob("*")):
            with contextlib.suppress(FileNotFoundError):  # the server has removed it
                found += path.stat().st_size if path.is_file() else 0
        return found

    def _wait_for_expiry(self) -> int:
        until = time.monotonic() + PATIENCE_S
        while (left := self._stored()) and time.monotonic() < until:
            time.sleep(0.1)
        return left

    def _compare_waits(self, idle: Waits, attacked: Waits) -> None:
        self.say("            alone                    attacked")
        self.say("          number median   99 %   number median   99 %   ratio")
        for kind in sorted(idle):
            first, second = _summary(idle[kind]), _summary(attacked.get(kind, []))
            ratio = second.slowest_s / first.slowest_s
            self.say(f"{kind:8} {first} {second} {ratio:7.1f}")
            if not ratio <= SLOWDOWN:  # also without a number
                self.slow.append(f"{kind} is {ratio:.1f} times as slow")

    def _require(self, kept: bool, promise: str) -> None:
        if not kept:
            self.broken.append(promise)


class Summary(NamedTuple):
    """Waits in short: their number, median and 99th percentile."""

    number: int
    median_s: float
    slowest_s: float

    def __str__(self) -> str:
        return f"{self.number:7} {self.median_s:6.3f} {self.slowest_s:6.3f}"


def _summary(waits_s: Sequence[float]) -> Summary:
    if len(waits_s) < 2:
        return Summary(len(waits_s), float("nan"), float("nan"))
    hundredths = statistics.quantiles(waits_s, n=100, method="inclusive")
    return Summary(len(waits_s), statistics.median(waits_s), hundredths[-1])


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    seconds = arguments.minutes * 60
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), arguments.seed, lambda text: print(text, flush=True))
        soak.run(seconds / 4, seconds)
    for promise in soak.broken + soak.slow:
        print(f"BROKEN: {promise}", flush=True)
    sys.exit(1 if soak.broken or soak.slow else 0)


if __name__ == "__main__":
    main()
