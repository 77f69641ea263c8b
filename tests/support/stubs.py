"""A cloud, a cupsd, a clock and a report in memory, for tests that take milliseconds.

Each replaces the real one as an argument, behaves well, and keeps a log.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import random
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import (
    CirrusError,
    CupsGone,
    CupsNotPossible,
    Refused,
    Unreachable,
)
from cirrus_bridge.base.model import (
    DeliveryState,
    DocumentKey,
    JobStatus,
    Receipt,
    Segment,
    Target,
    Ticket,
)
from cirrus_bridge.config.load import UploadSettings
from cirrus_bridge.config.queue_uri import parse_queue_uri
from cirrus_bridge.config.servers import Secret, Server
from cirrus_bridge.cups.client import CupsServer
from cirrus_bridge.cups.jobs import FINAL, HELD, INDEFINITE, CupsJob, operator_message
from cirrus_bridge.cups.queues import IDLE, STOPPED, CupsQueues, Queue, queue_message
from cirrus_bridge.delivery.events import Change
from cirrus_bridge.ipp.message import Attributes
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.files import lock_place
from cirrus_bridge.journal.lifecycle import State
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.journal.submissions import Journal
from cirrus_bridge.polling.queries import Queries
from cirrus_bridge.polling.schedule import Schedule
from cirrus_bridge.polling.watched import WatchedDocuments
from programs import Program

PENDING = 3  # job-state, RFC 8011, 5.3.7
EPOCH_S = 1_800_000_000.0
TARGET = Target("Paris", "L1")
URI = "cirrus://h/C/Paris:L1"
KEY = DocumentKey("urn:uuid:1", 1, 0, URI, 1)

About = TypeVar("About")
T = TypeVar("T")


class StubClock(Clock):
    """Only `sleep` lets time pass. `at_sleep` is called before each sleep."""

    def __init__(self) -> None:
        super().__init__()
        self.passed_s = 0.0
        self.at_sleep: Callable[[], None] = lambda: None

    def monotonic_s(self) -> float:
        return self.passed_s

    def wall_s(self) -> float:
        return EPOCH_S + self.passed_s

    def sleep(self, seconds: float) -> None:
        self.at_sleep()
        self.passed_s += seconds
        if self.stop_requested:
            super().sleep(0)  # raises


class StubReport:
    """Keeps the messages of a submission."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.away: list[str] = []
        self.back = 0

    def debug(self, text: str) -> None:
        self.said.append(text)

    def info(self, text: str) -> None:
        self.said.append(text)

    def progress(self, percent: int) -> None:
        self.said.append(f"{percent} %")

    def server_away(self, text: str) -> None:
        self.away.append(text)

    def server_back(self) -> None:
        self.back += 1


class StubApi(CloudApi):
    """A cloud that accepts everything, except for the answers in `script`.

    Attributes:
        calls: the names of all requests, in order.
        tickets: of the submits.
        segments, files: the uploads.
        printed: the accepted documents.
        connected: how many connections were opened before they were needed.
        has_connected: released after each.
        at_temp_file: called with `reached` before the answer to `temp_file`, in its thread.
        asked_for: the last job that was asked for.
        instance: the server's name for itself.
        knows_keys: whether the server recognizes a repeated submit.
        at_call: called before each request, except for segments, which come from threads.
    """

    def __init__(self) -> None:
        entry = Server("h", Secret("k"), "C", ())
        super().__init__(entry, "C", https=True, timeouts=UploadSettings())
        self.calls: list[str] = []
        self.tickets: list[Ticket] = []
        self.segments: list[Segment] = []
        self.files: dict[str, dict[int, bytes]] = {}
        self.printed: list[bytes] = []
        self.connected = 0
        self.has_connected = threading.Semaphore(0)
        self._connecting = threading.Lock()
        self.at_temp_file: Callable[[Callable[[], None]], None] = lambda reached: reached()
        self.instance = ""
        self.knows_keys = False
        self.asked_for = ""
        self.status: JobStatus | CirrusError = JobStatus(DeliveryState.SUBMITTED)
        self.at_call: Callable[[str], None] = lambda name: None
        self._script: defaultdict[str, deque[object]] = defaultdict(deque)
        self._ids = itertools.count(1)

    def script(self, name: str, *answers: object) -> None:
        """Set the next answers to a request.

        Errors are raised, functions are called for an answer, and None is the normal answer.
        """
        self._script[name].extend(answers)

    def works(self) -> None:
        """Return to normal answers."""
        self._script.clear()

    def version(self) -> tuple[str, ...]:
        self.at_call("version")
        return self._answer("version", ("", "", "", ""))

    def repeats_safely(self) -> bool:
        self.at_call("repeats_safely")
        return self._answer("repeats_safely", self.knows_keys)

    def device(self, target: Target) -> Mapping[str, Any]:
        self.at_call("device")
        return self._answer("device", {})

    def temp_file(self, method: str = "POST", *, reached: Callable[[], None] = lambda: None) -> str:
        self.at_temp_file(reached)
        self.at_call("temp_file")
        name = self._answer("temp_file", f"t{len(self.files) + 1}")
        self.files[name] = {}
        return name

    def connect(self) -> None:
        with self._connecting:
            self.connected += 1
        self.has_connected.release()

    def put_segment(self, name: str, segment: Segment) -> None:
        self._answer("put_segment", None)
        self.segments.append(segment)
        self.files[name][segment.index] = segment.data

    def put_file(self, data: bytes, ticket: Ticket) -> list[Receipt]:
        self.at_call("put_file")
        return self._submit("put_file", data, ticket)

    def submit_file(self, name: str, ticket: Ticket) -> list[Receipt]:
        self.at_call("submit_file")
        data = b"".join(part for _, part in sorted(self.files[name].items()))
        return self._submit("submit_file", data, ticket)

    def job_status(self, receipt: Receipt) -> JobStatus:
        self.at_call("job_status")
        self.asked_for = receipt.cloud_job_id
        status = self._answer("job_status", self.status)
        if isinstance(status, CirrusError):
            raise status
        return status

    def _submit(self, name: str, data: bytes, ticket: Ticket) -> list[Receipt]:
        self.tickets.append(ticket)
        receipts = [Receipt(target, f"1-{next(self._ids)}") for target in ticket.targets]
        receipts = self._answer(name, receipts)
        self.printed.append(data)
        return receipts

    def _answer(self, name: str, usual: T) -> T:
        self.calls.append(name)
        self.server_instance = self.instance
        answer: Any = self._script[name].popleft() if self._script[name] else None
        if callable(answer):
            answer = answer()
        if isinstance(answer, BaseException):
            raise answer
        return usual if answer is None else answer


