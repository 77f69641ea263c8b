"""Accounts of people who use the web page.

An account sees a whole company, or one location: a browser user sees only the documents that
were printed to that location. Passwords are stored as Argon2 digests only.
"""

from __future__ import annotations

import functools
import secrets
import sqlite3
import time
from typing import NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.storage.database import Store

MIN_PASSWORD_CHARACTERS = 8
_MADE_BYTES = 12
_HASHER = PasswordHasher()


class Account(NamedTuple):
    """An account; `location` is None if the account sees the whole company."""

    name: str
    company: str
    location: str | None
    created: float


class Accounts:
    """The accounts of one data folder."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, name: str, company: str, location: str | None, password: str) -> None:
        """Make an account.

        Raises:
            SettingsError: the name is taken or unprintable, or the password is too short.
        """
        if not name or not name.isprintable():
            raise SettingsError(f"{name!r} cannot be the name of an account")
        digest = _digest(password)
        with self._store.transaction() as db:
            try:
                db.execute(
                    "INSERT INTO account (name, company, location, password, created)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (name, company, location, digest, time.time()),
                )
            except sqlite3.IntegrityError as error:
                raise SettingsError(f"account {name!r} already exists") from error

    def set_password(self, name: str, password: str) -> None:
        """Change a password, and end the account's sessions.

        Raises:
            SettingsError: there is no such account, or the password is too short.
        """
        digest = _digest(password)
        with self._store.transaction() as db:
            changed = db.execute("UPDATE account SET password = ? WHERE name = ?", (digest, name))
            if not changed.rowcount:
                raise SettingsError(f"there is no account named {name!r}")
            db.execute("DELETE FROM session WHERE account = ?", (name,))

    def remove(self, name: str) -> None:
        """Remove an account and its sessions at once.

        Raises:
            SettingsError: there is no such account.
        """
        with self._store.transaction() as db:
            if not db.execute("DELETE FROM account WHERE name = ?", (name,)).rowcount:
                raise SettingsError(f"there is no account named {name!r}")

    def all(self) -> list[Account]:
        """List all accounts, oldest first."""
        with self._store.reading() as db:
            rows = db.execute(
                "SELECT name, company, location, created FROM account ORDER BY created"
            )
            return [Account(*row) for row in rows]

    def verify(self, name: str, password: str) -> bool:
        """Tell whether this is the account's password; an unknown name takes the same time."""
        with self._store.reading() as db:
            row = db.execute("SELECT password FROM account WHERE name = ?", (name,)).fetchone()
        try:
            _HASHER.verify(row["password"] if row else _dummy_digest(), password)
        except VerifyMismatchError:
            return False
        return row is not None


def make_password() -> str:
    """Make a password that cannot be guessed."""
    return secrets.token_urlsafe(_MADE_BYTES)


@functools.cache
def _dummy_digest() -> str:
    """Make the digest that stands for the password of an unknown name."""
    return _HASHER.hash(secrets.token_hex())


def _digest(password: str) -> str:
    if len(password) < MIN_PASSWORD_CHARACTERS:
        raise SettingsError(f"a password has at least {MIN_PASSWORD_CHARACTERS} characters")
    return _HASHER.hash(password)
