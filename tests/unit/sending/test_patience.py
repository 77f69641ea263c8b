"""Waits for a server: in the queue, held or given up, with messages and by the right clock."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import (
    ServerAway,
    ServerFault,
    TryOtherMember,
    Unreachable,
    WaitsForServer,
)
from cirrus_bridge.base.model import DocumentKey, PrintJob, Target
from cirrus_bridge.config.queue_options import QueueSettings
from cirrus_bridge.config.queue_uri import parse_queue_uri
from cirrus_bridge.journal.lifecycle import State
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.journal.submissions import Journal
from cirrus_bridge.sending.patience import LOOK_S, NO_POLLER, QUEUE_WAIT_S, Patience
from stubs import start_poller

DAY_S = 86_400.0
URI = "cirrus://print.example/Acme/Paris:L"
TARGET = Target("Paris", "L")


class JumpingClock(Clock):
    """A clock on which only sleeping takes time. The wall clock jumps to and fro at each look."""

    jump_s = DAY_S

    def __init__(self) -> None:
        super().__init__()
        self.passed_s = 0.0

    def monotonic_s(self) -> float:
        return self.passed_s

    def wall_s(self) -> float:
        self.jump_s = -2 * self.jump_s
        return 1_800_000_000.0 + self.passed_s + self.jump_s

    def sleep(self, seconds: float) -> None:
        self.passed_s += seconds
        self.passed()

    def passed(self) -> None:
        """Called after time has passed."""


class SteadyClock(JumpingClock):
    """A wall clock that advances with time."""

    jump_s = 0.0


class Told:
    """A report that stores its messages."""

    def __init__(self) -> None:
        self.away: list[str] = []
        self.log: list[str] = []
        self.back = 0

    def debug(self, text: str) -> None:
        self.log.append(text)

    def info(self, text: str) -> None: ...
    def progress(self, percent: int) -> None: ...

    def server_away(self, text: str) -> None:
        self.away.append(text)

    def server_back(self) -> None:
        self.back += 1


class Outage:
    """A document and a server that does not work."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened = contextlib.ExitStack()
        self.journal = self.opened.enter_context(Journal(folder))
        self.told = Told()
        self.clock: JumpingClock = SteadyClock()

    def patience(
        self, limit_s: int = 1000, *, in_class: bool = False, may_hold: bool = True, number: int = 1
    ) -> Patience:
        queue = parse_queue_uri(URI, QueueSettings(contimeout_s=limit_s))
        key = DocumentKey(f"urn:uuid:{number}", number, 0, URI, 1)
        job = PrintJob(
            number, key.job_uuid, "u", "t", 1, "q",
            class_name="all" if in_class else "", documents=1 if may_hold else 2,
        )  # fmt: skip
        self.journal.intent(key, job, [TARGET], now_s=self.clock.wall_s())
        return Patience(self.clock, self.told, self.journal, job, key, queue, rng=random.Random(1))

    def start_poller(self) -> None:
        """Start a poller that follows this journal."""
        self.opened.enter_context(start_poller(self.folder, now_s=self.clock.wall_s()))

    def state(self, number: int = 1) -> State:
        (entry,) = self.journal.entries(f"urn:uuid:{number}", number)
        return entry.state


@pytest.fixture
def outage(tmp_path: Path) -> Iterator[Outage]:
    """A new outage without a poller."""
    found = Outage(tmp_path)
    with found.opened:
        yield found


def _fails() -> None:
    raise Unreachable("Cannot reach x.")


def test_a_wall_clock_that_jumps_changes_no_limit(outage: Outage) -> None:
    """contimeout is measured by the monotonic clock."""
    outage.clock = JumpingClock()
    with pytest.raises(ServerAway, match="Gave up after 1000 seconds"):
        outage.patience().insist(_fails)
    assert 900 < outage.clock.passed_s <= 1000


def test_retry_after_is_waited_for(outage: Outage) -> None:
    """The wait is at least as long as the server's Retry-After."""
    outage.patience().wait_after(ServerFault("busy", retry_after_s=300))
    assert outage.clock.passed_s >= 300


def test_a_retry_after_beyond_the_limit_is_not_waited_for(outage: Outage) -> None:
    """A Retry-After beyond contimeout fails at once, without a useless wait."""
    with pytest.raises(ServerAway):
        outage.patience().wait_after(ServerFault("busy", retry_after_s=2000))
    assert outage.clock.passed_s == 0


