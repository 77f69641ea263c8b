"""Access to the cloud: API keys, accounts of people who use the web page, and their sessions.

An account sees a whole company, or one location: a browser user sees only the documents that
were printed to that location. A key is shown once, when it is made; the database and the log
never have it. Keys and sessions are stored as digests only, and passwords as Argon2 digests. A
session ends by signing out, after half a day, and with its account.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import secrets
import sqlite3
import time
from typing import NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.storage.database import Store

_MIN_PASSWORD_CHARACTERS = 8
_MADE_BYTES = 12
_SECRET_BYTES = 32  # of keys and of the tokens of sessions
_SESSION_S = 12 * 3600.0
LINK_S = 3600.0
_HASHER = PasswordHasher()
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

    def add(self, company: str | None, name: str | None, role: Role) -> str:
        """Make a key, and return it; raise SettingsError if the name is taken."""
        key = secrets.token_urlsafe(_SECRET_BYTES)
        with self._store.transaction() as db:
            if name is None:
                taken = {row["name"] for row in db.execute("SELECT name FROM api_key")}
                name = next(n for i in range(len(taken) + 1) if (n := f"key-{i + 1}") not in taken)
            if not db.execute(
                "INSERT OR IGNORE INTO api_key (name, digest, company, created, role)"
                " VALUES (?, ?, ?, ?, ?)",
                (name, _digest(key), company, time.time(), role),
            ).rowcount:
                raise SettingsError(f"key {name!r} already exists")
        return key

    def set_role(self, name: str, role: Role) -> None:
        """Give a key a role at once; raise SettingsError if there is none of this name."""
        if not self._store.execute(
            "UPDATE api_key SET role = ? WHERE name = ? RETURNING 1", role, name
        ):
            raise SettingsError(f"there is no key named {name!r}")

    def revoke(self, name: str) -> None:
        """Revoke a key at once; raise SettingsError if there is none of this name."""
        if not self._store.execute("DELETE FROM api_key WHERE name = ? RETURNING 1", name):
            raise SettingsError(f"there is no key named {name!r}")

    def all(self) -> list[Key]:
        """List all keys, oldest first."""
        return self._select("ORDER BY created")

    def find(self, key: str) -> Key | None:
        """Find what a key is valid for; None if the key is unknown."""
        return next(iter(self._select("WHERE digest = ?", _digest(key))), None)

    def _select(self, which: str, *values: object) -> list[Key]:
        rows = self._store.execute(_SELECT_KEYS + which, *values)
        return [Key(name, company, created, Role(role)) for name, company, created, role in rows]


class Account(NamedTuple):
    """An account; `location` is None if the account sees the whole company."""

    name: str
    company: str
    location: str | None
    created: float
    is_administrator: bool = False


class Accounts:
    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, name: str, company: str, location: str | None, password: str) -> None:
        """Make an account.

        Raises:
            SettingsError: the name is taken or unprintable, or the password is too short.
        """
        if not name or not name.isprintable():
            raise SettingsError(f"{name!r} cannot be the name of an account")
        if not self._store.execute(
            "INSERT OR IGNORE INTO account (name, company, location, password, created)"
            " VALUES (?, ?, ?, ?, ?) RETURNING 1",
            *(name, company, location, _digest_password(password), time.time()),
        ):
            raise SettingsError(f"account {name!r} already exists")

    def set_password(self, name: str, password: str) -> None:
        """Change a password, and end the account's sessions and links.

        Raises:
            SettingsError: there is no such account, or the password is too short.
        """
        values = (_digest_password(password), name)
        with self._store.transaction() as db:
            if not db.execute("UPDATE account SET password = ? WHERE name = ?", values).rowcount:
                raise SettingsError(f"there is no account named {name!r}")
            db.execute("DELETE FROM session WHERE account = ?", (name,))
            db.execute("DELETE FROM sign_in_link WHERE account = ?", (name,))

    def remove(self, name: str) -> None:
        """Remove an account and its sessions at once; raise SettingsError if there is none."""
        if not self._store.execute("DELETE FROM account WHERE name = ? RETURNING 1", name):
            raise SettingsError(f"there is no account named {name!r}")

    def all(self) -> list[Account]:
        """List all accounts, oldest first."""
        rows = self._store.execute(
            "SELECT name, company, location, created FROM account ORDER BY created"
        )
        return [Account(*row) for row in rows]

    def verify(self, name: str, password: str) -> str | None:
        """Return the digest of the account's password; None if the password is wrong.

        An unknown name takes the same time.
        """
        rows = self._store.execute("SELECT password FROM account WHERE name = ?", name)
        digest: str = rows[0]["password"] if rows else _dummy_digest()
        try:
            _HASHER.verify(digest, password)
        except VerifyMismatchError:
            return None
        return digest if rows else None

    def begin_session(self, name: str, verified: str) -> str | None:
        """Begin a session of an account, and return its token.

        Args:
            verified: the result of `verify`. If the password has changed since, there is no
                session, and the result is None.
        """
        with self._store.transaction() as db:
            return _begin_session(db, "name = ? AND password = ?", name, verified)

    def make_link(self, name: str) -> str:
        """Make a secret that begins one session of an account, within LINK_S.

        Raises:
            SettingsError: there is no such account.
        """
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        if not self._store.execute(
            "INSERT INTO sign_in_link (digest, account, created)"
            " SELECT ?, name, ? FROM account WHERE name = ? RETURNING 1",
            *(_digest(secret), time.time(), name),
        ):
            raise SettingsError(f"there is no account named {name!r}")
        return secret

    def use_link(self, secret: str) -> str | None:
        """Begin the session of a link, and return its token; None if the link is unknown, used or
        too old."""
        with self._store.transaction() as db:
            db.execute("DELETE FROM sign_in_link WHERE created < ?", (time.time() - LINK_S,))
            used = db.execute(
                "DELETE FROM sign_in_link WHERE digest = ? RETURNING account", (_digest(secret),)
            ).fetchall()
            return _begin_session(db, "name = ?", used[0]["account"]) if used else None

    def find_by_session(self, token: str) -> Account | None:
        """Find the account of a session; None if the token is unknown or has expired."""
        rows = self._store.execute(
            "SELECT name, company, location, account.created FROM session"
            " JOIN account ON account.name = session.account"
            " WHERE digest = ? AND session.created >= ?",
            *(_digest(token), time.time() - _SESSION_S),
        )
        return Account(*rows[0]) if rows else None

    def end_session(self, token: str) -> None:
        self._store.execute("DELETE FROM session WHERE digest = ?", _digest(token))


def _begin_session(db: sqlite3.Connection, which: str, *values: str) -> str | None:
    """Begin a session of the selected account; None if there is none."""
    token, now = secrets.token_urlsafe(_SECRET_BYTES), time.time()
    db.execute("DELETE FROM session WHERE created < ?", (now - _SESSION_S,))
    begun = db.execute(
        "INSERT INTO session (digest, account, created)"  # noqa: S608 - no values in the text
        f" SELECT ?, name, ? FROM account WHERE {which}",
        (_digest(token), now, *values),
    )
    return token if begun.rowcount else None


def make_password() -> str:
    return secrets.token_urlsafe(_MADE_BYTES)


@functools.cache  # stands for the password of an unknown name
def _dummy_digest() -> str:
    return _HASHER.hash(secrets.token_hex())


def _digest_password(password: str) -> str:
    if len(password) < _MIN_PASSWORD_CHARACTERS:
        raise SettingsError(f"a password has at least {_MIN_PASSWORD_CHARACTERS} characters")
    return _HASHER.hash(password)


def _digest(secret: str) -> str:
    # plain SHA-256 is enough for 256 random bits; a password hash would slow every request
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
