"""The cost of the poller while 10,000 documents wait on 500 queues, and its delay for a fresh one.

Journal and cupsd are real, with 500 queues and held jobs; lean_server.py is the cloud. The
comparison is the simplest poller: a loop that asks for each job once a minute.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from cirrus_bridge.journal.submissions import Journal
from frame import Setting, Table
from frozen import programs
from measure import cpu_s, pss_bytes
from private_cups import PrivateCups
from programs import Program
from raw_queues import add_raw_queues

HERE = Path(__file__).parent
DOCUMENTS, QUEUES, HELD, FRESH = 10_000, 500, 250, 10
SETTLING_S, IDLE_S, LOOP_S, LIMIT_S = 60.0, 60.0, 10.0, 30.0
COLUMNS = ("what", "share of a core", "MiB", "ours / this", "sees a fresh job after s")
# asks as fast as it can; one request's cost gives that of a round a minute
LOOP = """
import requests, sys, time
session, count = requests.Session(), 0
session.trust_env = False
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    count += 1
    url = f"{sys.argv[1]}/api/get/job/Acme/Away/L/20260101000000-{count}"
    session.get(url, headers={"Authorization": "Bearer k"}).json()
print(count, time.process_time())
"""


def table(setting: Setting) -> Table:
    """Measure the poller's share of a core, and its delay."""
    folder, settling_s = setting.folder, SETTLING_S / setting.size(1, 10)
    idle_s, loop_s = IDLE_S / setting.size(1, 10), LOOP_S / setting.size(1, 10)
    made = Table("The poller while nothing happens", COLUMNS)
    with _server(folder) as server:
        loop = [sys.executable, "-c", LOOP, f"http://{server}", str(loop_s)]
        count, taken_s = map(float, subprocess.check_output(loop, text=True).split())
        loop_share = taken_s / count * DOCUMENTS / 60
        with _cups(folder) as cups:
            state = _fill(folder, cups, server)
            with _poller(folder, cups, server) as poller:
                time.sleep(settling_s)
                before_s = cpu_s(poller.pid)
                time.sleep(idle_s)
                share = (cpu_s(poller.pid) - before_s) / idle_s
                mib = pss_bytes(poller.pid) / 2**20
                fresh = sorted(_fresh_s(state, server) for _ in range(FRESH))
    what = f"cirrus-statusd, {DOCUMENTS:,} documents, {QUEUES} queues, {HELD} held jobs"
    seen = f"{fresh[len(fresh) // 2]:.1f} (longest {fresh[-1]:.1f})"
    made.row(what, f"{share:.1%}", f"{mib:.0f}", "", seen)
    what = "a loop that asks for each once a minute"
    made.row(what, f"{loop_share:.1%}", "", f"{share / loop_share:.2f}", "30 (longest 60)")
    return made


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[str]:
    command = [sys.executable, str(HERE / "lean_server.py"), str(folder), "127.0.0.1"]
    with Program(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield f"127.0.0.1:{server.stdout.readline().strip()}"


@contextlib.contextmanager
def _cups(folder: Path) -> Iterator[PrivateCups]:
    root = folder / "cups"
    root.mkdir()
    cups = PrivateCups(root, ["/bin/false"], {}, directives=["MaxJobs 0"])
    cups.start()
    try:
        yield cups
    finally:
        cups.stop()


@contextlib.contextmanager
def _poller(folder: Path, cups: PrivateCups, server: str) -> Iterator[subprocess.Popen[bytes]]:
    config = folder / "etc"
    (config / "servers.d").mkdir(parents=True)
    entry = config / "servers.d" / "bench.toml"
    entry.touch(mode=0o600)
    entry.write_text(f'[[server]]\nhost = "{server}"\ncompany = "Acme"\napi_key = "k"\n')
    env = os.environ | {
        "CIRRUS_BRIDGE_CONFIG": str(config),
        "CIRRUS_BRIDGE_STATE": str(folder / "state"),
        "CUPS_SERVER": str(cups.socket),
    }
    with (
        (folder / "statusd.log").open("wb") as log,
        Program[bytes]([programs() / "cirrus-statusd"], env=env, stderr=log) as poller,
    ):
        yield poller


def _fill(folder: Path, cups: PrivateCups, server: str) -> Path:
    """Make queues, held jobs, and a journal of all; return its path."""
    uri = f"cirrus://{server}/Acme/Away:L?encryption=never&wait=delivered&onfailure=report"
    add_raw_queues(cups, {f"q{number}": uri for number in range(QUEUES)})
    Journal(folder / "state").__exit__()
    with contextlib.closing(sqlite3.connect(folder / "state" / "journal.db")) as db, db:
        for number in range(DOCUMENTS):
            queue, job_id, job_uuid = f"q{number % QUEUES}", number + 1, uuid.uuid4().urn
            state = "held" if number < HELD else "left"
            if state == "held":
                job_id = cups.lp(queue, "-o", "raw", "-H", "indefinite", data=b"x")
                job_uuid = str(cups.job(job_id)["job-uuid"])
            _insert(db, job_uuid, job_id, queue, uri, state, age_s=7200 + number)
    return folder / "state" / "journal.db"


def _insert(
    db: sqlite3.Connection,
    job_uuid: str,
    job_id: int,
    queue: str,
    uri: str,
    state: str,
    age_s: float,
) -> None:
    at_s, destination = time.time() - age_s, uri.partition("?")[0]
    location = destination.rpartition("/")[2].partition(":")[0]
    db.execute(
        "INSERT INTO document (job_uuid, job_id, print_run, destination, number, queue, user,"
        " title, state, created_at, updated_at, device_uri, accepted_at, poller_serial)"
        " VALUES (?, ?, 0, ?, 1, ?, 'u', 't', ?, ?, ?, ?, ?, (SELECT serial FROM meta))",
        (job_uuid, job_id, destination, queue, state, at_s, at_s, uri, at_s),
    )
    db.execute(
        "INSERT INTO delivery (job_uuid, job_id, print_run, destination, number, target_number,"
        " location, device, cloud_job_id, state, accepted_at, updated_at)"
        " VALUES (?, ?, 0, ?, 1, 0, ?, 'L', ?, 0, ?, ?)",
        (job_uuid, job_id, destination, location, f"20260101000000-{job_id}", at_s, at_s),
    )


def _fresh_s(journal: Path, server: str) -> float:
    """The seconds between a hand-over and the poller's note of the delivery."""
    job_uuid = uuid.uuid4().urn
    uri = f"cirrus://{server}/Acme/Here:L?encryption=never"
    with contextlib.closing(sqlite3.connect(journal, timeout=10)) as db:
        with db:
            _insert(db, job_uuid, 999_999, "q0", uri, "left", 0.0)
        began_s = time.monotonic()
        query = "SELECT state FROM delivery WHERE job_uuid = ?"
        while db.execute(query, (job_uuid,)).fetchone() != (2,):
            if time.monotonic() - began_s > LIMIT_S:
                raise RuntimeError("the poller does not see a fresh job")
            time.sleep(0.02)
        return time.monotonic() - began_s
