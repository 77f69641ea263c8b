"""Our own IPP beside pycups, with a healthy cupsd and with a failing one.

    python tests/bench/cups_clients.py [PROBE…]    (about 3 minutes; 2 of them in `hang`)

Each probe runs in processes of its own, because some crash. The answers in `answers` are hand-made;
all others come from a real, private cupsd with the policy that CUPS ships. CONTRIBUTING.md ("IPP of
our own") has the conclusions.
"""

from __future__ import annotations

import contextlib
import http.server
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

REPO = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPO / "tests/support"), str(REPO / "backend")]
from private_cups import PrivateCups, private_cups  # noqa: E402 - found by the line above

GIVE_UP_S = 90.0  # for a process that does not end
TERM_AFTER_S = 3.0
ROUNDS = 4000
QUEUES = 100
HOLDING_BACKEND = "#!/bin/sh\n[ $# -eq 0 ] || exit 3\n"
ASKED = (
    *("printer-name", "device-uri", "printer-info", "printer-location", "printer-is-shared"),
    *("printer-error-policy", "printer-make-and-model", "printer-type", "queued-job-count"),
    *("printer-state", "printer-state-message", "printer-state-reasons"),
    *("printer-is-accepting-jobs", "cirrus-declared-default", "job-cancel-after-default"),
)


def attribute(tag: int, name: str, value: bytes) -> bytes:
    """One value of an attribute (RFC 8010, 3.1.4)."""
    sized = (len(part).to_bytes(2, "big") + part for part in (name.encode(), value))
    return bytes([tag]) + b"".join(sized)


def answer(*parts: bytes) -> bytes:
    """An answer of IPP 2.0, status ok."""
    head = b"\x02\x00\x00\x00\x00\x00\x00\x01\x01"
    head += attribute(0x47, "attributes-charset", b"utf-8")
    head += attribute(0x48, "attributes-natural-language", b"en")
    return head + b"".join(parts) + b"\x03"


JOB = b"\x02" + attribute(0x21, "job-id", b"\x00\x00\x00\x01")
PLAN = b"\x00\x02en\x00\x04Plan"  # with a language of its own (RFC 8010, 3.9)
ANSWERS = {
    "no-value": answer(JOB, attribute(0x13, "job-name", b"")),
    "unknown": answer(JOB, attribute(0x12, "job-name", b"")),
    "name with language": answer(JOB, attribute(0x36, "job-name", PLAN)),
    "not UTF-8": answer(JOB, attribute(0x42, "job-name", b"Pl\xe4ne \xc3")),
    "two jobs": answer(JOB, JOB),
    "no job": answer(),
    "cut off": answer(JOB)[:-9],
    "not IPP": b"<html>",
}


class AnswersServer(http.server.ThreadingHTTPServer):
    """Sends the answer `which` to each request."""

    which = ""


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection to AnswersServer."""

    protocol_version = "HTTP/1.1"
    server: AnswersServer

    def do_POST(self) -> None:
        """Read the request and answer."""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        else:
            self.rfile.read(int(self.headers["Content-Length"]))
        body = ANSWERS[self.server.which]
        self.send_response(200)
        self.send_header("Content-Type", "application/ipp")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


class Pycups:
    """The client cups.Connection, over a unix socket or HOST:PORT."""

    def __init__(self, address: str) -> None:
        import cups

        host, _, port = address.partition(":")
        self._connection = cups.Connection(host, int(port)) if port else cups.Connection(host)

    def job(self, job_id: int) -> Any:
        """A job's name."""
        return self._connection.getJobAttributes(job_id).get("job-name")

    def jobs(self) -> Any:
        """The names and users of all jobs."""
        asked = ["job-id", "job-name", "job-originating-user-name"]
        jobs = self._connection.getJobs(requested_attributes=asked).values()
        return [(job.get("job-name"), job.get("job-originating-user-name")) for job in jobs]

    def queue(self, name: str) -> Any:
        """A queue."""
        return self._connection.getPrinterAttributes(name, requested_attributes=list(ASKED))

    def queues(self) -> Any:
        """All queues; getPrinters() does not request all needed attributes."""
        return [self.queue(name) for name in self._connection.getPrinters()]


