"""A cloud's database with many jobs, for tests and benchmarks of what grows with them."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.compression import Compression
from cirrus_cloudlet.storage.quotas import Owner, stored_amounts
from cirrus_cloudlet.storage.sqlite import SqliteStore
from cirrus_cloudlet.storage.uploads import Contents
from cirrus_cloudlet.submit import Order, Submission, submit_all

PDF = b"%PDF-1.4 the document\n%%EOF\n"
OWNER = Owner("ACME", "key-1")
# Quiet has the oldest jobs. At Away, each tenth job waits.
INVENTORY = """
[[company]]
id = "ACME"
[[location]]
company = "ACME"
id = "Office"
[[location]]
company = "ACME"
id = "Away"
online = false
[[location]]
company = "ACME"
id = "Quiet"
[[device]]
company = "ACME"
location = "Office"
id = "Folder"
type = "file"
[[device]]
company = "ACME"
location = "Away"
id = "Folder"
type = "file"
[limits]
company_bytes = 1_000_000_000_000
"""
# the newest job is of `now`, and there is one each second; each thousandth ended document is kept
_NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)"
_DOCUMENTS = f"""
{_NUMBERS}
INSERT INTO document (id, company, key, size, sha256, format, charset, segments, created, pruned)
SELECT printf('d%031d', i), 'ACME', 'key-1', 50000, '', 'pdf', '', '[50000]', ?2 - ?1 + i,
    i % 10 > 0 AND i % 1000 > 1 FROM n
"""
_JOBS = f"""
{_NUMBERS}
INSERT INTO job (id, company, key, bytes, location, device, title, document, props, state, step,
    submitted, updated)
SELECT strftime('%Y%m%d%H%M%S', ?2 - ?1 + i, 'unixepoch') || '-1', 'ACME', 'key-1', 2100,
    CASE WHEN i <= ?3 THEN 'Quiet' WHEN i % 10 = 0 THEN 'Away' ELSE 'Office' END,
    'Folder', 'document.pdf', printf('d%031d', i), '{{}}', 0, 'ready',
    ?2 - ?1 + i, ?2 - ?1 + i FROM n
"""
_END = "UPDATE job SET state = 2, step = 'done', delivered = updated WHERE location != 'Away'"


class CountedStore(SqliteStore):
    """A store that counts the instructions of SQLite, or notes the statements."""

    def __init__(self, folder: Path, note: Callable[[str], None] | None = None) -> None:
        self.steps = 0
        self._note = note
        super().__init__(folder)

    def _connect(self) -> sqlite3.Connection:
        db = super()._connect()
        if self._note:
            db.set_trace_callback(self._note)
        else:
            db.set_progress_handler(self._count, 1)
        return db

    def _count(self) -> int:
        self.steps += 1
        return 0


def make_folder(folder: Path, count: int, now: float) -> None:
    """Make a data folder with jobs."""
    folder.mkdir()
    (folder / "cloudlet.toml").write_text(INVENTORY)
    with SqliteStore(folder) as store, store.transaction() as db:
        db.execute(_DOCUMENTS, (count, now))
        db.execute(_JOBS, (count, now, 5))
        db.execute(_END)


def submit_one(cloud: Cloud, key: str | None = None) -> str:
    """Submit a document to the location that is offline; return the id of its job."""
    order = Order(OWNER, "Away:Folder", "a.pdf", "", Compression.NONE, False, key)
    contents = Contents([PDF], [len(PDF)], None)
    submission = Submission(cloud, cloud.shares.of("ACME"), lambda: (order, contents, None))
    submit_all([submission])
    (job_id,) = submission()
    return job_id


# what takes as long with any number of jobs
OPERATIONS: Mapping[str, Callable[[Cloud], object]] = {
    "submit": lambda cloud: submit_one(cloud, secrets.token_hex()),
    "submit again": lambda cloud: submit_one(cloud, "again"),
    "get job": lambda cloud: cloud.jobs.find("nothing"),
    "newest of a quiet location": lambda cloud: cloud.jobs.newest("ACME", "Quiet", 100),
    "newest of another company": lambda cloud: cloud.jobs.newest("Rival", None, 100),
    "look for ready jobs": lambda cloud: cloud.queue.list_ready(),
    "prune nothing": lambda cloud: cloud.documents.prune(1e9),
    "forget nothing": lambda cloud: cloud.jobs.prune(1e9),
    "expire nothing": lambda cloud: cloud.uploads.expire(1e9),
    "make room for a rival": lambda cloud: cloud.documents.make_room("Rival", "key-1"),
    "forget jobs of a rival": lambda cloud: cloud.jobs.make_room("Rival", None),
    "make room for a key": lambda cloud: cloud.documents.make_room("ACME", "key-2"),
    "count what is stored": lambda cloud: stored_amounts(cloud.store),
    "interrupted jobs": lambda cloud: cloud.queue.list_interrupted(),
    "aimed jobs": lambda cloud: cloud.queue.list_aimed(),
}