class StubQueries(Queries[About, T]):
    """Asks at once. Waiting for an answer lets at least `least_s` pass, as on a busy machine.

    While `is_slow`, no answer comes.
    """

    def __init__(self, clock: Clock, *, least_s: float = 0.0) -> None:
        super().__init__()
        self._least_s = least_s
        self.is_slow = False
        self._clock = clock
        self._come: deque[tuple[About, T | CirrusError]] = deque()

    def ask(self, about: About, question: Callable[[], T]) -> None:
        self.open += 1
        result: T | CirrusError
        try:
            result = question()
        except CirrusError as error:
            result = error
        self._come.append((about, result))

    def answers(self, wait_s: float) -> Iterator[tuple[About, T | CirrusError]]:
        while self._come and not self.is_slow:
            self.open -= 1
            yield self._come.popleft()
            wait_s = 0.0
        self._clock.sleep(max(self._least_s, wait_s))


def new_watch_list() -> WatchedDocuments:
    """The watch list of a poller that follows no document, with the same jitter in each run."""
    return WatchedDocuments(Schedule(random.Random(1), 300), parse_queue_uri)


def cups_job(job_id: int, state: int = HELD, **about: Any) -> CupsJob:
    """A job of CUPS that is held until its release; `job_id` determines its uuid."""
    hold_until = INDEFINITE if state == HELD else ""
    attributes = Attributes(about.pop("attributes", {}))
    usual: dict[str, Any] = {"queue": "q", "attributes": attributes, "hold_until": hold_until}
    usual |= {"job_uuid": f"urn:uuid:{job_id}", "reasons": (), "message": "", "told": ""}
    values = usual | {"progress": None} | about
    return CupsJob(job_id, state=state, **{"printer": values["queue"]} | values)


