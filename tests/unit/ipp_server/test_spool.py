"""The spool of accepted jobs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from cirrus_bridge.ipp.message import JobState
from cirrus_bridge.ipp_server.spool import (
    IncomingDocument,
    Spool,
    SpooledJob,
    converted_path,
    read_spooled,
)

JOB = SpooledJob(
    job_id=0,
    job_uuid="urn:uuid:1",
    printer="p",
    queue_uri="cirrus://h/c/l:d",
    user="ann",
    host="192.0.2.1",
    title="Überschrift",
    language="de",
    attributes=b"\x01\0",
    created_s=1.5,
)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path)
    yield opened
    opened.close()


def _added(spool: Spool, number: int, **values: object) -> SpooledJob:
    changes = {"job_uuid": f"urn:uuid:{number}"} | values
    return spool.add(dataclasses.replace(JOB, **changes))  # type: ignore[arg-type]


def _document(spool: Spool, data: bytes) -> str:
    incoming = spool.receive()
    incoming.write(data)
    incoming.sync()
    incoming.keep()
    incoming.close()
    return incoming.name


def test_a_job_comes_back_as_it_was(spool: Spool, tmp_path: Path) -> None:
    """Also in another process, and after a restart."""
    job = _added(spool, 1, reasons=("a", "b"), message={"": "Hello", "de": "Hallo"})
    assert job.job_id == 1
    assert spool.get(1) == job == read_spooled(tmp_path, 1)
    spool.close()
    again = Spool(tmp_path)
    assert again.get(1) == job
    again.close()


def test_an_id_is_never_given_twice(spool: Spool) -> None:
    """Clients keep job ids, so the id of a forgotten job must not name another."""
    first = _added(spool, 1)
    spool.end(first.job_id, JobState.COMPLETED, 10.0)
    spool.prune(before_s=20.0, most=10)
    assert spool.get(first.job_id) is None
    assert _added(spool, 2).job_id == first.job_id + 1


def test_jobs_of_a_printer_in_their_order(spool: Spool) -> None:
    """By priority, then as they came."""
    ids = [_added(spool, n, priority=p).job_id for n, p in ((1, 50), (2, 70), (3, 50))]
    _added(spool, 4, printer="other")
    assert [job.job_id for job in spool.open_jobs("p")] == [ids[1], ids[0], ids[2]]
    assert spool.count_open("p") == 3
    assert spool.count_open() == 4


def test_the_document_goes_with_the_end(spool: Spool) -> None:
    """With what was converted of it."""
    job = _added(spool, 1, document=_document(spool, b"data"))
    assert spool.path(job).read_bytes() == b"data"
    converted_path(spool.path(job)).write_bytes(b"x")
    ended = spool.end(job.job_id, JobState.CANCELED, 9.0, reasons=("r",))
    assert ended is not None
    assert (ended.state, ended.completed_s, ended.reasons) == (JobState.CANCELED, 9.0, ("r",))
    assert list(spool.folder.iterdir()) == []


def test_an_ended_job_stays_as_it_is(spool: Spool) -> None:
    """Late news of a run change nothing."""
    job = _added(spool, 1)
    spool.end(job.job_id, JobState.COMPLETED, 9.0)
    changed = spool.change(job.job_id, state=JobState.PROCESSING)
    assert changed is not None
    assert changed.state is JobState.COMPLETED
    spool.end(job.job_id, JobState.ABORTED, 10.0)
    assert spool.ended_jobs("p", 10)[0].state is JobState.COMPLETED


def test_only_documents_of_open_jobs_survive_a_restart(spool: Spool, tmp_path: Path) -> None:
    """A document without a job was never accepted: its client was told nothing."""
    kept = _added(spool, 1, document=_document(spool, b"kept"))
    converted_path(spool.path(kept)).write_bytes(b"kept, too")
    _document(spool, b"stray")
    (spool.folder / f"{kept.document}.work").mkdir()
    spool.close()
    again = Spool(tmp_path)
    names = {path.name for path in again.folder.iterdir()}
    assert names == {kept.document, converted_path(again.path(kept)).name}
    again.close()


def test_a_document_that_is_not_kept(spool: Spool) -> None:
    """Nothing is left of it."""
    incoming = spool.receive()
    incoming.write(b"half")
    incoming.close()
    assert list(spool.folder.iterdir()) == []


def test_only_the_last_ended_jobs_are_kept(spool: Spool) -> None:
    """A busy service does not grow."""
    for number in range(5):
        spool.end(_added(spool, number).job_id, JobState.COMPLETED, 100.0 + number)
    spool.prune(before_s=101.0, most=3)
    assert [job.completed_s for job in spool.ended_jobs("p", 10)] == [104.0, 103.0, 102.0]


@pytest.mark.attacker("network")
def test_room_for_documents(tmp_path: Path) -> None:
    """Fill the disk with documents that wait, or that never end: a network gets at most half of the
    room, and others can print."""
    sizes: list[int] = []
    spool = Spool(tmp_path, lambda _: 1000 - sum(sizes))

    def write(document: IncomingDocument, size: int) -> bool:
        if not spool.has_room(document, size):
            return False
        document.write(bytes(size))
        sizes.append(size)
        return True

    hosts = ("192.0.2.1", "192.0.2.1", "192.0.2.2")
    first, second, other = (spool.receive(host=host) for host in hosts)
    assert [write(each, 200) for each in (first, second, first)] == [True, True, False]
    first.keep()
    first.close()
    _added(spool, 1, host="192.0.2.1", document=first.name, size_bytes=first.size_bytes)
    assert not write(second, 200)
    assert write(other, 200)
    for each in (second, other):
        each.close()
    spool.close()
