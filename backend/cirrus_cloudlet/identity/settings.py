"""Read providers.toml: with which identity provider the people of a company sign in."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cirrus_cloudlet.errors import SettingsError

FILE = "providers.toml"
USER, ADMIN = "user", "admin"
_PRIVATE = 0o077


@dataclass(frozen=True, slots=True)
class Provider:
    """A company's identity provider.

    Attributes:
        name: the provider's name on the page.
        issuer: the provider's URL, below which it describes itself.
        address: the page's address in browsers; the provider sends people back there.
        client_secret: empty for a public client.
        user_claim: the claim with the user name by which a person prints.
        role_claim: the claim with a person's groups, such as `groups` or `realm_access.roles`;
            empty if each person of the provider is a user.
        roles: a value of the role claim → `user` or `admin`.
        ca_file: certificates to trust, in PEM; None for those of the system.
    """

    company: str
    issuer: str
    client_id: str
    address: str
    name: str = ""
    client_secret: str = field(default="", repr=False)
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    user_claim: str = "preferred_username"
    role_claim: str = ""
    roles: Mapping[str, str] = field(default_factory=dict)
    ca_file: Path | None = None


_TEXTS = ("company", "name", "issuer", "client_id", "address", "user_claim", "role_claim")
_REQUIRED = ("company", "issuer", "client_id", "address")
_KNOWN = (*_TEXTS, "client_secret_file", "scopes", "roles", "ca_file")


def read_providers(folder: Path) -> dict[str, Provider]:
    """Read the providers of a data folder, by company; there are none without the file.

    Raises:
        SettingsError: the file cannot be read, a field is wrong, or others can read a secret.
    """
    path = folder / FILE
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: {error}") from error
    if found.keys() - {"provider"} or not isinstance(found.get("provider", []), list):
        raise SettingsError(f"{path} may have [[provider]] tables only")
    providers: dict[str, Provider] = {}
    for number, table in enumerate(found.get("provider", []), 1):
        try:
            made = _provider(folder, table)
        except (ValueError, OSError) as error:
            raise SettingsError(f"{path}: [[provider]] number {number}: {error}") from error
        if made.company in providers:
            raise SettingsError(f"{path}: {made.company} has two providers")
        providers[made.company] = made
    return providers


def is_safe(url: str) -> bool:
    """Whether a URL is HTTPS, or HTTP to this machine, and has neither a user nor a fragment."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_fields(table: Any) -> None:
    if not isinstance(table, dict):
        raise ValueError("it is not a table")
    for name, value in table.items():
        if name not in _KNOWN:
            raise ValueError(f"unknown field {name!r}; known: {', '.join(_KNOWN)}")
        if name not in ("scopes", "roles") and not (isinstance(value, str) and value):
            raise ValueError(f"{name} has to be a text")
    for name in _REQUIRED:
        if name not in table:
            raise ValueError(f"field {name!r} is missing")


def _provider(folder: Path, table: Any) -> Provider:
    _check_fields(table)
    fields: dict[str, Any] = {name: table[name] for name in _TEXTS if name in table}
    for name in ("issuer", "address"):
        if not is_safe(table[name]) or urlsplit(table[name]).query:
            raise ValueError(f"{name} has to be an https:// URL without a query")
    fields["address"] = table["address"].rstrip("/")
    fields.setdefault("name", urlsplit(table["issuer"]).hostname)
    if "client_secret_file" in table:
        fields["client_secret"] = _read_secret(folder / table["client_secret_file"])
    if "ca_file" in table:
        fields["ca_file"] = folder / table["ca_file"]
    made = Provider(**fields)
    return dataclasses.replace(made, scopes=_scopes(table, made), roles=_roles(table, made))


def _scopes(table: Mapping[str, Any], made: Provider) -> tuple[str, ...]:
    scopes = table.get("scopes", list(made.scopes))
    if not isinstance(scopes, list) or not all(isinstance(each, str) for each in scopes):
        raise ValueError("scopes has to be a list of texts")
    return tuple(dict.fromkeys(("openid", *scopes)))


def _roles(table: Mapping[str, Any], made: Provider) -> Mapping[str, str]:
    roles = table.get("roles", {})
    if not isinstance(roles, dict) or not set(roles.values()) <= {USER, ADMIN}:
        raise ValueError(f"roles has to be a table with the values {USER!r} and {ADMIN!r}")
    if bool(roles) is not bool(made.role_claim):
        raise ValueError("give both role_claim and roles, or neither")
    return roles


def _read_secret(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        if os.fstat(file.fileno()).st_mode & _PRIVATE:
            raise ValueError(f"others may read {path}; run: chmod 600 {path}")
        secret = file.read().strip()
    if not secret:
        raise ValueError(f"{path} is empty")
    return secret
