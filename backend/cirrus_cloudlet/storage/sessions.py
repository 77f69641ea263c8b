"""Sessions of signed-in people: random tokens, stored as digests only.

A session ends by signing out, after half a day, and with its account.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time

from cirrus_cloudlet.storage.accounts import Account
from cirrus_cloudlet.storage.database import Store

_LIFETIME_S = 12 * 3600.0
_TOKEN_BYTES = 32


class Sessions:
    """The sessions of one data folder."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self, account: str) -> str:
        """Begin a session, and return its token."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        now = time.time()
        with self._store.transaction() as db:
            db.execute("DELETE FROM session WHERE created < ?", (now - _LIFETIME_S,))
            db.execute(
                "INSERT INTO session (digest, account, created) VALUES (?, ?, ?)",
                (_digest(token), account, now),
            )
        return token

    def find(self, token: str) -> Account | None:
        """Find the account of a session; None if the token is unknown or has expired."""
        with self._store.reading() as db:
            row = db.execute(
                "SELECT name, company, location, account.created FROM session"
                " JOIN account ON account.name = session.account"
                " WHERE digest = ? AND session.created >= ?",
                (_digest(token), time.time() - _LIFETIME_S),
            ).fetchone()
        return Account(*row) if row else None

    def end(self, token: str) -> None:
        """End a session."""
        with self._store.transaction() as db:
            db.execute("DELETE FROM session WHERE digest = ?", (_digest(token),))


def form_token(token: str) -> str:
    """Make the token of a session's forms, which forms of other sites cannot have."""
    return hmac.digest(token.encode(), b"form", "sha256").hex()


def is_form_token(token: str, sent: str) -> bool:
    """Tell whether `sent` is the token of this session's forms."""
    return hmac.compare_digest(form_token(token).encode(), sent.encode())


def _digest(token: str) -> str:
    # plain SHA-256 is enough for 256 random bits, as with keys
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
