"""The cost of single steps of the bridge, by the number of documents and of devices.

Each step is done once on journals of several sizes, in this process, with its real code. Time is
processor time. Steps of SQLite's virtual machine count the rows that were read, and repeat exactly.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.model import DocumentKey, Place, PrintJob, Receipt, Target
from cirrus_bridge.config.load import PollerSettings
from cirrus_bridge.drivers.device_cache import DeviceCache
from cirrus_bridge.drivers.devices import devices
from cirrus_bridge.journal import health, history
from cirrus_bridge.journal.database import JournalDatabase
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.journal.statistics import StatisticsReader
from cirrus_bridge.journal.submissions import Journal
from cirrus_bridge.polling.poller import DAY_S, Poller
from frame import Setting, Table
from large_journal import COMPANY, QUEUES, fill
from stub_poller import new_poller
from stubs import StubApi, StubCups

COLUMNS = ("step", "journal", "cpu ms", "SQLite steps")
STEPS_AT_ONCE = 10
SEVERAL = 5  # the median of so many


def table(setting: Setting) -> Table:
    """Measure each step on journals of 1,000 to 1,000,000 documents, and with 10,000 devices."""
    made = Table("Growth", COLUMNS)
    for cells in _rows((1_000, setting.size(100_000, 10_000), setting.size(1_000_000, 100_000))):
        made.row(*cells)
    return made


def _rows(sizes: Sequence[int]) -> Iterator[tuple[str, ...]]:
    """A row for each step and journal."""
    for count, is_open in itertools.product(sizes, (False, True)):
        if is_open and count > 100_000:
            continue  # cupsd and the cloud would have given up before
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            fill(folder, count, is_open=is_open)
            journal = f"{count:,} {'open' if is_open else 'closed'}"
            for step, cpu_s, steps in _Steps(folder).run():
                yield step, journal, f"{cpu_s * 1000:.1f}", f"{steps:,}" if steps else ""
    for count in (1_000, 10_000):
        for step, cpu_s in _device_steps(count):
            yield step, f"{count:,} devices", f"{cpu_s * 1000:.1f}", ""


class _Steps:
    """The steps on the journal in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ids = itertools.count(5_000_000)
        self._clock = Clock()
        self._steps = 0

    def run(self) -> Iterator[tuple[str, float, int]]:
        """Do each step; the median of its processor time in seconds, and SQLite's steps."""
        with Journal(self._folder) as backend, self._counted(backend):
            yield self._measured("a submit's writes", lambda: self._submit(backend))
            new = iter([self._submit(backend) for _ in range(SEVERAL)])
            yield self._measured("a hand-over", lambda: self._hand_over(backend, next(new)))
        with PollerJournal(self._folder) as journal, self._counted(journal):
            poller = self._poller(journal)
            yield self._measured("the poller's start: check", journal.check, 1)
            yield self._measured("the poller's start: first look", lambda: _look(poller), 1)
            with Journal(self._folder) as backend:
                keys = [self._submit(backend) for _ in range(SEVERAL)]

                def look() -> None:
                    self._look_after(poller, lambda: self._hand_over(backend, keys.pop()))

                yield self._measured("the poller's look after a hand-over", look)
            yield self._measured("an update of CUPS", poller.publisher.run_once)
        reader = StatisticsReader(self._folder)
        yield self._measured("the metrics", lambda: reader.look(time.time()), 2)
        yield self._measured("cirrusctl jobs", self._jobs)
        yield self._measured("the doctor's check", lambda: health.look(self._folder), 1)
        with PollerJournal(self._folder) as journal, self._counted(journal):
            yield self._measured("pruning once", lambda: _prune(journal), 1)

    @contextlib.contextmanager
    def _counted(self, journal: JournalDatabase) -> Iterator[None]:
        def count() -> None:
            self._steps += STEPS_AT_ONCE

        journal._db.set_progress_handler(count, STEPS_AT_ONCE)
        yield

    def _measured(
        self, name: str, step: Callable[[], object], times: int = SEVERAL
    ) -> tuple[str, float, int]:
        taken = []
        for _ in range(times):
            self._steps, self._spare_s = 0, 0.0
            began_s = time.process_time()
            step()
            taken.append((time.process_time() - began_s - self._spare_s, self._steps))
        return (name, *sorted(taken)[times // 2])

    def _submit(self, journal: Journal) -> DocumentKey:
        """The journal's part of a job that fits one request."""
        job_id = next(self._ids)
        key = DocumentKey(f"urn:uuid:new-{job_id}", job_id, 0, f"{COMPANY}L1:D", 1)
        job = PrintJob(job_id, key.job_uuid, "ann", "Report", 1, "q1")
        now_s = time.time()
        journal.entries(job.job_uuid, job_id)
        journal.intent(key, job, [Target("L1", "D")], now_s=now_s)
        journal.submitting(key, "ab", 9, 5, submit_key="k", submit_form="f", now_s=now_s)
        journal.accepted(key, [Receipt(Target("L1", "D"), f"2-{job_id}")], now_s=now_s)
        return key

    def _hand_over(self, journal: Journal, key: DocumentKey) -> None:
        now_s = time.time()
        journal.documents_of(key)
        journal.held_counts("q1")
        journal.hand_over([key], "complete", key.destination, now_s=now_s)
        journal.quiet_since_s(COMPANY, "L1")
        journal.poller_is_alive()

    def _look_after(self, poller: Poller, change: Callable[[], None]) -> None:
        began_s, steps = time.process_time(), self._steps
        change()
        self._spare_s, self._steps = time.process_time() - began_s, steps
        _look(poller)

    def _jobs(self) -> None:
        recent = history.recent_documents(self._folder, 20).documents
        job_ids = {document.key.job_id for document in recent}
        history.documents_of_jobs(self._folder, job_ids)

    def _poller(self, journal: PollerJournal) -> Poller:
        return new_poller(
            self._folder,
            journal,
            cups=StubCups(**{f"q{number}": f"{COMPANY}L1:D" for number in range(QUEUES)}),
            api=StubApi(),
            clock=self._clock,
            tell=lambda change: None,
            settings=PollerSettings(),
        )


def _look(poller: Poller) -> None:
    poller._free_s = 0.0
    poller._read_journal()


def _prune(journal: PollerJournal) -> None:
    journal.prune(journal.pruned_until_s(before_s=time.time() - 29 * DAY_S, most=100_000))


def _device_steps(count: int) -> Iterator[tuple[str, float]]:
    """Keep, read and list a location of `count` devices, as discovery does."""
    answer = {
        "Name": "Paris",
        "IsWindows": True,
        "Printers": [f"P{n}\tdriver\tTray 1;Tray 2\t1\t1\t1\tA4,Letter" for n in range(count)],
        "Devices": {f"D{n}": {"Name": f"Laser {n}", "Target": f"P{n}"} for n in range(count)},
    }
    place = Place("h", "C", "Paris")
    with tempfile.TemporaryDirectory() as folder:
        cache = DeviceCache(Path(folder))
        for name, act in (
            ("the device cache's writing", functools.partial(cache.keep, place, answer)),
            ("the device cache's reading", functools.partial(cache.last, place)),
            ("the lines of discovery", lambda: [d.device_line for d in devices(place, answer)]),
        ):
            began_s = time.process_time()
            act()
            yield name, time.process_time() - began_s
