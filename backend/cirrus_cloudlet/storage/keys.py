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

_SELECT_KEYS = "SELECT name, company, created, role, location FROM api_key "


class Role(enum.StrEnum):
    """What an API key may do.

    An `admin` may also change devices and locations. A `client` may only fetch the jobs of its
    location and report on them.
    """

    PRINT = "print"
    ADMIN = "admin"
    CLIENT = "client"


class Key(NamedTuple):
    """An API key.

    Attributes:
        company: None if the key is valid for any company.
        location: the one location of a key with the role `client`; None for other keys.
    """

    name: str
    company: str | None
    created: float
    role: Role
    location: str | None = None


class Keys:
    def __init__(self, store: Store) -> None:
        self._store = store

    def add(
        self,
        company: str | None,
        name: str | None,
        role: Role,
        by: Actor,
        location: str | None = None,
    ) -> str:
        """Make a key, and return it.

        Args:
            location: of a key with the role `client`, which also needs a company.

        Raises:
            SettingsError: the name is taken or unprintable, or role and location do not fit.
        """
        if (role is Role.CLIENT) != (company is not None and location is not None):
            raise SettingsError(
                marked("a key for a location needs the role client, and vice versa")
            )
        if name is not None:
            check_name(name)
        key = new_secret()
        with self._store.transaction() as db:
            if name is None:
                taken = {row["name"] for row in db.execute("SELECT name FROM api_key")}
                name = next(n for i in range(len(taken) + 1) if (n := f"key-{i + 1}") not in taken)
            if not db.execute(
                "INSERT INTO api_key (name, digest, company, created, role, location)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (name, digest(key), company, time.time(), role, location),
            ).rowcount:
                raise SettingsError(marked("key {name!r} already exists"), name=name)
            record(db, by, "key add", name, company, role=role, location=location)
        return key

    def set_role(self, name: str, role: Role, by: Actor) -> None:
        """Give a key a role at once.

        Raises:
            SettingsError: there is no such key, or the change is from or to the role `client`.
        """
        with self._store.transaction() as db:
            company = self._company(db, name, by)
            if (
                role is Role.CLIENT
                or not db.execute(
                    "UPDATE api_key SET role = ? WHERE name = ? AND location IS NULL", (role, name)
                ).rowcount
            ):
                raise SettingsError(
                    marked("a key with the role client keeps this role; add another key instead")
                )
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
        return [
            Key(name, company, created, Role(role), location)
            for name, company, created, role, location in rows
        ]
