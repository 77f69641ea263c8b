"""The list of changes: who changed what, when, and from where.

An entry is written in the transaction of its change. An entry never contains a key, a password
or a session's token.
"""

from __future__ import annotations

import enum
import json
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from cirrus_cloudlet.storage.database import ALL, Store
from cirrus_cloudlet.storage.engine import Connection

_VALUE_CHARACTERS = 200  # of a detail
_ENTRIES = 1_000_000  # of a company; older ones are removed, so that nobody fills the disk
_SELECT = "SELECT number, time, company, actor, origin, action, subject, details FROM audit "


class Origin(enum.StrEnum):
    """Where a change comes from."""

    PAGE = "page"
    KEY = "key"  # the API, with an API key
    CLI = "cli"
    PROVIDER = "provider"  # a sign-in with the company's identity provider


class Actor(NamedTuple):
    """Who changes something: an account, an API key or a user of this machine.

    Attributes:
        company: only things of this company are within reach; None for all companies.
    """

    name: str
    origin: Origin
    company: str | None = None


class Change(NamedTuple):
    """An entry of the list.

    Attributes:
        action: such as `account add`.
        subject: such as the account's name, or COMPANY/LOCATION/DEVICE.
        details: the fields that were set.
    """

    number: int
    time: float
    company: str
    actor: str
    origin: Origin
    action: str
    subject: str
    details: Mapping[str, str]


def record(
    db: Connection,
    by: Actor,
    action: str,
    subject: str,
    company: str | None,
    /,
    **details: object,
) -> None:
    """Add an entry in the transaction of its change; a detail of None is left out."""
    shown = {
        name: str(value)[:_VALUE_CHARACTERS] for name, value in details.items() if value is not None
    }
    db.execute(
        "INSERT INTO audit (time, company, actor, origin, action, subject, details)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (time.time(), company or "", by.name, by.origin, action, subject,
         json.dumps(shown, ensure_ascii=False)),
    )  # fmt: skip


class Audit:
    def __init__(self, store: Store) -> None:
        self._store = store

    def newest(
        self, company: str | None = None, before: int | None = None, count: int = ALL
    ) -> list[Change]:
        """List the newest changes of a company, or of all, newest first.

        Args:
            before: list only changes before the one with this number.
            count: how many changes at most.
        """
        where, values = "WHERE number < ?", [before or ALL]
        rows = (
            self._store.execute(f"{_SELECT}{where} ORDER BY number DESC LIMIT ?", *values, count)
            if company is None
            else self._store.execute(
                f"{_SELECT}{where} AND company = ? ORDER BY number DESC LIMIT ?",
                *(*values, company, count),
            )
        )
        return [
            Change(**{**dict(row), "origin": Origin(row["origin"]),
                      "details": json.loads(row["details"])})
            for row in rows
        ]  # fmt: skip

    def prune(self, age_s: float, companies: Iterable[str], most: int = _ENTRIES) -> None:
        """Remove entries that are older than `age_s` seconds, and a company's above `most`."""
        with self._store.transaction() as db:
            db.execute("DELETE FROM audit WHERE time < ?", (time.time() - age_s,))
            for company in (*companies, ""):
                db.execute(
                    "DELETE FROM audit WHERE company = ?1 AND number <= (SELECT number FROM audit"
                    " WHERE company = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
                    (company, most),
                )
