"""Which job runs when."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.ipp.message import JobState
from cirrus_bridge.ipp_server.dispatcher import (
    FAILED_WAIT_S,
    KILLED_WAIT_S,
    MOST_RUNS,
    MOST_RUNS_OF_A_NETWORK,
    Dispatcher,
)
from cirrus_bridge.ipp_server.outcomes import CANCELING, IN_DEVICE, Outcome
from cirrus_bridge.ipp_server.spool import INCOMING, Spool, SpooledJob
from cirrus_bridge.sending.patience import FIRST_WAIT_S

URI = "cirrus://one.example.com/Acme/Paris:d"
OTHER_URI = "cirrus://two.example.com/Acme/Paris:d"


class _Processes:
    def __init__(self) -> None:
        self.started: list[int] = []
        self.stopped: list[int] = []

    def start(self, job_id: int) -> None:
        self.started.append(job_id)

    def stop(self, job_id: int) -> None:
        self.stopped.append(job_id)


class _Clock(Clock):
    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1000.0

    def wall_s(self) -> float:
        return self.now_s

    def monotonic_s(self) -> float:
        return self.now_s


class _Rig:
    """A dispatcher with a spool, whose runs the test ends."""

    def __init__(self, folder: Path) -> None:
        self.spool, self.processes, self.clock = Spool(folder), _Processes(), _Clock()
        self.dispatcher = Dispatcher(self.spool, self.processes, self.clock)
        self.count = 0

    def add(self, printer: str = "p", queue_uri: str = URI, **values: Any) -> int:
        self.count += 1
        job = SpooledJob(
            job_id=0,
            job_uuid=f"urn:uuid:{self.count}",
            printer=printer,
            queue_uri=queue_uri,
            user="ann",
            host="h",
            title="t",
            language="en",
            attributes=b"",
            created_s=self.clock.now_s,
        )
        return self.spool.add(dataclasses.replace(job, **values)).job_id

    def job(self, job_id: int) -> SpooledJob:
        job = self.spool.get(job_id)
        assert job is not None
        return job

    def step(self) -> list[int]:
        """Start what is due; return the ids."""
        before = len(self.processes.started)
        self.dispatcher.step()
        return self.processes.started[before:]

    def end(self, job_id: int, signal: int = 0, **said: Any) -> None:
        """End a run, with its last news."""
        news = [{"job": job_id, **said}] if said else []
        self.dispatcher.heard([*news, {"ended": job_id, "signal": signal}])
        self.dispatcher.take_news()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[_Rig]:
    made = _Rig(tmp_path)
    yield made
    made.spool.close()


ERROR: dict[str, Any] = {
    "error": "CB-411",
    "message": {"": "Away."},
    "log": "away",
    "may_be_printed": False,
}


def test_one_job_of_a_client_at_a_time(rig: _Rig) -> None:
    """So that a client's jobs come out in their order; other printers go on."""
    first, second, other = rig.add(), rig.add(), rig.add("q")
    assert rig.step() == [first, other]
    assert rig.step() == []
    rig.end(first, accepted=True)
    assert rig.step() == [second]
    assert rig.job(first).state is JobState.PROCESSING
    assert rig.job(first).reasons == (IN_DEVICE,)


def test_a_few_runs_at_once(rig: _Rig) -> None:
    """However many printers there are; and some are left for other clients."""
    ids = [rig.add(f"p{number}") for number in range(MOST_RUNS + 3)]
    assert rig.step() == ids[:MOST_RUNS_OF_A_NETWORK]
    others = [rig.add(host=f"192.0.2.{number}") for number in range(MOST_RUNS)]
    assert rig.step() == others[: MOST_RUNS - MOST_RUNS_OF_A_NETWORK]


@pytest.mark.attacker("network")
def test_clients_take_turns(rig: _Rig) -> None:
    """Send many jobs with the highest priority to a printer: another client's job runs at once,
    and its later jobs in turns with them."""
    many = [rig.add(priority=100) for _ in range(20)]
    assert rig.step() == [many[0]]
    others = [rig.add(host="192.0.2.7", user="bob") for _ in range(2)]
    assert rig.step() == [others[0]]
    rig.end(many[0], accepted=True)
    rig.end(others[0], accepted=True)
    assert rig.step() == [many[1], others[1]]


@pytest.mark.attacker("network")
def test_a_conversion_that_was_ended(rig: _Rig) -> None:
    """Send a document that takes long to convert: the job ends, and is not tried again."""
    job_id = rig.add()
    rig.step()
    rig.end(job_id, signal=signal.SIGXCPU)
    assert rig.job(job_id).state is JobState.ABORTED
    assert "CB-305" in rig.job(job_id).message[""]
    assert rig.step() == []


