"""Copies: the documents in the delivery folder that nobody has taken away yet.

A copy counts for the company and the key of its job, from before it is written until the file is
gone. Files that recipients remove are noticed only when a quota is full.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.engine import Connection, Row
from cirrus_cloudlet.storage.jobs import Job
from cirrus_cloudlet.storage.quotas import FILE_BYTES, Amount, Owner, Quotas, rows_of

_LOOK = 1000  # files that are looked for at once; the next look goes on behind them
# a copy whose delivery is running may not have its name yet
_FIND = "SELECT number, path FROM copy WHERE"
_NEXT = (
    "AND number > ? AND NOT EXISTS (SELECT 1 FROM job WHERE sequence = copy.job"
    " AND step = 'running') ORDER BY number LIMIT ?"
)
_FORGET = (
    "DELETE FROM copy WHERE number = ?"
    " AND NOT EXISTS (SELECT 1 FROM job WHERE sequence = copy.job AND step = 'running') RETURNING *"
)


class Copies:
    """The copies in one delivery folder."""

    def __init__(self, store: Store, folder: Path, quotas: Quotas) -> None:
        self._store = store
        self._folder = Path(os.path.realpath(folder))
        self._quotas = quotas
        self._looked: dict[tuple[str, str | None], int] = {}  # the last number of each look

    @contextlib.contextmanager
    def record(self, job: Job, path: Path) -> Iterator[Connection]:
        """Count a job's copy in the transaction of the block, unless it is outside of the folder.

        Raises:
            QuotaFull: the job's company or key has no room in the delivery folder.
        """
        is_counted = path.is_relative_to(self._folder)
        is_new = is_counted and not self._store.execute(
            "SELECT 1 FROM copy WHERE job = ?", job.sequence
        )
        owner, size = Owner(job.company, job.key), job.size + FILE_BYTES
        amount = Amount(delivered_bytes=size if is_new else 0)
        self._quotas.reserve(owner, amount)
        try:
            with self._store.transaction() as db:
                if is_counted:
                    db.execute(
                        "INSERT INTO copy (job, company, key, path, bytes) VALUES (?, ?, ?, ?, ?)"
                        " ON CONFLICT (job) DO UPDATE SET path = excluded.path",
                        # relative, because the data folder may be moved
                        (job.sequence, *owner, os.fspath(path.relative_to(self._folder)), size),
                    )
                yield db
        except BaseException:
            self._quotas.release(owner, amount)
            raise

    def make_room(self, company: str, key: str | None) -> bool:
        """Forget those of a company's, or a key's, next copies that are gone; tell if any are."""
        whose = (company, key)
        where, values = rows_of(company, key)
        after = self._looked.get(whose, 0)
        rows = self._store.execute(f"{_FIND} {where} {_NEXT}", *values, after, _LOOK)
        self._looked[whose] = rows[-1]["number"] if len(rows) == _LOOK else 0
        gone = [row["number"] for row in rows if not os.path.lexists(self._folder / row["path"])]
        forgotten: list[Row] = []
        if gone:
            with self._store.transaction() as db:
                for number in gone:
                    forgotten += db.execute(_FORGET, (number,))
        for row in forgotten:
            amount = Amount(delivered_bytes=row["bytes"])
            self._quotas.release(Owner(row["company"], row["key"]), amount)
        return bool(forgotten)
