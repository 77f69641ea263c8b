"""Accounts of people who use the web page, and their sessions.

An account sees a whole company, or one location: a browser user sees only the documents that
were printed to that location. An administrator also changes the accounts, keys, locations and
devices of the company. Passwords are stored as Argon2 digests. A session ends by signing out,
after half a day, and when its account is disabled or removed. The account of a person at an
identity provider has no password (`storage/provider_accounts`).
"""

from __future__ import annotations

import enum
import functools
import secrets
import time
from typing import NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.storage.audit import Actor, Origin, record
from cirrus_cloudlet.storage.credentials import check_name, digest, new_secret
from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.engine import Connection, Row
from cirrus_cloudlet.translation import marked

_MIN_PASSWORD_CHARACTERS = 8
_MADE_BYTES = 12
_SESSION_S = 12 * 3600.0
LINK_S = 3600.0
_HASHER = PasswordHasher()
_SELECT = (
    "SELECT name, company, location, account.created, role, disabled, provider, person FROM account"
)
_BY_NAME = f"{_SELECT} WHERE name = ?"
_BEGIN = "INSERT INTO session (digest, account, created) SELECT ?, name, ? FROM account"


class AccountRole(enum.StrEnum):
    """What an account may do: an `admin` also changes accounts, keys, locations and devices."""

    USER = "user"
    ADMIN = "admin"


class Account(NamedTuple):
    """An account.

    Attributes:
        location: None if the account sees the whole company.
        provider: the identity provider with which the person signs in; empty for a password.
        person: the user name by which the person prints; empty if it is not known.
    """

    name: str
    company: str
    location: str | None
    created: float
    role: AccountRole = AccountRole.USER
    is_disabled: bool = False
    provider: str = ""
    person: str = ""

    @property
    def is_administrator(self) -> bool:
        return self.role is AccountRole.ADMIN and self.location is None


class Accounts:
    def __init__(self, store: Store) -> None:
        self._store = store

    def add(
        self,
        name: str,
        company: str,
        location: str | None,
        password: str,
        by: Actor,
        role: AccountRole = AccountRole.USER,
    ) -> None:
        """Make an account.

        Raises:
            SettingsError: the name is taken or unprintable, the password is too short, or an
                account of one location would be an administrator.
        """
        check_name(name)
        _check_role(role, location)
        hashed = _digest_password(password)
        with self._store.transaction() as db:
            if not db.execute(
                "INSERT INTO account (name, company, location, password, created, role)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (name, company, location, hashed, time.time(), role),
            ).rowcount:
                raise SettingsError(marked("account {name!r} already exists"), name=name)
            record(db, by, "account add", name, company, role=role, location=location)

    def set_password(self, name: str, password: str, by: Actor) -> None:
        """Change a password, and end the account's sessions and links.

        Raises:
            SettingsError: there is no such account, its person signs in with an identity provider,
                or the password is too short.
        """
        hashed = _digest_password(password)
        with self._store.transaction() as db:
            account = find_account(db, name, by)
            if account.provider:
                raise SettingsError(
                    marked("{name} signs in with {provider}, not a password"),
                    name=name, provider=account.provider,
                )  # fmt: skip
            db.execute("UPDATE account SET password = ? WHERE name = ?", (hashed, name))
            end_access(db, name)
            record(db, by, "account password", name, account.company)

    def set_role(self, name: str, role: AccountRole, by: Actor) -> None:
        """Give an account a role at once.

        Raises:
            SettingsError: there is no such account, its role comes from an identity provider, it
                sees one location only, or it is the last administrator and the page asks.
        """
        with self._store.transaction() as db:
            account = find_account(db, name, by)
            if account.provider:
                raise SettingsError(
                    marked("the role of {name} comes from {provider}"),
                    name=name, provider=account.provider,
                )  # fmt: skip
            _check_role(role, account.location)
            if role is not AccountRole.ADMIN:
                _check_not_last(db, account, by)
            db.execute("UPDATE account SET role = ? WHERE name = ?", (role, name))
            record(db, by, "account role", name, account.company, role=role)

    def disable(self, name: str, by: Actor) -> None:
        """Disable an account, and end its sessions at once.

        Raises:
            SettingsError: there is none, or it is the last administrator and the page asks.
        """
        with self._store.transaction() as db:
            account = find_account(db, name, by)
            _check_not_last(db, account, by)
            db.execute("UPDATE account SET disabled = true WHERE name = ?", (name,))
            end_access(db, name)
            record(db, by, "account disable", name, account.company)

    def enable(self, name: str, by: Actor) -> None:
        """Let a disabled account sign in again; raise SettingsError if there is none."""
        with self._store.transaction() as db:
            account = find_account(db, name, by)
            db.execute("UPDATE account SET disabled = false WHERE name = ?", (name,))
            record(db, by, "account enable", name, account.company)

    def remove(self, name: str, by: Actor) -> None:
        """Remove an account and its sessions at once.

        Raises:
            SettingsError: there is none, or it is the last administrator and the page asks.
        """
        with self._store.transaction() as db:
            account = find_account(db, name, by)
            _check_not_last(db, account, by)
            db.execute("DELETE FROM account WHERE name = ?", (name,))
            record(db, by, "account remove", name, account.company)

    def all(self, company: str | None = None) -> list[Account]:
        """List all accounts, or those of one company, oldest first."""
        if company is None:
            rows = self._store.execute(f"{_SELECT} ORDER BY created")
        else:
            rows = self._store.execute(f"{_SELECT} WHERE company = ? ORDER BY created", company)
        return [make_account(row) for row in rows]

    def verify(self, name: str, password: str) -> str | None:
        """Return the digest of the account's password; None if the password is wrong.

        An unknown name takes the same time, and so does an account without a password.
        """
        rows = self._store.execute("SELECT password FROM account WHERE name = ?", name)
        known: str = rows[0]["password"] if rows else ""
        try:
            _HASHER.verify(known or _dummy_digest(), password)
        except VerifyMismatchError:
            return None
        return known or None

    def begin_session(self, name: str, verified: str) -> str | None:
        """Begin a session of an account, and return its token.

        Args:
            verified: the result of `verify`. If the password has changed since, or the account is
                disabled, there is no session, and the result is None.
        """
        with self._store.transaction() as db:
            return begin_session(db, "name = ? AND password = ?", name, verified)

    def make_link(self, name: str, by: Actor) -> str:
        """Make a secret that begins one session of an account, within LINK_S.

        Raises:
            SettingsError: there is no such account, or it is disabled.
        """
        secret = new_secret()
        with self._store.transaction() as db:
            account = find_account(db, name, by)
            if account.is_disabled:
                raise SettingsError(f"account {name!r} is disabled")
            db.execute(
                "INSERT INTO sign_in_link (digest, account, created) VALUES (?, ?, ?)",
                (digest(secret), name, time.time()),
            )
            record(db, by, "account link", name, account.company)
        return secret

    def use_link(self, secret: str) -> str | None:
        """Begin the session of a link, and return its token; None if the link is unknown, used or
        too old."""
        with self._store.transaction() as db:
            db.execute("DELETE FROM sign_in_link WHERE created < ?", (time.time() - LINK_S,))
            used = db.execute(
                "DELETE FROM sign_in_link WHERE digest = ? RETURNING account", (digest(secret),)
            ).fetchall()
            return begin_session(db, "name = ?", used[0]["account"]) if used else None

    def find_by_session(self, token: str) -> Account | None:
        """Find the account of a session; None if the token is unknown or has expired."""
        rows = self._store.execute(
            f"{_SELECT} JOIN session ON account.name = session.account"
            " WHERE digest = ? AND session.created >= ? AND NOT disabled",
            *(digest(token), time.time() - _SESSION_S),
        )
        return make_account(rows[0]) if rows else None

    def end_session(self, token: str) -> None:
        self._store.execute("DELETE FROM session WHERE digest = ?", digest(token))