class StubCups(CupsQueues):
    """An obedient cupsd with these jobs and queues.

    Attributes:
        did: its operations, in order.
        fails: errors that operations raise.
        too_young: the jobs that its lists do not have yet.
        at_do: called before each operation.
    """

    def __init__(self, *jobs: CupsJob, **device_uris: str) -> None:
        super().__init__(CupsServer("/nowhere"))
        self.by_id = {job.job_id: job for job in jobs}
        self.by_name = {name: Queue(name, uri, IDLE, "", ()) for name, uri in device_uris.items()}
        self.did: list[tuple[object, ...]] = []
        self.fails: dict[str, CirrusError] = {}
        self.too_young: set[int] = set()
        self.at_do: Callable[[str], None] = lambda operation: None

    def jobs(
        self, *, completed: bool = False, limit: int | None = None, mine: bool = False
    ) -> list[CupsJob]:
        self._fail("jobs")
        listed = [job for job in self.by_id.values() if job.job_id not in self.too_young]
        return [job for job in listed if (job.state in FINAL) is completed][:limit]

    def job(self, job_id: int) -> CupsJob:
        self._fail("job")
        if job_id not in self.by_id:
            raise CupsGone("CUPS has no such job.")
        return self.by_id[job_id]

    def set_message(self, job_id: int, message: str) -> None:
        self._do("say", job_id, message)
        self._change(job_id, told=operator_message(message))

    def release_job(self, job_id: int) -> None:
        self._do("release", job_id)
        if self.job(job_id).state != HELD:
            raise CupsNotPossible("The job is not held.")
        self._change(job_id, state=PENDING, hold_until="")

    def hold_job(self, job_id: int) -> None:
        self._do("hold", job_id)
        self._change(job_id, state=HELD, hold_until=INDEFINITE)

    def move_job(self, job_id: int, queue: str) -> None:
        self._do("move", job_id, queue)
        self._change(job_id, queue=queue)

    def restart_job(self, job_id: int) -> None:
        self._do("restart", job_id)
        self._change(job_id, state=PENDING)

    def pause(self, queue: str, message: str) -> bool:
        self._do("pause", queue)
        if self.queue(queue).state == STOPPED:
            return False
        self._change_queue(queue, state=STOPPED, message=queue_message(message))
        return True

    def queues(self) -> list[Queue]:
        self._fail("queues")
        return list(self.by_name.values())

    def queue(self, queue: str) -> Queue:
        self._fail("queue")
        if queue not in self.by_name:
            raise CupsGone("CUPS has no such printer.")
        return self.by_name[queue]

    def tell_queue(self, queue: str, reasons: Collection[str], message: str) -> bool:
        self._do("tell", queue)
        self._change_queue(queue, reasons=tuple(reasons), message=queue_message(message))
        return True

    def put(self, *jobs: CupsJob) -> None:
        """Add or replace jobs."""
        self.by_id |= {job.job_id: job for job in jobs}

    def done(self, *operations: str) -> list[object]:
        """The jobs and queues of these operations, in order."""
        return [what for operation, what, *_ in self.did if operation in operations]

    def _do(self, operation: str, what: object, *more: object) -> None:
        self._fail(operation)
        self.at_do(operation)
        self.did.append((operation, what, *more))

    def _fail(self, operation: str) -> None:
        if operation in self.fails:
            raise self.fails[operation]

    def _change(self, job_id: int, **changes: Any) -> None:
        self.by_id[job_id] = dataclasses.replace(self.job(job_id), **changes)

    def _change_queue(self, queue: str, **changes: Any) -> None:
        self.by_name[queue] = dataclasses.replace(self.queue(queue), **changes)


class PollerSite:
    """The surroundings of a part of a poller: a journal, a test clock, and a list of events.

    Backends write to the journal, too.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.backend = Journal(empty_journal(folder))
        self.journal = PollerJournal(folder)
        self.clock = StubClock()
        self.told: list[Change] = []

    def __enter__(self) -> Self:
        self.backend.__enter__()
        self.journal.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.journal.__exit__(*exc_info)
        self.backend.__exit__(*exc_info)

    def state(self, key: DocumentKey = KEY) -> State:
        """The document's state in the journal."""
        entries = self.backend.entries(key.job_uuid, key.job_id)
        return next(entry.state for entry in entries if entry.key == key)

    @property
    def events(self) -> list[tuple[str, int]]:
        """The events with their level."""
        return [(change.event, change.level) for change in self.told]


def taken(journal: PollerJournal, watch_list: WatchedDocuments | None = None) -> list[Document]:
    """The new documents of a poller that has those of `watch_list` already."""
    followed = {each.document.key: each.document.hand_overs for each in watch_list or ()}
    handed_over = journal.handed_over().items()
    return journal.documents(
        [each for key, each in handed_over if followed.get(key) != each.hand_overs]
    )


def empty_journal(folder: Path) -> Path:
    """Fill `folder` with the files of an empty journal, because making them is slow."""
    folder.mkdir(exist_ok=True)
    for name, data in _journal_files().items():
        path = folder / name
        path.write_bytes(data)
        path.chmod(0o600)
    return folder


@functools.cache
def _journal_files() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        with Journal(Path(folder)):
            pass
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


_LOCK = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.lockf(file, fcntl.LOCK_EX, 1, int(sys.argv[2]))
print(flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def locked_elsewhere(folder: Path, name: str, number: int) -> Iterator[None]:
    """Hold the lock of the job with this uuid and id of the journal in `folder`.

    Another process holds the lock.
    """
    place = str(lock_place(name, number))
    command = [sys.executable, "-I", "-S", "-c", _LOCK, str(folder / "jobs.lock"), place]
    with Program[bytes](command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield


def start_poller(folder: Path, *, now_s: float) -> PollerJournal:
    """Take the poller's lock of the journal in `folder`, as long as the result is open."""
    journal = PollerJournal(folder)
    assert journal.take_over("p", now_s=now_s)
    return journal


def away() -> Unreachable:
    """A server that cannot be reached."""
    return Unreachable("Cannot reach h.")


def refused() -> Refused:
    """A server that refuses a request."""
    return Refused("h refused it.")
