"""One damaged byte in the journal is an error, and never hides a job."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import uuid
from pathlib import Path

import pytest

from cirrus_bridge.base.errors import JournalDamaged, JournalError
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.health import look
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.journal.readonly import read_only
from cirrus_bridge.journal.schema import NEWEST, Check, check
from cirrus_bridge.journal.submissions import Journal

PAGE_BYTES = 4096
JOBS = 600
FLIPS = 250
INDEX_PAGES = (2, 10)  # the first byte of an index's page: https://sqlite.org/fileformat2.html, 1.6


def fill(folder: Path) -> list[tuple[str, int]]:
    """Create a journal of many jobs; return them in their order."""
    rng = random.Random(16)
    jobs = [(uuid.UUID(int=rng.getrandbits(128)).urn, number) for number in range(JOBS)]
    with Journal(folder):
        pass
    with contextlib.closing(sqlite3.connect(folder / "journal.db")) as db, db:
        db.executemany(
            "INSERT INTO document (job_uuid, job_id, print_run, destination, number, queue, user,"
            " title, state, created_at, updated_at)"
            " VALUES (?, ?, 0, 'cirrus://h/C/L:D', 1, 'q', 'u', 't', 'held', 1, 1)",
            jobs,
        )
        db.executemany(
            "INSERT INTO delivery (job_uuid, job_id, print_run, destination, number,"
            " target_number, location, device, cloud_job_id, updated_at)"
            " VALUES (?, ?, 0, 'cirrus://h/C/L:D', 1, 0, 'L', 'D', '1-1', 1)",
            jobs,
        )
    return jobs


def index_places(content: bytes) -> list[int]:
    """The positions of all bytes in pages of indexes."""
    pages = [at for at in range(0, len(content), PAGE_BYTES) if content[at] in INDEX_PAGES]
    return [place for at in pages for place in range(at, at + PAGE_BYTES)]


def flip(folder: Path, place: int, bits: int = 1) -> None:
    """Damage one byte."""
    with (folder / "journal.db").open("r+b") as database:
        database.seek(place)
        (byte,) = database.read(1)
        database.seek(place)
        database.write(bytes([byte ^ bits]))


def in_index(folder: Path, text: str) -> int:
    """The position of this text in an index."""
    content = (folder / "journal.db").read_bytes()
    at = content.find(text.encode())
    while content[at - at % PAGE_BYTES] not in INDEX_PAGES:
        at = content.index(text.encode(), at + 1)
    return at


def answer(folder: Path, job: tuple[str, int]) -> list[Document] | None:
    """The documents that a backend finds of a job; None if it finds the journal damaged."""
    try:
        with Journal(folder) as journal:
            return journal.entries(*job)
    except JournalError:
        return None


def test_a_job_whose_index_entry_is_damaged(tmp_path: Path) -> None:
    """A damaged byte of the job's uuid in the index is found, wherever it is."""
    jobs = fill(tmp_path)
    job = jobs[JOBS // 2]
    assert answer(tmp_path, job)
    place = in_index(tmp_path, job[0])
    for at in range(place, place + len(job[0])):
        flip(tmp_path, at)
        with (
            pytest.raises(JournalDamaged, match=r"journal\.db is damaged"),
            Journal(tmp_path) as journal,
        ):
            journal.entries(*job)
        flip(tmp_path, at)
    assert answer(tmp_path, job)


def test_any_byte_of_an_index(tmp_path: Path) -> None:
    """After any damage, a printed job is found, or the journal is known to be damaged."""
    jobs = fill(tmp_path)
    right = {job: answer(tmp_path, job) for job in jobs}
    places = index_places((tmp_path / "journal.db").read_bytes())
    rng = random.Random(17)
    errors = 0
    for _ in range(FLIPS):
        place, bits = rng.choice(places), 1 << rng.randrange(8)
        page = (tmp_path / "journal.db").read_bytes()[place - place % PAGE_BYTES :][:PAGE_BYTES]
        flip(tmp_path, place, bits)
        of_page = [job for job in jobs if job[0].encode() in page]
        for job in rng.sample(of_page, min(6, len(of_page))):
            found = answer(tmp_path, job)
            assert found in (None, right[job]), (place, bits)
            errors += found is None
        flip(tmp_path, place, bits)
    assert errors > 10  # most bytes belong to other jobs or to no job


def test_poller_and_doctor_find_it(tmp_path: Path) -> None:
    """The poller does not start with a damaged journal, and the doctor names the damage."""
    jobs = fill(tmp_path)
    with PollerJournal(tmp_path) as journal:
        journal.check()
    flip(tmp_path, in_index(tmp_path, jobs[5][0]))
    with PollerJournal(tmp_path) as journal, pytest.raises(JournalDamaged, match="index"):
        journal.check()
    assert "index" in look(tmp_path).damage[0]


def test_a_part_of_a_large_journal(tmp_path: Path) -> None:
    """Of a large journal, the newest and the open documents are checked, by each index."""
    jobs = fill(tmp_path)
    with read_only(tmp_path) as db:
        assert check(db, whole_bytes=0) == Check((), NEWEST)
    places = [in_index(tmp_path, jobs[5][0]), in_index(tmp_path, jobs[-1][0])]
    for place in places:
        flip(tmp_path, place)
        with read_only(tmp_path) as db:
            (damage, checked) = check(db, whole_bytes=0)
        assert "is missing from an index" in damage[0] and checked == NEWEST
        flip(tmp_path, place)


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    """A text that is not UTF-8 counts as damage."""
    jobs = fill(tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
        db.execute(
            "UPDATE document SET queue = CAST(x'ff' AS TEXT) WHERE job_uuid = ?", jobs[0][:1]
        )
    with pytest.raises(JournalDamaged), Journal(tmp_path) as journal:
        journal.entries(*jobs[0])