def begin_session(db: Connection, which: str, *values: object) -> str | None:
    """Begin a session of the account that meets a condition, unless the account is disabled."""
    token = new_secret()
    now = time.time()
    db.execute("DELETE FROM session WHERE created < ?", (now - _SESSION_S,))
    begun = db.execute(f"{_BEGIN} WHERE NOT disabled AND {which}", (digest(token), now, *values))
    return token if begun.rowcount else None


def end_access(db: Connection, name: str) -> None:
    """End the sessions and the links of an account."""
    db.execute("DELETE FROM session WHERE account = ?", (name,))
    db.execute("DELETE FROM sign_in_link WHERE account = ?", (name,))


def find_account(db: Connection, name: str, by: Actor) -> Account:
    """Find an account within an actor's reach; raise SettingsError if there is none."""
    row = db.execute(_BY_NAME, (name,)).fetchone()
    if row is None or by.company not in (None, row["company"]):
        raise SettingsError(marked("there is no account named {name!r}"), name=name)
    return make_account(row)


def make_account(row: Row) -> Account:
    name, company, location, created, role, disabled, provider, person = row
    return Account(
        name, company, location, created, AccountRole(role), bool(disabled), provider, person
    )


def make_password() -> str:
    return secrets.token_urlsafe(_MADE_BYTES)


def _check_role(role: AccountRole, location: str | None) -> None:
    if role is AccountRole.ADMIN and location is not None:
        raise SettingsError(marked("an account of one location cannot be an administrator"))


def _check_not_last(db: Connection, account: Account, by: Actor) -> None:
    """Raise SettingsError if the page would leave a company without an administrator."""
    if by.origin is not Origin.PAGE or account.is_disabled or not account.is_administrator:
        return
    (others,) = db.execute(
        "SELECT count(*) FROM account WHERE company = ? AND role = 'admin' AND location IS NULL"
        " AND NOT disabled AND name != ?",
        (account.company, account.name),
    ).fetchone()
    if not others:
        raise SettingsError(
            marked("{name} is the last administrator of {company}"),
            name=account.name, company=account.company,
        )  # fmt: skip


@functools.cache  # stands for the password of an unknown name
def _dummy_digest() -> str:
    return _HASHER.hash(secrets.token_hex())


def _digest_password(password: str) -> str:
    if len(password) < _MIN_PASSWORD_CHARACTERS:
        raise SettingsError(f"a password has at least {_MIN_PASSWORD_CHARACTERS} characters")
    return _HASHER.hash(password)
