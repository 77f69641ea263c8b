"""API keys. A key is shown once, when it is made; the database and the log never have it."""

from __future__ import annotations

import enum
import time
from typing import NamedTuple

from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.storage.audit import Actor, record
from cirrus_cloudlet.storage.credentials import check_name, digest, new_secret
from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.engine import Connection
from cirrus_cloudlet.translation import marked

_SELECT_KEYS = "SELECT name, company, created, role FROM api_key "


class Role(enum.StrEnum):
    """What an API key may do: an `admin` may also change devices and locations."""

    PRINT = "print"
    ADMIN = "admin"


class Key(NamedTuple):
    """An API key; `company` is None if the key is valid for any company."""

    name: str
    company: str | None
    created: float
    role: Role


class Keys:
    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, company: str | None, name: str | None, role: Role, by: Actor) -> str:
        """Make a key, and return it; raise SettingsError if the name is taken or unprintable."""
        if name is not None:
            check_name(name)
        key = new_secret()
        with self._store.transaction() as db:
            if name is None:
                taken = {row["name"] for row in db.execute("SELECT name FROM api_key")}
                name = next(n for i in range(len(taken) + 1) if (n := f"key-{i + 1}") not in taken)
            if not db.execute(
                "INSERT INTO api_key (name, digest, company, created, role)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (name, digest(key), company, time.time(), role),
            ).rowcount:
                raise SettingsError(marked("key {name!r} already exists"), name=name)
            record(db, by, "key add", name, company, role=role)
        return key

    def set_role(self, name: str, role: Role, by: Actor) -> None:
        """Give a key a role at once; raise SettingsError if there is none of this name."""
        with self._store.transaction() as db:
            company = self._company(db, name, by)
            db.execute("UPDATE api_key SET role = ? WHERE name = ?", (role, name))
            record(db, by, "key role", name, company, role=role)

    def revoke(self, name: str, by: Actor) -> None:
        """Revoke a key at once; raise SettingsError if there is none of this name."""
        with self._store.transaction() as db:
            company = self._company(db, name, by)
            db.execute("DELETE FROM api_key WHERE name = ?", (name,))
            record(db, by, "key revoke", name, company)

    def all(self, company: str | None = None) -> list[Key]:
        """List all keys, or those that are valid for one company alone, oldest first."""
        if company is None:
            return self._select("ORDER BY created")
        return self._select("WHERE company = ? ORDER BY created", company)

    def find(self, key: str) -> Key | None:
        """Find what a key is valid for; None if the key is unknown."""
        return next(iter(self._select("WHERE digest = ?", digest(key))), None)

    def _company(self, db: Connection, name: str, by: Actor) -> str | None:
        row = db.execute("SELECT company FROM api_key WHERE name = ?", (name,)).fetchone()
        if row is None or by.company not in (None, row["company"]):
            raise SettingsError(marked("there is no key named {name!r}"), name=name)
        company: str | None = row["company"]
        return company

    def _select(self, which: str, *values: object) -> list[Key]:
        rows = self._store.execute(_SELECT_KEYS + which, *values)
        return [Key(name, company, created, Role(role)) for name, company, created, role in rows]