def test_a_success_ends_the_outage(outage: Outage) -> None:
    """contimeout limits a single outage of a job. A success clears the reason."""
    patience = outage.patience(100)
    for _ in range(50):
        patience.wait_after(Unreachable("Cannot reach x."))
        outage.clock.sleep(30)
        patience.end_outage()
    assert len(outage.told.away) == outage.told.back == 50
    assert "Next attempt at" in outage.told.away[0]


def test_the_queue_waits_for_minutes_only(outage: Outage) -> None:
    """The job is held after two minutes, and the journal has what the poller needs to release
    it."""
    outage.start_poller()
    patience = outage.patience(604_800)
    with pytest.raises(WaitsForServer, match="held and continues by itself"):
        patience.insist(_fails)
    assert QUEUE_WAIT_S / 2 < outage.clock.passed_s <= QUEUE_WAIT_S
    assert outage.state() is State.WAITING
    with PollerJournal(outage.folder) as journal:
        (waiting,) = journal.waiting()
    assert waiting.key == patience.key
    assert waiting.device_uri.startswith(f"{URI}?encryption=required&")
    left_s = waiting.give_up_at_s - outage.clock.wall_s()
    assert 604_800 - QUEUE_WAIT_S <= left_s <= 604_800


def test_without_a_poller_the_job_keeps_waiting(outage: Outage) -> None:
    """Without a poller the job is not held, and the log says what to start."""
    patience = outage.patience(10 * int(QUEUE_WAIT_S))
    with pytest.raises(ServerAway):
        patience.insist(_fails)
    assert NO_POLLER in outage.told.log
    assert not any("statusd" in text for text in outage.told.away)


def test_a_file_that_is_not_the_last_one_is_not_held(outage: Outage) -> None:
    """A file before the job's last is not held, because CUPS would end the job."""
    outage.start_poller()
    with pytest.raises(ServerAway):
        outage.patience(10 * int(QUEUE_WAIT_S), may_hold=False).insist(_fails)


def test_others_wait_already(outage: Outage) -> None:
    """The next job of the same server is held after its first attempt.

    A job of another server is not.
    """
    outage.start_poller()
    with pytest.raises(WaitsForServer):
        outage.patience().insist(_fails)
    before_s = outage.clock.passed_s
    with pytest.raises(WaitsForServer):
        outage.patience(number=2).insist(_fails)
    assert outage.clock.passed_s == before_s
    other = outage.patience(number=3)
    other.queue = parse_queue_uri(URI.replace("print", "other"), QueueSettings())
    other.wait_after(Unreachable("Cannot reach x."))
    assert outage.clock.passed_s > before_s


def test_contimeout_counts_from_the_first_try(outage: Outage) -> None:
    """contimeout counts from the first attempt of the job, not of each run."""
    outage.start_poller()
    with pytest.raises(WaitsForServer):
        outage.patience(500).insist(_fails)
    outage.clock.sleep(400)
    with pytest.raises(ServerAway, match="500 seconds"):
        outage.patience(500).insist(_fails)
    assert outage.state() is State.SENDING
    outage.patience(500).wait_after(Unreachable("Cannot reach x."))  # a person released the job


def test_class(outage: Outage) -> None:
    """Another member of the class is better than waiting, within contimeout."""
    for _ in range(3):
        with pytest.raises(TryOtherMember):
            outage.patience(100, in_class=True).wait_after(Unreachable("Cannot reach x."))
    outage.clock.passed_s += 100
    with pytest.raises(ServerAway):
        outage.patience(100, in_class=True).wait_after(Unreachable("Cannot reach x."))


def test_a_job_that_needs_the_queue_only_to_end(outage: Outage) -> None:
    """A job in its queue gives way within seconds, whatever its next attempt. Without a poller,
    which would release the job again, it stays."""
    patience = outage.patience()
    patience.gives_way = lambda: outage.clock.passed_s > 3
    patience.wait_after(ServerFault("busy", retry_after_s=50))
    assert outage.clock.passed_s >= 50
    outage.clock.passed_s = 0
    outage.start_poller()
    with pytest.raises(WaitsForServer) as caught:
        patience.wait_after(ServerFault("busy", retry_after_s=40))
    assert 3 < outage.clock.passed_s <= 3 + LOOK_S
    assert caught.value.for_person.startswith("busy (CB-413) The job is held and continues by")
