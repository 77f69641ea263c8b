"""Accounts of people who use the web page, and their sessions.

An account sees a whole company, or one location: a browser user sees only the documents that
were printed to that location. Passwords are stored as Argon2 digests only, and sessions as
digests of their random tokens. A session ends by signing out, after half a day, and with its
account.
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
from cirrus_cloudlet.storage.keys import SECRET_BYTES, digest

_MIN_PASSWORD_CHARACTERS = 8
_MADE_BYTES = 12
_SESSION_S = 12 * 3600.0
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
        try:
            self._store.execute(
                "INSERT INTO account (name, company, location, password, created)"
                " VALUES (?, ?, ?, ?, ?)",
                *(name, company, location, _digest_password(password), time.time()),
            )
        except sqlite3.IntegrityError as error:
            raise SettingsError(f"account {name!r} already exists") from error

    def set_password(self, name: str, password: str) -> None:
        """Change a password, and end the account's sessions.

        Raises:
            SettingsError: there is no such account, or the password is too short.
        """
        values = (_digest_password(password), name)
        with self._store.transaction() as db:
            if not db.execute("UPDATE account SET password = ? WHERE name = ?", values).rowcount:
                raise SettingsError(f"there is no account named {name!r}")
            db.execute("DELETE FROM session WHERE account = ?", (name,))

    def remove(self, name: str) -> None:
        """Remove an account and its sessions at once.

        Raises:
            SettingsError: there is no such account.
        """
        if not self._store.execute("DELETE FROM account WHERE name = ? RETURNING 1", name):
            raise SettingsError(f"there is no account named {name!r}")

    def all(self) -> list[Account]:
        """List all accounts, oldest first."""
        rows = self._store.execute(
            "SELECT name, company, location, created FROM account ORDER BY created"
        )
        return [Account(*row) for row in rows]

    def verify(self, name: str, password: str) -> bool:
        """Tell whether this is the account's password; an unknown name takes the same time."""
        rows = self._store.execute("SELECT password FROM account WHERE name = ?", name)
        try:
            _HASHER.verify(rows[0]["password"] if rows else _dummy_digest(), password)
        except VerifyMismatchError:
            return False
        return bool(rows)

    def begin_session(self, name: str) -> str:
        """Begin a session of an account, and return its token."""
        token = secrets.token_urlsafe(SECRET_BYTES)
        now = time.time()
        with self._store.transaction() as db:
            db.execute("DELETE FROM session WHERE created < ?", (now - _SESSION_S,))
            db.execute(
                "INSERT INTO session (digest, account, created) VALUES (?, ?, ?)",
                (digest(token), name, now),
            )
        return token

    def find_by_session(self, token: str) -> Account | None:
        """Find the account of a session; None if the token is unknown or has expired."""
        rows = self._store.execute(
            "SELECT name, company, location, account.created FROM session"
            " JOIN account ON account.name = session.account"
            " WHERE digest = ? AND session.created >= ?",
            *(digest(token), time.time() - _SESSION_S),
        )
        return Account(*rows[0]) if rows else None

    def end_session(self, token: str) -> None:
        """End a session."""
        self._store.execute("DELETE FROM session WHERE digest = ?", digest(token))


def make_password() -> str:
    """Make a password that cannot be guessed."""
    return secrets.token_urlsafe(_MADE_BYTES)


@functools.cache
def _dummy_digest() -> str:
    """Make the digest that stands for the password of an unknown name."""
    return _HASHER.hash(secrets.token_hex())


def _digest_password(password: str) -> str:
    if len(password) < _MIN_PASSWORD_CHARACTERS:
        raise SettingsError(f"a password has at least {_MIN_PASSWORD_CHARACTERS} characters")
    return _HASHER.hash(password)
