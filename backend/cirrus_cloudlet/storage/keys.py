"""API keys: made here, kept as digests only.

A key can be read once, from the answer that made it; neither the database nor a log ever holds
it.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import time
from typing import NamedTuple

from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.storage.database import Store

_KEY_BYTES = 32


class Key(NamedTuple):
    """Who asks; `company` is None for a key that may act for any."""

    name: str
    company: str | None
    created: float


class Keys:
    """The keys of one data folder."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, company: str | None, name: str | None) -> str:
        """Make a key, and return it.

        Raises:
            SettingsError: the name is taken.
        """
        key = secrets.token_urlsafe(_KEY_BYTES)
        with self._store.transaction() as db:
            if name is None:
                taken = {row["name"] for row in db.execute("SELECT name FROM api_key")}
                name = next(n for i in range(len(taken) + 1) if (n := f"key-{i + 1}") not in taken)
            try:
                db.execute(
                    "INSERT INTO api_key (name, digest, company, created) VALUES (?, ?, ?, ?)",
                    (name, _digest(key), company, time.time()),
                )
            except sqlite3.IntegrityError as error:
                raise SettingsError(f"there is a key named {name!r} already") from error
        return key

    def revoke(self, name: str) -> None:
        """End a key's life, at once.

        Raises:
            SettingsError: there is none of that name.
        """
        with self._store.transaction() as db:
            if not db.execute("DELETE FROM api_key WHERE name = ?", (name,)).rowcount:
                raise SettingsError(f"there is no key named {name!r}")

    def all(self) -> list[Key]:
        """Every key, oldest first."""
        with self._store.reading() as db:
            rows = db.execute("SELECT name, company, created FROM api_key ORDER BY created")
            return [Key(*row) for row in rows]

    def find(self, key: str) -> Key | None:
        """Whose key this is, if anybody's."""
        with self._store.reading() as db:
            row = db.execute(
                "SELECT name, company, created FROM api_key WHERE digest = ?", (_digest(key),)
            ).fetchone()
        return Key(*row) if row else None


def _digest(key: str) -> str:
    # Plain SHA-256 is enough: a key is 256 random bits, so that there is nothing to guess from
    # its digest, and a slow password hash would only slow every request.
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
