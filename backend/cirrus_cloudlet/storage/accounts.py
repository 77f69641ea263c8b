"""Accounts of people: whom the web page lets in, and to what.

An account is for a whole company, or for one location of it: a browser user's, who sees what was
printed to him alone. Passwords are kept as Argon2 digests only.
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

PASSWORD_CHARACTERS = 8  # at least
_MADE_BYTES = 12
_HASHER = PasswordHasher()


class Account(NamedTuple):
    """Who is signed in; `location` is None for one who sees all of the company."""

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
            SettingsError: the name is taken or empty, or the password too short.
        """
        if not name or not name.isprintable():
            raise SettingsError(f"an account can not be named {name!r}")
        digest = _digest(password)
        with self._store.transaction() as db:
            try:
                db.execute(
                    "INSERT INTO account (name, company, location, password, created)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (name, company, location, digest, time.time()),
                )
            except sqlite3.IntegrityError as error:
                raise SettingsError(f"there is an account named {name!r} already") from error

    def set_password(self, name: str, password: str) -> None:
        """Change a password; who is signed in with the old one is signed out.

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
        """End an account, and its sessions, at once.

        Raises:
            SettingsError: there is none of that name.
        """
        with self._store.transaction() as db:
            if not db.execute("DELETE FROM account WHERE name = ?", (name,)).rowcount:
                raise SettingsError(f"there is no account named {name!r}")

    def all(self) -> list[Account]:
        """Every account, oldest first."""
        with self._store.reading() as db:
            rows = db.execute(
                "SELECT name, company, location, created FROM account ORDER BY created"
            )
            return [Account(*row) for row in rows]

    def verified(self, name: str, password: str) -> bool:
        """Whether this is the account's password; takes as long if there is no such account."""
        with self._store.reading() as db:
            row = db.execute("SELECT password FROM account WHERE name = ?", (name,)).fetchone()
        try:
            _HASHER.verify(row["password"] if row else _nobodys(), password)
        except VerifyMismatchError:
            return False
        return row is not None


def made_password() -> str:
    """A new password that nobody guesses."""
    return secrets.token_urlsafe(_MADE_BYTES)


@functools.cache
def _nobodys() -> str:
    """What the password of a name that nobody has is compared with."""
    return _HASHER.hash(secrets.token_hex())


def _digest(password: str) -> str:
    if len(password) < PASSWORD_CHARACTERS:
        raise SettingsError(f"a password has at least {PASSWORD_CHARACTERS} characters")
    return _HASHER.hash(password)
