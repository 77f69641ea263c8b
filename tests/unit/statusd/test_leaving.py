"""The held jobs before Cirrus Bridge is removed, with a stubbed cupsd and a real journal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cirrus_bridge.base.model import PrintJob, Receipt
from cirrus_bridge.cups.jobs import COMPLETED, PROCESSING
from cirrus_bridge.journal.lifecycle import State
from cirrus_bridge.statusd.leaving import leave
from stubs import KEY, TARGET, URI, PollerSite, StubCups, cups_job

MAYBE = "Cirrus Bridge was removed. This job may already have been printed."
UNSENT = "Cirrus Bridge was removed. Cancel this job, or move it to another printer."


class Site(PollerSite):
    """Held jobs, and two queues of ours."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.cups = StubCups(q=URI, other=URI.replace("L1", "L2"), lpd="lpd://printer/")

    def hold(self, state: State, queue: str = "q") -> None:
        """Put a held job whose document is in this state, and which is in a queue now."""
        now_s = self.clock.wall_s()
        job = PrintJob(1, KEY.job_uuid, "ann", "Report", 1, "q")
        self.backend.intent(KEY, job, [TARGET], now_s=now_s)
        if state is not State.SENDING:
            self.backend.submitting(KEY, "ab", 9, 5, submit_key="k", submit_form="f", now_s=now_s)
        if state is State.UNANSWERED:
            self.backend.unanswered(KEY, now_s=now_s)
        if state is State.HELD:
            self.backend.accepted(KEY, [Receipt(TARGET, "1")], now_s=now_s)
            self.backend.hand_over([KEY], "hold", URI, now_s=now_s)
        assert self.state() is state
        self.cups.put(cups_job(1, queue=queue))

    def leave(self) -> str:
        return "\n".join(leave(self.journal, self.cups, self.clock))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site without jobs."""
    with Site(tmp_path) as made:
        yield made


@pytest.mark.parametrize("state", [State.SENDING, State.HELD])
def test_a_job_runs_once_more(site: Site, state: State) -> None:
    """Its backend sends nothing, and ends the job or says what became of it."""
    site.hold(state)
    site.clock.at_sleep = lambda: site.cups.put(cups_job(1, COMPLETED))
    assert "their server has them: 1" in site.leave()
    assert site.cups.done("release") == [1]


def test_a_person_has_to_decide(site: Site) -> None:
    """A release would print the job again if the removal broke off."""
    site.hold(State.UNANSWERED)
    assert "q-1" in site.leave()
    assert site.cups.done("release") == []
    assert site.cups.job(1).told == MAYBE


@pytest.mark.parametrize("queue", ["other", "lpd"])
@pytest.mark.parametrize("state", [State.HELD, State.UNANSWERED])
def test_a_moved_job(site: Site, state: State, queue: str) -> None:
    """A job that was sent from another queue is not released, and says that it may be printed."""
    site.hold(state, queue)
    site.leave()
    assert site.cups.done("release") == []
    assert site.cups.job(1).told == MAYBE


@pytest.mark.parametrize(("state", "told"), [(State.SENDING, UNSENT), (State.HELD, MAYBE)])
def test_a_busy_queue(site: Site, state: State, told: str) -> None:
    """A job that could not run is held again. Nobody is told to move a job that was sent."""
    site.hold(state)
    site.cups.put(cups_job(2, PROCESSING))
    site.leave()
    assert site.cups.done("release", "hold") == [1, 1]
    assert site.cups.job(1).told == told
