"""API keys: made here, and stored as digests only.

A key is shown once, when it is made. The database and the log never have it.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import time
from typing import NamedTuple

from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.storage.database import Store

SECRET_BYTES = 32


class Key(NamedTuple):
    """An API key; `company` is None if the key is valid for any company."""

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
        key = secrets.token_urlsafe(SECRET_BYTES)
        with self._store.transaction() as db:
            if name is None:
                taken = {row["name"] for row in db.execute("SELECT name FROM api_key")}
                name = next(n for i in range(len(taken) + 1) if (n := f"key-{i + 1}") not in taken)
            try:
                db.execute(
                    "INSERT INTO api_key (name, digest, company, created) VALUES (?, ?, ?, ?)",
                    (name, digest(key), company, time.time()),
                )
            except sqlite3.IntegrityError as error:
                raise SettingsError(f"key {name!r} already exists") from error
        return key

    def revoke(self, name: str) -> None:
        """Revoke a key at once.

        Raises:
            SettingsError: there is no such key.
        """
        if not self._store.execute("DELETE FROM api_key WHERE name = ? RETURNING 1", name):
            raise SettingsError(f"there is no key named {name!r}")

    def all(self) -> list[Key]:
        """List all keys, oldest first."""
        rows = self._store.execute("SELECT name, company, created FROM api_key ORDER BY created")
        return [Key(*row) for row in rows]

    def find(self, key: str) -> Key | None:
        """Find what a key is valid for; None if the key is unknown."""
        rows = self._store.execute(
            "SELECT name, company, created FROM api_key WHERE digest = ?", digest(key)
        )
        return Key(*rows[0]) if rows else None


def digest(secret: str) -> str:
    """Digest a secret; plain SHA-256 is enough for 256 random bits, and fast."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