class Own:
    """Our own client."""

    def __init__(self, address: str) -> None:
        from cirrus_bridge.cups.client import CupsServer
        from cirrus_bridge.cups.queues import CupsQueues

        self._queues = CupsQueues(CupsServer(address))

    def job(self, job_id: int) -> Any:
        """A job's name."""
        return self._queues.job(job_id).text("job-name")

    def jobs(self) -> Any:
        """The names and users of all jobs."""
        jobs = self._queues.jobs()
        return [(job.text("job-name"), job.text("job-originating-user-name")) for job in jobs]

    def queue(self, name: str) -> Any:
        """A queue."""
        return self._queues.queue(name)

    def queues(self) -> Any:
        """All queues."""
        return self._queues.queues()


CLIENTS: dict[str, Callable[[str], Any]] = {"own": Own, "pycups": Pycups}


# Each runs in a process of its own, and prints its findings.


def child_import(client: str, address: str) -> None:
    """Import the modules of a request, as in a program that has imported requests."""
    import requests  # noqa: F401

    if client == "pycups":
        import cups  # noqa: F401
    elif client == "own":
        import cirrus_bridge.cups.queues  # noqa: F401


def child_hang(client: str, address: str) -> None:
    """Ask a cupsd that accepts and never answers, during a SIGTERM and with a working thread."""
    server = CLIENTS[client](address)
    begin = time.monotonic()
    sent = handled = 0.0
    ticks = 0

    def on_term(number: int, frame: FrameType | None) -> None:
        nonlocal handled
        handled = time.monotonic()

    def work() -> None:
        nonlocal ticks, sent
        while time.monotonic() < begin + TERM_AFTER_S:
            time.sleep(0.1)
            ticks += 1
        sent = time.monotonic()
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGTERM, on_term)
    threading.Thread(target=work, daemon=True).start()
    said = tried(server.jobs)
    print(f"after {time.monotonic() - begin:.1f} s: {said}")
    print(f"SIGTERM handled after {handled - sent:.1f} s")
    print(f"a thread that sleeps 0.1 s ran {ticks / TERM_AFTER_S:.0f} times a second")


def child_restart(client: str, address: str) -> None:
    """Ask for each line of input, with a client opened before the first."""
    server = CLIENTS[client](address)
    for _ in sys.stdin:
        said = tried(server.queues)
        print("an answer" if said.startswith("list") else said, flush=True)


def child_leak(client: str, address: str) -> None:
    """Ask many times, and measure the remaining memory."""
    server = CLIENTS[client](address)
    for _ in range(200):
        server.queue("q")
    before, begin = resident_bytes(), time.monotonic()
    for _ in range(ROUNDS):
        server.queue("q")
    took_ms = 1000 * (time.monotonic() - begin) / ROUNDS
    print(f"{(resident_bytes() - before) / ROUNDS:.0f} bytes and {took_ms:.2f} ms a request")


def child_list(client: str, address: str) -> None:
    """List all queues with the attributes that cirrusctl shows."""
    server = CLIENTS[client](address)
    times = []
    for _ in range(10):
        begin = time.monotonic()
        count = len(server.queues())
        times.append(1000 * (time.monotonic() - begin))
    print(f"{count} queues in {min(times):.0f} ms")


