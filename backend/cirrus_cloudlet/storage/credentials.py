"""Secrets that this server makes, their digests, and the names of keys and accounts."""

from __future__ import annotations

import hashlib
import secrets

from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.translation import marked

_SECRET_BYTES = 32  # of keys and of the tokens of sessions
_NAME_CHARACTERS = 200


def new_secret() -> str:
    """Make a key, or the token of a session."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def digest(secret: str) -> str:
    """The digest by which the database knows a secret of `new_secret`."""
    # plain SHA-256 is enough for 256 random bits; a password hash would slow every request
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def check_name(name: str) -> None:
    """Raise SettingsError if a name is empty, unprintable or long."""
    if not name or not name.isprintable() or len(name) > _NAME_CHARACTERS:
        raise SettingsError(
            marked("{name!r} cannot be the name of an account or a key"),
            name=name[:_NAME_CHARACTERS],
        )
