"""What is said of unfinished jobs before a removal."""

from __future__ import annotations

import dataclasses

from cirrus_bridge.ipp_server.leaving import remaining
from cirrus_bridge.ipp_server.outcomes import IN_DEVICE
from cirrus_bridge.ipp_server.spool import SpooledJob

JOB = SpooledJob(
    job_id=7,
    job_uuid="urn:uuid:1",
    printer="laser",
    queue_uri="cirrus://h/c/l:d",
    user="ann",
    host="192.0.2.1",
    title="t",
    language="en",
    attributes=b"",
)
SENT = dataclasses.replace(JOB, job_id=8, reasons=(IN_DEVICE,))


def test_jobs_that_the_cloud_has_are_counted_and_others_are_named() -> None:
    """A person may still look after the jobs that only this machine has."""
    sent, unsent = remaining([JOB, SENT, SENT], "/state")
    assert sent == "jobs that the cloud has, and prints: 2"
    assert unsent.startswith("these jobs are unfinished: laser-7. They stay in /state,")


def test_nothing_is_said_without_jobs() -> None:
    """A removal is quiet if no job is concerned."""
    assert list(remaining([], "/state")) == []
