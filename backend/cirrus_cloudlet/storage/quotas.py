"""Quotas: what each company, and each of its API keys, stores in the data folder.

One key may use half of its company's quota, so a key in wrong hands leaves room for the others.
Submitted uploads, delivered documents and ended jobs make room for new ones, and so do files that
somebody takes out of the delivery folder. Only the serving process adds files, so the counts are in
its memory.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from cirrus_cloudlet.errors import QuotaFull
from cirrus_cloudlet.inventory.inventory import Limits
from cirrus_cloudlet.storage.database import Store

# counted for each file besides its length: its last block, and its rows; the schema has it, too
FILE_BYTES = 4096
JOB_BYTES = 2048  # counted for each job besides its texts: its rows, and their places in indexes
# A look for old things is slow if there are many, and other companies wait for the database
# meanwhile. After a look in vain, the next one waits this many times its processor time.
_PAUSE = 20


class Owner(NamedTuple):
    """The company ("" if the key is valid for any) and the key's name whose quotas count a file."""

    company: str
    key: str


class Amount(NamedTuple):
    """Bytes in files and jobs, numbers of uploads and jobs, and bytes in the delivery folder.

    The delivery folder has its own quota: documents that wait must not keep others from leaving.
    """

    bytes: int = 0
    uploads: int = 0
    jobs: int = 0
    delivered_bytes: int = 0


def stored_amounts(store: Store) -> list[tuple[Owner, Amount]]:
    """What each owner stores; triggers of the database keep the table."""
    rows = store.execute("SELECT company, key, bytes, uploads, jobs, delivered_bytes FROM stored")
    return [(Owner(*row[:2]), Amount(*row[2:])) for row in rows]


def rows_of(company: str, key: str | None, column: str = "company") -> tuple[str, tuple[str, ...]]:
    """The condition for the rows of a company, or of one of its keys, and the condition's values.

    There are two conditions, because each has an index; `? IS NULL OR key = ?` would have none.
    """
    if key is None:
        return f"{column} = ?", (company,)
    return f"{column} = ? AND key = ?", (company, key)


class Full(NamedTuple):
    """A full quota: a field of Amount, its company, and its key if it is a key's quota."""

    field: str
    company: str
    key: str | None


class Quotas:
    """The counts of all owners.

    Args:
        limits: returns the limits that are in force.
        make_room: removes old things that count for a full quota; returns whether there were any.
        clock: returns the time in seconds since any moment.
        processor_clock: returns the processor time in seconds that this thread has used.
    """

    def __init__(
        self,
        limits: Callable[[], Limits],
        make_room: Callable[[Full], bool],
        clock: Callable[[], float] = time.monotonic,
        processor_clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self._limits = limits
        self._make_room = make_room
        self._clock = clock
        self._processor_clock = processor_clock
        self._next_look: dict[Full, float] = {}  # after a look in vain
        self._stored: Counter[Full] = Counter()
        self._lock = threading.Lock()

    def count(self, owner: Owner, amount: Amount) -> None:
        """Count what is stored already."""
        with self._lock:
            for quota, number in _quotas(owner, amount):
                self._stored[quota] += number

    def release(self, owner: Owner, amount: Amount) -> None:
        """Count what is no longer stored."""
        with self._lock:
            for quota, number in _quotas(owner, amount):
                self._stored[quota] -= number
                if not self._stored[quota]:
                    del self._stored[quota]

    def reserve(self, owner: Owner, amount: Amount) -> None:
        """Count what is about to be stored; call `release` if it is not stored.

        Raises:
            QuotaFull: there is no room, even after old things were removed.
        """
        while full := self._reserve(owner, amount):
            if not self._look(full):
                whose = f"key {full.key!r}" if full.key is not None else f"company {full.company!r}"
                what = full.field.replace("_", " ")
                raise QuotaFull(f"the quota of {whose} has no room for more {what}")

    def _look(self, full: Full) -> bool:
        """Make room; return False if there was none, or was none a short time ago."""
        if self._clock() < self._next_look.get(full, 0):
            return False
        before = self._processor_clock()
        if self._make_room(full):
            return True
        used = self._processor_clock() - before
        self._next_look[full] = self._clock() + _PAUSE * used
        return False

    def _reserve(self, owner: Owner, amount: Amount) -> Full | None:
        limits = self._limits()
        with self._lock:
            for quota, number in _quotas(owner, amount):
                limit = getattr(limits, f"company_{quota.field}")
                if quota.key is not None:
                    limit = (limit + 1) // 2
                if self._stored[quota] + number > limit:
                    return quota
            for quota, number in _quotas(owner, amount):
                self._stored[quota] += number
        return None


def _quotas(owner: Owner, amount: Amount) -> list[tuple[Full, int]]:
    return [
        (Full(field, owner.company, key), number)
        for field, number in zip(Amount._fields, amount, strict=True)
        if number
        for key in (owner.key, None)
    ]
