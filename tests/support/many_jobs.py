"""A cloud's database with many jobs, for tests and benchmarks of what grows with them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from cirrus_cloudlet.storage.database import Store

QUIET = "Quiet"  # a location whose few jobs are the oldest
AWAY = "Away"  # a location that is offline, where each tenth job waits
_QUIET_JOBS = 5
_DAY_S = 86_400.0
# the newest job is of `now`, and there is one each second; each thousandth document is kept
_NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)"
_DOCUMENTS = f"""
{_NUMBERS}
INSERT INTO document (id, company, key, size, sha256, format, charset, segments, created, pruned)
SELECT printf('d%031d', i), 'ACME', 'key-1', 50000, '', 'pdf', '', '[50000]', :now - :count + i,
    i % 10 > 0 AND i % 1000 > 1 FROM n
"""
_JOBS = f"""
{_NUMBERS}
INSERT INTO job (id, company, key, bytes, location, device, title, document, props, state, step,
    submitted, updated)
SELECT strftime('%Y%m%d%H%M%S', :now - :count + i, 'unixepoch') || '-1', 'ACME', 'key-1', 2100,
    CASE WHEN i <= :quiet THEN 'Quiet' WHEN i % 10 = 0 THEN 'Away' ELSE 'Office' END,
    'Folder', 'document.pdf', printf('d%031d', i), '{{}}', 0, 'ready',
    :now - :count + i, :now - :count + i FROM n
"""
_END = "UPDATE job SET state = 2, step = 'done', delivered = updated WHERE location != 'Away'"


class CountedStore(Store):
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


def fill(folder: Path, count: int, now: float) -> None:
    """Put jobs into the database of a data folder, which may be new."""
    values = {"count": count, "now": now, "quiet": _QUIET_JOBS}
    with Store(folder) as store, store.transaction() as db:
        for statement in (_DOCUMENTS, _JOBS, _END):
            db.execute(statement, values)
