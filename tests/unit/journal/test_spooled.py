"""The spool of `cirrus-printers`, as cirrusctl reads it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from cirrus_bridge.base.translation import translated
from cirrus_bridge.ipp.message import JobState
from cirrus_bridge.ipp_server.spool import Spool, SpooledJob
from cirrus_bridge.journal.spooled import jobs_of_ids, open_jobs, recent_jobs


def job(uuid: str, printer: str = "paris-laser1", created_s: float = 10.0) -> SpooledJob:
    return SpooledJob(
        0, uuid, printer, "cirrus://h/C/L:D", "ann", "192.0.2.7", "A page", "de", b"",
        private=b"1234", created_s=created_s, size_bytes=5,
    )  # fmt: skip


def test_without_a_service(tmp_path: Path) -> None:
    """Where the service has never run, there are no jobs, and nothing is created."""
    assert recent_jobs(tmp_path / "printers", 5) == []
    assert open_jobs(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_jobs_as_the_service_writes_them(tmp_path: Path) -> None:
    """Open jobs and the last ended ones are read, with what the client is told."""
    with contextlib.closing(Spool(tmp_path)) as spool:
        first, second, third = (spool.add(job(f"urn:uuid:{n}", created_s=n)) for n in (1, 2, 3))
        spool.end(first.job_id, JobState.COMPLETED, 20.0)
        message = {"": "It is gone.", "de": "Er ist weg."}
        spool.end(second.job_id, JobState.ABORTED, 21.0, message=message)
        assert {each.job_id for each in recent_jobs(tmp_path, 1)} == {second.job_id, third.job_id}
        assert open_jobs(tmp_path) == {"paris-laser1": 1}
        (found,) = jobs_of_ids(tmp_path, [second.job_id])
    assert (found.user, found.host, found.title) == ("ann", "192.0.2.7", "A page")
    assert (found.created_s, found.processing_s, found.completed_s) == (2.0, 0.0, 21.0)
    assert found.has_ended
    assert found.state == JobState.ABORTED
    assert found.message == "It is gone."


def test_the_message_in_the_language_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON has the English text, and people get that of their language."""
    monkeypatch.setenv("LANGUAGE", "de_AT")
    with contextlib.closing(Spool(tmp_path)) as spool:
        added = spool.add(job("urn:uuid:1"))
        spool.change(added.job_id, message={"": "Held.", "de": "Angehalten."})
        (found,) = jobs_of_ids(tmp_path, [added.job_id])
    assert (str(found.message), translated(found.message)) == ("Held.", "Angehalten.")