def test_nothing_to_do(rig: _Rig) -> None:
    """A server that was away, and a run that was killed, do not keep the dispatcher busy when their
    jobs have ended."""
    job_id, other = rig.add(), rig.add("q")
    rig.step()
    rig.end(job_id, then="wait", **ERROR)
    rig.end(other, signal=9)
    rig.clock.now_s += 3600
    for each in (job_id, other):
        rig.spool.end(each, JobState.CANCELED, rig.clock.now_s)
    assert rig.dispatcher.step() > 60


def test_a_server_that_is_away_is_tried_by_one_job(rig: _Rig) -> None:
    """Its other jobs wait; another server's jobs do not."""
    first, second, other = rig.add("p"), rig.add("q"), rig.add("r", OTHER_URI)
    assert rig.step() == [first, second, other]
    for each in (first, second):
        rig.end(each, then="wait", **ERROR)
        assert rig.job(each).state is JobState.PROCESSING_STOPPED
        assert rig.job(each).message == {"": "Away."}
    rig.clock.now_s += 3600
    assert rig.step() == [first]
    rig.end(first, accepted=True)
    assert rig.step() == [second]


def test_a_run_that_is_killed_is_repeated(rig: _Rig) -> None:
    """After a while, and the number of such runs is known."""
    job_id = rig.add()
    for count in (1, 2, 3):
        assert rig.step() == [job_id]
        assert rig.job(job_id).open_runs == count
        rig.end(job_id, signal=9)
        assert rig.step() == []
        rig.clock.now_s += KILLED_WAIT_S
    assert rig.step() == [job_id]
    rig.end(job_id, then="wait", **ERROR)
    assert rig.job(job_id).open_runs == 0


@pytest.mark.parametrize(
    ("then", "state"), [("abort", JobState.ABORTED), ("hold", JobState.PENDING_HELD)]
)
def test_an_error(rig: _Rig, then: str, state: JobState) -> None:
    """The job says what has happened."""
    job_id = rig.add()
    rig.step()
    rig.end(job_id, then=then, **ERROR)
    assert rig.job(job_id).state is state
    assert rig.job(job_id).message == {"": "Away."}
    assert rig.step() == []


def test_the_end_of_a_job_in_the_cloud(rig: _Rig) -> None:
    """Also if the poller is faster than the run's own news."""
    job_id = rig.add()
    rig.step()
    done = Outcome(JobState.COMPLETED, ("job-completed-successfully",), {"": "Delivered."})
    rig.dispatcher.outcome(job_id, done)
    rig.end(job_id, accepted=True)
    assert rig.job(job_id).state is JobState.COMPLETED
    assert rig.job(job_id).message == {"": "Delivered."}


def test_cancel_a_job_that_waits(rig: _Rig) -> None:
    """Nothing was sent, so the job ends at once."""
    job_id = rig.add()
    assert rig.dispatcher.cancel(rig.job(job_id))
    assert rig.job(job_id).state is JobState.CANCELED
    assert rig.step() == []


def test_cancel_a_running_job(rig: _Rig) -> None:
    """The run is stopped, and another run lets go of the document."""
    job_id = rig.add()
    rig.step()
    assert rig.dispatcher.cancel(rig.job(job_id))
    assert rig.processes.stopped == [job_id]
    rig.end(job_id, then="stop", **ERROR)
    assert CANCELING in rig.job(job_id).reasons
    assert rig.step() == [job_id]
    rig.end(job_id, canceled={"": "Nothing was printed."})
    assert rig.job(job_id).state is JobState.CANCELED
    assert rig.job(job_id).message == {"": "Nothing was printed."}


def test_cancel_too_late(rig: _Rig) -> None:
    """The cloud takes the job while it is canceled, and will print it."""
    job_id = rig.add()
    rig.step()
    rig.dispatcher.cancel(rig.job(job_id))
    rig.end(job_id, accepted=True)
    assert rig.job(job_id).state is JobState.PROCESSING
    assert not rig.dispatcher.cancel(rig.job(job_id))
    assert rig.step() == []


def test_cancel_a_job_whose_server_is_away(rig: _Rig) -> None:
    """The person need not wait for the server."""
    job_id = rig.add()
    rig.step()
    rig.end(job_id, then="wait", **ERROR)
    assert rig.dispatcher.cancel(rig.job(job_id))
    assert rig.step() == [job_id]


def test_after_a_restart(rig: _Rig) -> None:
    """Jobs that were being sent run again; jobs in the cloud and held jobs do not."""
    sent = rig.add("p", state=JobState.PROCESSING)
    rig.add("q", state=JobState.PROCESSING, reasons=(IN_DEVICE,))
    rig.add("r", state=JobState.PENDING_HELD, reasons=("job-hold-until-specified",))
    rig.dispatcher.begin()
    assert rig.step() == [sent]


def test_a_document_that_never_comes(rig: _Rig) -> None:
    """A client that is gone leaves no open job behind."""
    job_id = rig.add(state=JobState.PENDING_HELD, reasons=("job-incoming",))
    rig.step()
    assert rig.job(job_id).state is JobState.PENDING_HELD
    rig.clock.now_s += 3600
    rig.step()
    assert rig.job(job_id).state is JobState.ABORTED


