"""The accounts with which people sign in to the printers: printers.d/accounts.toml.

The file has scrypt hashes (RFC 7914), which `hashlib` computes. An account has no further rights.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import re
import stat
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.toml import Table, bad, read_table, unreadable
from cirrus_bridge.config.write import write_private

ACCOUNTS = Path("printers.d", "accounts.toml")  # in the configuration's folder
_NAMES = ("name", "password")
_LONGEST_NAME_BYTES, _LONGEST_PASSWORD_BYTES = 255, 1024
# 16 MiB and about 0.2 s, as OWASP recommends where memory is short (Password Storage Cheat Sheet)
_COST, _BLOCK_SIZE, _PARALLELIZATION = 2**14, 8, 5
_MOST_MEMORY_BYTES = 64 * 1024**2
_SALT_BYTES, _HASH_BYTES = 16, 32
_HASH = re.compile(
    r"scrypt:([0-9]{2,7}):([0-9]{1,2}):([0-9]{1,2}):([A-Za-z0-9+/=]{8,88}):([A-Za-z0-9+/=]{44})"
)


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """The scrypt hash of a password, with its salt and costs."""

    cost: int
    block_size: int
    parallelization: int
    salt: bytes
    digest: bytes

    @classmethod
    def of(cls, password: str) -> PasswordHash:
        """The hash of a password, with a new salt."""
        made = cls(_COST, _BLOCK_SIZE, _PARALLELIZATION, os.urandom(_SALT_BYTES), b"")
        return cls(*made._costs, made.salt, made._digest(password))

    @classmethod
    def parsed(cls, text: str) -> PasswordHash:
        """The hash that `str` has written. Raises ValueError for any other text."""
        match = _HASH.fullmatch(text)
        if not match:
            raise ValueError
        try:
            salt, digest = (base64.b64decode(each, validate=True) for each in match.groups()[3:])
        except binascii.Error:
            raise ValueError from None
        cost, block_size, parallelization = map(int, match.groups()[:3])
        made = cls(cost, block_size, parallelization, salt, digest)
        made._digest("")  # whether OpenSSL accepts the costs
        return made

    def __str__(self) -> str:
        parts = (base64.b64encode(each).decode() for each in (self.salt, self.digest))
        return ":".join(["scrypt", *map(str, self._costs), *parts])

    def matches(self, password: str) -> bool:
        """Whether this is the hash of the password, in constant time."""
        return hmac.compare_digest(self._digest(password), self.digest)

    @property
    def _costs(self) -> tuple[int, int, int]:
        return self.cost, self.block_size, self.parallelization

    def _digest(self, password: str) -> bytes:
        return hashlib.scrypt(
            normal(password).encode("utf-8", "surrogatepass")[:_LONGEST_PASSWORD_BYTES],
            salt=self.salt,
            n=self.cost,
            r=self.block_size,
            p=self.parallelization,
            maxmem=_MOST_MEMORY_BYTES,
            dklen=_HASH_BYTES,
        )


def normal(text: str) -> str:
    """A name or password in the one form that all keyboards' inputs have (NFC; RFC 8265)."""
    return unicodedata.normalize("NFC", text)


def check_name(name: str) -> None:
    """Raise ValueError, with a text for people, if a name cannot sign in by HTTP (RFC 7617, 2)."""
    if not name or ":" in name or not name.isprintable() or name != name.strip():
        raise ValueError(tr("A name must be one line of text without ':'."))
    if len(name.encode()) > _LONGEST_NAME_BYTES:
        raise ValueError(tr("A name can have {most} bytes at most.", most=_LONGEST_NAME_BYTES))


def read_accounts(path: Path) -> Mapping[str, PasswordHash]:
    """The accounts by name; none if the file is missing.

    Raises:
        BadConfiguration: the file cannot be read or is invalid, or users other than its owner and
            its group can read or change it.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise unreadable(path, error) from None
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        reason = tr("it has hashes of passwords, and other users can read or change it")
        raise bad(path, reason, tr("Run chmod 600 {path}.", path=path))
    tables = read_table(path).entries("account", _NAMES)
    return dict(_account(table) for table in tables)


def set_account(path: Path, name: str, password: str, group: int | None = None) -> bool:
    """Add an account, or give it another password; return whether the account is new.

    Args:
        group: the id of the group that may read the file, because the service's user is in it.

    Raises:
        ValueError: the name cannot be used, or the password is empty or too long.
        BadConfiguration: the file is invalid, or cannot be written.
    """
    name = normal(name)
    check_name(name)
    size_bytes = len(normal(password).encode())
    if not 0 < size_bytes <= _LONGEST_PASSWORD_BYTES:
        most = _LONGEST_PASSWORD_BYTES
        raise ValueError(tr("A password must have from 1 to {most} bytes.", most=most))
    accounts = dict(read_accounts(path))
    is_new = name not in accounts
    _write(path, {**accounts, name: PasswordHash.of(password)}, group)
    return is_new


def remove_account(path: Path, name: str, group: int | None = None) -> bool:
    """Remove an account; return whether there was one. `group` is that of `set_account`. Raises
    BadConfiguration."""
    accounts = dict(read_accounts(path))
    if accounts.pop(normal(name), None) is None:
        return False
    _write(path, accounts, group)
    return True


def _account(table: Table) -> tuple[str, PasswordHash]:
    name, text = normal(table.take("name", str)), table.take("password", str)
    try:
        return name, PasswordHash.parsed(text)
    except ValueError:
        raise _not_a_hash(table, name) from None


def _not_a_hash(table: Table, name: str) -> BadConfiguration:
    return table.bad(
        tr(
            "'password' of {name} is not a hash; run cirrusctl printers account add {name}",
            name=name,
        )
    )


def _write(path: Path, accounts: Mapping[str, PasswordHash], group: int | None) -> None:
    entries = (
        f"[[account]]\nname = {json.dumps(name, ensure_ascii=False)}\npassword = "
        f'"{accounts[name]}"\n'
        for name in sorted(accounts)
    )
    write_private(path, "\n".join(entries))
    if group is not None:
        for each, mode in ((path.parent, 0o750), (path, 0o640)):
            os.chown(each, -1, group)
            each.chmod(mode)
