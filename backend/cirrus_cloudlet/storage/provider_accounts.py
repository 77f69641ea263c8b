"""Accounts of people who sign in with an identity provider, and their sessions.

An account is found by the provider and the person's id there, never by its name: a local account
of the same name stays apart. The role is what the provider says at each sign-in.
"""

from __future__ import annotations

import json
import time

from cirrus_cloudlet.storage.access import AccountRole, begin_session, end_access
from cirrus_cloudlet.storage.audit import Actor, Origin, record
from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.engine import Connection, Row


def sign_in(
    store: Store, company: str, issuer: str, subject: str, user: str, role: AccountRole | None
) -> str | None:
    """Begin a session of a person, whose account is made at the first sign-in.

    Args:
        subject: the person's id at the provider.
        user: the user name by which the person prints; it also names a new account.
        role: None if the person has no access any longer; this ends the account's sessions.

    Returns:
        The token of the session; None without access, or if the account is disabled.
    """
    key = json.dumps([company, subject])  # two companies may have the same provider
    with store.transaction() as db:
        row = db.execute(
            "SELECT name, role, person FROM account WHERE provider = ? AND subject = ?",
            (issuer, key),
        ).fetchone()
        if row:
            _update(db, company, row, role or AccountRole.USER, user)
            if role is None:
                end_access(db, row["name"])
        if role is None:
            return None
        name = row["name"] if row else _add(db, company, issuer, key, user or subject, user, role)
        return begin_session(db, "name = ?", name)


def _add(
    db: Connection,
    company: str,
    issuer: str,
    key: str,
    wanted: str,
    user: str,
    role: AccountRole,
) -> str:
    number = 1
    name = wanted = wanted if wanted.isprintable() else "person"
    while db.execute("SELECT 1 FROM account WHERE name = ?", (name,)).fetchone():
        number += 1
        name = f"{wanted} ({number})"
    db.execute(
        "INSERT INTO account (name, company, password, created, provider, subject, person, role)"
        " VALUES (?, ?, '', ?, ?, ?, ?, ?)",
        (name, company, time.time(), issuer, key, user, role),
    )
    by = Actor(name, Origin.PROVIDER, company)
    record(db, by, "account add", name, company, provider=issuer, role=role, user=user or None)
    return name


def _update(db: Connection, company: str, row: Row, role: AccountRole, user: str) -> None:
    name = row["name"]
    by = Actor(name, Origin.PROVIDER, company)
    if row["role"] != role:
        db.execute("UPDATE account SET role = ? WHERE name = ?", (role, name))
        record(db, by, "account role", name, company, role=role)
    if row["person"] != user:
        db.execute("UPDATE account SET person = ? WHERE name = ?", (user, name))
        record(db, by, "account change", name, company, user=user)
