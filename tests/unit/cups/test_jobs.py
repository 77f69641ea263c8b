"""The job of a run: cupsd is asked again while it does not answer, and no identity is invented."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cirrus_bridge.base.errors import CupsAway, CupsGone, JobUnidentified
from cirrus_bridge.cups.client import CupsServer
from cirrus_bridge.cups.jobs import WAITS_S, CupsJob, CupsJobs
from stubs import cups_job


class _Cups(CupsJobs):
    """A cupsd that gives these answers in order."""

    def __init__(self, answers: Sequence[Exception | str]) -> None:
        super().__init__(CupsServer("/nowhere"))
        self._answers = iter(answers)
        self.slept_s: list[float] = []

    def job(self, job_id: int) -> CupsJob:
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return cups_job(job_id, job_uuid=answer)


def test_all_of_it_in_one_answer() -> None:
    """One answer is enough."""
    cups = _Cups(["urn:uuid:a"])
    assert cups.identified_job(7, cups.slept_s.append) == cups_job(7, job_uuid="urn:uuid:a")
    assert cups.slept_s == []


def test_a_cupsd_that_is_busy_is_asked_again() -> None:
    """A busy cupsd, or one that does not know the job's uuid yet, is asked again."""
    cups = _Cups([CupsAway("CUPS does not answer."), "", "urn:uuid:a"])
    assert cups.identified_job(7, cups.slept_s.append).job_uuid == "urn:uuid:a"
    assert cups.slept_s == list(WAITS_S[:2])


@pytest.mark.parametrize("answer", [CupsAway("CUPS does not answer."), ""])
def test_no_identity_is_made_up(answer: Exception | str) -> None:
    """A job that cupsd does not identify is held.

    With an invented identity, it could be printed twice.
    """
    cups = _Cups([answer] * 99)
    with pytest.raises(JobUnidentified, match="cirrus-statusd releases it"):
        cups.identified_job(7, cups.slept_s.append)
    assert cups.slept_s == list(WAITS_S)


def test_a_no_is_not_asked_for_again() -> None:
    """A refusal of cupsd is final: there is no such job, or access is denied."""
    cups = _Cups([CupsGone("no such job")])
    with pytest.raises(JobUnidentified):
        cups.identified_job(7, cups.slept_s.append)
    assert cups.slept_s == []
