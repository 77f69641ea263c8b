"""No statement of the backend or of the poller's loop reads more rows in a larger journal."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cirrus_bridge.backend.run import BackendRun
from cirrus_bridge.base.errors import CirrusError, Interrupted, SubmitUnanswered
from cirrus_bridge.base.model import DeliveryState, JobStatus, PrintJob
from cirrus_bridge.config.load import Configuration, PollerSettings, UploadSettings
from cirrus_bridge.config.queue_options import QueueSettings
from cirrus_bridge.config.queue_uri import parse_queue_uri
from cirrus_bridge.config.servers import Secret, Server
from cirrus_bridge.cups.job import SpooledDocument
from cirrus_bridge.cups.jobs import CANCELED
from cirrus_bridge.cups.status_lines import CupsReport
from cirrus_bridge.journal import history
from cirrus_bridge.journal.database import JournalDatabase
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.journal.submissions import Journal
from cirrus_bridge.polling.poller import DAY_S
from large_journal import COMPANY, fill
from stub_poller import new_poller
from stubs import EPOCH_S, StubApi, StubClock, StubCups, away, cups_job

FEW, MANY = 250, 1000
URI = f"{COMPANY}L1:D"
SMALL = {"meta", "json_each"}  # a table of one row, and the list of a query
DELETED, DELIVERED, RECEIVED = (
    JobStatus(state)
    for state in (DeliveryState.DELETED, DeliveryState.DELIVERED, DeliveryState.RECEIVED)
)


@dataclass
class Trace:
    """The statements of journals, without their values, and the most steps of SQLite's virtual
    machine that each of them has taken."""

    steps: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    _now: int = 0
    _name: str = ""

    @contextlib.contextmanager
    def of(self, journal: JournalDatabase) -> Iterator[None]:
        """Trace a journal inside the context."""
        journal._db.set_trace_callback(self._begin)
        journal._db.set_progress_handler(self._step, 1)
        yield
        journal._db.set_progress_handler(None, 1)
        journal._db.set_trace_callback(None)

    def _begin(self, statement: str) -> None:
        if not statement.startswith("--"):  # a statement of a trigger belongs to the one before
            self._name, self._now = re.sub(r"'[^']*'|\b[\d.]+(e[+-]?\d+)?\b", "?", statement), 0
            self.examples.setdefault(self._name, statement)
            self.steps.setdefault(self._name, 0)

    def _step(self) -> None:
        # since SQLite 3.41, also called while it prepares a statement (sqlite3_progress_handler)
        if self._name:
            self._now += 1
            self.steps[self._name] = max(self.steps[self._name], self._now)


class Site:
    """Backends and a poller on one large journal."""

    def __init__(self, folder: Path, trace: Trace) -> None:
        self.folder = folder
        self.trace = trace
        self.api = StubApi()
        self.clock = StubClock()
        self.cups = StubCups(q=URI, never=URI)

    def run(self) -> None:
        """Print jobs with every outcome, while a poller follows them."""
        state = self.folder / "state"
        with PollerJournal(state) as journal:
            assert journal.take_over("p", now_s=self.clock.wall_s())
            poller = new_poller(
                state,
                journal,
                cups=self.cups,
                api=self.api,
                clock=self.clock,
                tell=lambda change: None,
                settings=PollerSettings(),
                least_s=4.0,
            )
            poller.step()  # the first look reads all open documents
            with self.trace.of(journal):
                self._print_jobs()
                until_s = self.clock.passed_s + 100
                while self.clock.passed_s < until_s:
                    poller.step()
                until_s = journal.pruned_until_s(before_s=self.clock.wall_s() - 3 * DAY_S, most=20)
                journal.prune(until_s)

    def _print_jobs(self) -> None:
        self._print(1, DELIVERED)
        self._print(2, JobStatus(DeliveryState.SUBMITTED))  # the poller follows it
        self._print(3, RECEIVED, wait="received")
        self._print(4, DELETED, queue="never")
        self.api.knows_keys = True
        self.api.script("put_file", SubmitUnanswered("no answer"), away())
        self._print(5, DELIVERED)
        self.api.script("put_file", *[away()] * 50)
        self._print(6, DELIVERED)  # held until the server works again
        self.api.script("put_file", Interrupted("stopped"))
        self._print(7, DELIVERED, onambiguous="hold")
        self._print(8, DELIVERED, data=os.urandom(700_000))
        self._print(2, DELIVERED)  # a person has released it
        self._print(9, JobStatus(DeliveryState.SUBMITTED))
        self.cups.put(cups_job(10**7 + 9, CANCELED))
        self.api.status = DELIVERED
        self.api.works()

    def _print(
        self,
        job_id: int,
        status: JobStatus,
        *,
        data: bytes = b"x",
        queue: str = "q",
        **options: str,
    ) -> None:
        self.api.status = status
        number = 10**7 + job_id
        job = PrintJob(number, f"urn:uuid:{number}", "ann", "Report", 1, queue)
        spool = self.folder / "spool"
        spool.write_bytes(data)
        settings = QueueSettings(**options)  # type: ignore[arg-type]
        servers = (Server("h", Secret("k"), "C", ()),)
        with (
            Journal(self.folder / "state") as journal,
            self.trace.of(journal),
            spool.open("rb") as stdin,
            contextlib.suppress(CirrusError),
        ):
            BackendRun(
                job,
                parse_queue_uri(URI, settings),
                Configuration(self.folder, settings, UploadSettings(), servers),
                lambda _: self.api,
                journal,
                self.clock,
                CupsReport(io.BytesIO()),
                lambda: False,
                lambda: 3,
            ).print(SpooledDocument(job, stdin, os.getpid()))
        self.cups.put(cups_job(number, job_uuid=job.job_uuid, queue=queue))


def traced(folder: Path, count: int, *, is_open: bool) -> Trace:
    """The trace of a site's work on a journal of this size."""
    trace = Trace()
    (folder / "state").mkdir(parents=True)
    fill(folder / "state", count, is_open=is_open, now_s=EPOCH_S)
    Site(folder, trace).run()
    assert len(trace.examples) > 40
    return trace