def child_threads(client: str, address: str) -> None:
    """Use ten threads with a connection each, then two threads with one connection."""

    def work(server: Any) -> None:
        for _ in range(50):
            server.queue("q")

    own = [CLIENTS[client](address) for _ in range(10)]
    for servers in (own, own[:1] * 2):
        threads = [threading.Thread(target=work, args=(server,)) for server in servers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(f"{len(servers)} threads, {len(set(servers))} connections: well", flush=True)


def child_jobs(client: str, address: str) -> None:
    """List the jobs."""
    print(tried(CLIENTS[client](address).jobs))


def child_job(client: str, address: str) -> None:
    """Show job 1."""
    server = CLIENTS[client](address)
    print(tried(lambda: server.job(1)))


def tried(ask: Callable[[], object]) -> str:
    """The result or the error of a call."""
    try:
        return f"{type(said := ask()).__name__} {said!r}"
    except Exception as error:  # noqa: BLE001 - whichever it is, it is the result
        return f"{type(error).__name__} {error}"


def resident_bytes() -> int:
    """The resident memory of this process."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()


# These run in the process that starts the others.


def start(what: str, client: str, address: str, **settings: Any) -> subprocess.Popen[str]:
    """Start a process for one client."""
    words = [sys.executable, str(Path(__file__).resolve()), "--child", what, client, address]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, **settings)


def show(probe: str, what: str, address: str) -> None:
    """Run a probe for both clients, and print how each ends."""
    for client in CLIENTS:
        process = start(what, client, address)
        try:
            said, errors = process.communicate(timeout=GIVE_UP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            said, errors = process.communicate()
        lines = [*said.splitlines(), *errors.splitlines()[:1]]
        if process.returncode < 0:
            lines.append(f"ended by {signal.Signals(-process.returncode).name}")
        print(f"{probe:28} {client:7} {'; '.join(lines)}", flush=True)


def probe_start(cups: PrivateCups) -> None:
    """Measure the processor time of an import beside a program that has requests (best of 40)."""
    best_s = dict.fromkeys(("requests", *CLIENTS), float("inf"))
    for _ in range(40):
        for client in best_s:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            start("import", client, "").communicate()
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            took_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            best_s[client] = min(best_s[client], took_s)
    for client in CLIENTS:
        more_ms = 1000 * (best_s[client] - best_s["requests"])
        print(f"{'start':28} {client:7} {more_ms:.0f} ms", flush=True)


def probe_hang(cups: PrivateCups) -> None:
    """Probe a stopped cupsd."""
    with cups.hanging():
        show("hang", "hang", str(cups.socket))


def probe_restart(cups: PrivateCups) -> None:
    """Probe a cupsd that is healthy, restarted, down, and up again."""
    steps: list[Callable[[], object]] = [cups.log_end, cups.restart, cups.kill, cups.start]
    for client in CLIENTS:
        process = start("restart", client, str(cups.socket), stdin=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        said = []
        for step in steps:
            step()
            process.stdin.write("\n")
            process.stdin.flush()
            said.append(process.stdout.readline().strip())
        process.communicate()
        print(f"{'well, restarted, down, up':28} {client:7} {'; '.join(said)}", flush=True)


def probe_leak(cups: PrivateCups) -> None:
    """Probe the memory of a long-lived process."""
    show("one queue", "leak", str(cups.socket))


def probe_list(cups: PrivateCups) -> None:
    """Probe many queues."""
    for number in range(QUEUES):
        cups.run("lpadmin", "-p", f"q{number}", "-v", f"cirrus://cloud.test/C/L:D{number}")
    show("all queues", "list", str(cups.socket))


def probe_threads(cups: PrivateCups) -> None:
    """Probe several threads."""
    show("threads", "threads", str(cups.socket))


def probe_private(cups: PrivateCups) -> None:
    """Probe an administrator's request for another user's job."""
    cups.wait_job(cups.lp("q", "-U", "alice", "-t", "Plan", "-o", "raw", data=b"text"), "held")
    show("name and user of a job", "jobs", str(cups.socket))


def probe_answers(cups: PrivateCups) -> None:
    """Probe answers that cupsd gives, may give, and never gives."""
    with AnswersServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for server.which in ANSWERS:
            for what in ("jobs", "job"):
                show(f"{server.which} ({what})", what, f"127.0.0.1:{server.server_port}")
        server.shutdown()


@contextlib.contextmanager
def shipped_policy_cups() -> Iterator[PrivateCups]:
    """A cupsd with one queue of held jobs, and the privacy of jobs that CUPS ships."""
    policy = "<Policy shipped>\nJobPrivateAccess default\nJobPrivateValues default\n"
    policy += "<Limit All>\nOrder deny,allow\nAllow localhost\n</Limit>\n</Policy>"
    with tempfile.TemporaryDirectory() as folder:
        backend = Path(folder, "backend")
        backend.write_text(HOLDING_BACKEND)
        for path in (backend.parent, backend):
            path.chmod(0o755)
        with private_cups([backend], {}, directives=["DefaultPolicy shipped", policy]) as cups:
            cups.add_queue("q", "cirrus://cloud.test/C/L:D", driver=None)
            yield cups


PROBES = ("start", "private", "restart", "leak", "list", "threads", "answers", "hang")


def main() -> None:
    """Run the requested probes, or all."""
    if sys.argv[1:2] == ["--child"]:
        globals()[f"child_{sys.argv[2]}"](*sys.argv[3:])
        return
    with shipped_policy_cups() as cups:
        for probe in sys.argv[1:] or PROBES:
            globals()[f"probe_{probe}"](cups)


if __name__ == "__main__":
    main()
