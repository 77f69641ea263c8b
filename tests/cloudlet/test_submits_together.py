"""Submits that are done together: each has its own result, and all of its jobs or none."""

from __future__ import annotations

import errno
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.compression import Compression
from cirrus_cloudlet.errors import NotSmall, Refusal
from cirrus_cloudlet.storage.documents import Document
from cirrus_cloudlet.storage.engine import Connection
from cirrus_cloudlet.storage.quotas import stored_amounts
from cirrus_cloudlet.storage.uploads import Contents
from cirrus_cloudlet.submit import Order, Submission, submit_all
from many_jobs import OWNER, PDF, make_folder


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A cloud with an old job, whose document was removed."""
    make_folder(tmp_path / "data", 1, time.time())
    made = Cloud(tmp_path / "data")
    yield made
    made.store.close()


def submission(
    cloud: Cloud, targets: str = "Away:Folder", key: str | None = None, data: bytes = PDF
) -> Submission:
    """A submit of a document."""
    order = Order(OWNER, targets, "a.pdf", "", Compression.NONE, False, key)
    contents = Contents([data], [len(data)], None)
    share = cloud.shares.of(OWNER.company)
    return Submission(cloud, share, lambda: (order, contents, None))


def stored(cloud: Cloud) -> tuple[int, int, int]:
    """The numbers of jobs, of documents in the database, and of documents on disk."""
    (row,) = cloud.store.execute(
        "SELECT (SELECT count(*) FROM job), (SELECT count(*) FROM document)"
    )
    return (*row, len(list(cloud.documents.folder.iterdir())))


def test_each_has_its_own_result(cloud: Cloud) -> None:
    """Submits that are refused leave nothing, and do not keep the others from their jobs."""
    good, unknown, empty = (
        submission(cloud),
        submission(cloud, "Nowhere:A"),
        submission(cloud, data=b""),
    )
    last = submission(cloud, "Away:Folder,Away:Folder2")
    submit_all([good, unknown, empty, last])
    assert len(good()) == 1
    for refused in (unknown, empty, last):
        with pytest.raises(Refusal):
            refused()
    assert stored(cloud) == (2, 2, 1)
    ((_, amount),) = stored_amounts(cloud.store)
    assert amount.jobs == 2


def test_a_key_that_is_repeated_at_once(cloud: Cloud) -> None:
    """Two submits with one key make one job, and both get its id."""
    pair = [submission(cloud, key="k") for _ in range(2)]
    submit_all(pair)
    assert pair[0]() == pair[1]()
    again = submission(cloud, key="k")
    submit_all([again])
    assert again() == pair[0]()
    assert stored(cloud) == (2, 2, 1)


def _undo_all(db: Connection) -> None:
    db.execute("ROLLBACK")  # as SQLite does when the disk is full
    raise sqlite3.OperationalError("database or disk is full")


def _undo_at_the_end(db: Connection) -> None:
    db.execute("PRAGMA defer_foreign_keys = ON")
    db.execute("UPDATE job SET document = 'missing'")


@pytest.mark.parametrize("fault", [_undo_all, _undo_at_the_end])
def test_a_transaction_that_fails(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, fault: Callable[[Connection], None]
) -> None:
    """All submits fail and leave nothing, at whatever statement the database gives up."""
    insert, calls = cloud.jobs.insert, []

    def insert_and_fail(db: Connection, *about: object) -> list[str]:
        calls.append(about)
        ids = insert(db, *about)  # type: ignore[arg-type]
        if len(calls) == 2:
            fault(db)
        return ids

    monkeypatch.setattr(cloud.jobs, "insert", insert_and_fail)
    submissions = [submission(cloud) for _ in range(3)]
    submit_all(submissions)
    for each in submissions:
        with pytest.raises(sqlite3.Error):
            each()
    assert stored(cloud) == (1, 1, 0)
    retried = submission(cloud)
    submit_all([retried])
    assert len(retried()) == 1


def test_submits_with_many_jobs(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other companies wait for one transaction, so few jobs are in one."""
    insert, transactions = cloud.jobs.insert, []
    begin = cloud.store.transaction

    def transaction(*about: object) -> AbstractContextManager[Connection]:
        transactions.append(0)
        return begin(*about)  # type: ignore[arg-type]

    def count(db: Connection, *about: object) -> list[str]:
        ids = insert(db, *about)  # type: ignore[arg-type]
        transactions[-1] += len(ids)
        return ids

    monkeypatch.setattr(cloud.jobs, "insert", count)
    monkeypatch.setattr(cloud.store, "transaction", transaction)
    numbers = (60, 40, 1, 150, 2, 3)
    submissions = [submission(cloud, ";".join(["Away:Folder"] * each)) for each in numbers]
    submit_all(submissions)
    assert [len(each()) for each in submissions] == [*numbers]
    assert transactions == [100, 1, 150, 5]


def test_a_file_that_cannot_be_removed(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused submit whose file stays does not keep the others from their jobs."""

    def discard(document: Document) -> None:
        document.file.close()
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(cloud.documents, "discard", discard)
    good, other = submission(cloud, key="k"), submission(cloud, "Away:Folder;Away:Folder", key="k")
    last = submission(cloud)
    submit_all([good, other, last])
    with pytest.raises(Refusal):
        other()
    assert len(good()) == len(last()) == 1


def test_a_document_that_is_not_small(cloud: Cloud) -> None:
    """A large document in few bytes ends as soon as it is noticed, so that others need not wait."""
    order = Order(OWNER, "Away:Folder", "a.pdf", "", Compression.ZLIB, False, None)
    data = zlib.compress(PDF + bytes(300 << 20))
    contents = Contents([data], [len(data)], None)
    share = cloud.shares.of(OWNER.company)
    bomb = Submission(cloud, share, lambda: (order, contents, None), is_small=True)
    good = submission(cloud)
    submit_all([good, bomb])
    assert len(good()) == 1
    with pytest.raises(NotSmall):
        bomb()
    assert stored(cloud) == (2, 2, 1)
