"""Facts about a job: cupsd is asked again while it does not answer, and no fact is invented."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cirrus_bridge.base.errors import CupsAway, CupsGone, JobUnidentified
from cirrus_bridge.cups.ipp import Attributes
from cirrus_bridge.cups.job_facts import (
    WAITS_S,
    JobFacts,
    facts_from_cupsd,
    facts_from_options,
)
from cirrus_bridge.cups.jobs import PROCESSING, CupsJob
from cirrus_bridge.cups.spool import is_run_by_cupsd

ATTRIBUTES: Attributes = {
    "time-at-creation": [10],
    "time-at-processing": [12],
    "time-at-completed": [],
    "job-cancel-after": [10800],
    "job-priority": [70],
    "job-originating-host-name": ["pc7"],
}


class _Cups:
    """A cupsd that gives these answers in order."""

    def __init__(self, answers: Sequence[Exception | str]) -> None:
        self._answers = iter(answers)
        self.slept_s: list[float] = []

    def job(self) -> CupsJob:
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        place = ("q", "q", PROCESSING, (), "", "", "", None)
        return CupsJob(7, answer, *place, ATTRIBUTES)


def test_all_of_it_in_one_answer() -> None:
    """One answer has times, priority, time limit and host of a job that is not completed."""
    cups = _Cups(["urn:uuid:a"])
    facts = facts_from_cupsd(cups.job, cups.slept_s.append)
    assert facts == JobFacts("urn:uuid:a", 10, 12, 0, 10800, 70, "pc7")
    assert cups.slept_s == []


def test_a_cupsd_that_is_busy_is_asked_again() -> None:
    """A busy cupsd, or one that does not know the job's uuid yet, is asked again."""
    cups = _Cups([CupsAway("CUPS does not answer."), "", "urn:uuid:a"])
    assert facts_from_cupsd(cups.job, cups.slept_s.append).job_uuid == "urn:uuid:a"
    assert cups.slept_s == list(WAITS_S[:2])


@pytest.mark.parametrize("answer", [CupsAway("CUPS does not answer."), ""])
def test_no_identity_is_made_up(answer: Exception | str) -> None:
    """A job that cupsd does not identify is held.

    With an invented identity, it could be printed twice.
    """
    cups = _Cups([answer] * 99)
    with pytest.raises(JobUnidentified, match="cirrus-statusd releases it"):
        facts_from_cupsd(cups.job, cups.slept_s.append)
    assert cups.slept_s == list(WAITS_S)


def test_a_no_is_not_asked_for_again() -> None:
    """A refusal of cupsd is final: there is no such job, or access is denied."""
    cups = _Cups([CupsGone("no such job")])
    with pytest.raises(JobUnidentified):
        facts_from_cupsd(cups.job, cups.slept_s.append)
    assert cups.slept_s == []


def test_by_hand() -> None:
    """A run by hand is a separate job, unless its options name a job."""
    assert is_run_by_cupsd({"SOFTWARE": "CUPS/2.4.20"})
    assert not is_run_by_cupsd({})
    assert facts_from_options({"job-uuid": "u", "time-at-completed": "9"}).completed_at == 9
    assert facts_from_options({}).job_uuid != facts_from_options({}).job_uuid