@pytest.mark.parametrize("is_open", [False, True], ids=["closed", "open"])
def test_no_statement_reads_more_rows_in_a_larger_journal(tmp_path: Path, is_open: bool) -> None:
    """Each statement takes as many steps as in a journal of a tenth of the size."""
    few, many = (traced(tmp_path / str(n), n, is_open=is_open) for n in (FEW, MANY))
    assert few.steps.keys() == many.steps.keys()
    grown = {
        name: (few.steps[name], steps)
        for name, steps in many.steps.items()
        if steps > few.steps[name]
    }
    assert grown == {}


def test_no_statement_scans_a_table(tmp_path: Path) -> None:
    """Each statement has an index. SQLite plans it from the schema, as nothing runs ANALYZE."""
    trace = traced(tmp_path, 1, is_open=False)
    with contextlib.closing(sqlite3.connect(tmp_path / "state" / "journal.db")) as db:
        scans = {
            (scan, statement)
            for statement in trace.examples.values()
            for *_, step in db.execute(f"EXPLAIN QUERY PLAN {statement}")
            if (scan := re.match(r"SCAN (\w+)", step)) and scan[1] not in SMALL
        }
    assert scans == set()


def test_the_history_reads_no_more_than_it_shows(tmp_path: Path) -> None:
    """Only an index of open documents is read from its beginning to its end."""
    fill(tmp_path, 1, is_open=False)
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        for query in (history.RECENT, history.OF_JOBS, history.CLOSED):
            values = [0] * query.count("?")
            plan = "\n".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {query}", values))
            scans = re.findall(r"SCAN (?!json_each|\()(.*)", plan)
            assert all(scan.endswith("USING INDEX document_open") for scan in scans), plan