def test_a_document_that_comes_slowly(rig: _Rig) -> None:
    """The time is for a client that sends nothing, not for one that is still sending."""
    job_id = rig.add(state=JobState.PENDING_HELD, reasons=(INCOMING,))
    document = rig.spool.receive(job_id)
    rig.clock.now_s += 3600
    rig.step()
    assert rig.job(job_id).state is JobState.PENDING_HELD
    document.close()
    rig.step()
    assert rig.job(job_id).state is JobState.ABORTED


def test_a_document_that_was_not_the_last_one(rig: _Rig) -> None:
    """Its client sends no other one, and does not close the job: what has come is printed."""
    job_id = rig.add(state=JobState.PENDING_HELD, reasons=(INCOMING,), document="d")
    assert rig.step() == []
    rig.clock.now_s += 3600
    rig.step()
    assert rig.step() == [job_id]


def test_a_full_disk(rig: _Rig) -> None:
    """The end of a run is not lost: it is noted when the spool works again."""
    job_id = rig.add()
    rig.step()
    with contextlib.closing(sqlite3.connect(rig.spool.folder.parent / "spool.db")) as db:
        db.execute(
            "CREATE TRIGGER full BEFORE UPDATE ON job BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
        rig.dispatcher.heard([{"job": job_id, "accepted": True}, {"ended": job_id, "signal": 0}])
        with pytest.raises(sqlite3.Error, match="full"):
            rig.dispatcher.step()
        db.execute("DROP TRIGGER full")
    assert rig.step() == []
    assert rig.job(job_id).reasons == (IN_DEVICE,)


def test_nothing_is_due(rig: _Rig) -> None:
    """A server that is away with no job that waits for it, and a killed run of a canceled job, let
    the service sleep."""
    away, killed = rig.add("p"), rig.add("q", OTHER_URI)
    rig.step()
    rig.end(away, then="wait", **ERROR)
    rig.end(killed, signal=9)
    for each in (away, killed):
        rig.dispatcher.cancel(rig.job(each))
    rig.clock.now_s += KILLED_WAIT_S
    assert rig.step() == [away, killed]
    for each in (away, killed):
        rig.end(each, canceled={})
    rig.clock.now_s += 3600
    assert rig.dispatcher.step() > 60


def test_a_cancel_that_fails(rig: _Rig) -> None:
    """Letting go of a document is tried again after a while, such as on a full disk."""
    job_id = rig.add()
    rig.step()
    rig.dispatcher.cancel(rig.job(job_id))
    rig.end(job_id, then="stop", **ERROR)
    assert rig.step() == [job_id]
    rig.end(job_id, then="wait", **ERROR)
    assert rig.step() == []
    rig.clock.now_s += FAILED_WAIT_S
    assert rig.step() == [job_id]


def test_cancel_while_another_job_is_sent(rig: _Rig) -> None:
    """The person need not wait for the printer's other job."""
    held, other = rig.add(), rig.add()
    rig.step()
    rig.end(held, then="hold", **ERROR)
    assert rig.step() == [other]
    rig.dispatcher.cancel(rig.job(held))
    assert rig.step() == [held]


def test_a_job_that_changes_just_before_its_run(rig: _Rig) -> None:
    """A client holds it between the look at the spool and the start."""
    job_id = rig.add()
    held = (JobState.PENDING_HELD, ("job-hold-until-specified",))
    listed = rig.spool.open_jobs()
    assert rig.spool.replace(listed[0], state=held[0], reasons=held[1])
    assert rig.spool.replace(listed[0], state=JobState.PROCESSING) is None
    assert (rig.job(job_id).state, rig.job(job_id).reasons) == held
    assert rig.step() == []


def test_a_server_that_works_at_times(rig: _Rig) -> None:
    """A run that has sent a part of its document begins the waits again; the server may ask for a
    longer one."""
    job_id = rig.add()
    for _ in range(20):
        assert rig.step() == [job_id]
        rig.end(job_id, then="wait", has_progressed=True, **ERROR)
        rig.clock.now_s += FIRST_WAIT_S
    assert rig.step() == [job_id]
    rig.end(job_id, then="wait", least_wait_s=30.0, **ERROR)
    rig.clock.now_s += 29
    assert rig.step() == []
    rig.clock.now_s += 1
    assert rig.step() == [job_id]


def test_a_job_whose_outcome_the_journal_knows(rig: _Rig) -> None:
    """A spool that was restored from a backup has jobs that were printed since then."""
    job_id = rig.add()
    rig.step()
    rig.end(job_id, accepted=True, outcome=[9, ["job-completed-successfully"], {"": "Delivered."}])
    assert rig.job(job_id).state is JobState.COMPLETED
    assert rig.job(job_id).message == {"": "Delivered."}
