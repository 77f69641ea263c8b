"""The settings of a location's client, and the key in its file."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cirrus_cloudlet.errors import SettingsError

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_KEY_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a client.

    Attributes:
        data: the folder with the client's journal, spool and delivered documents.
        server: the URL of the server, without a path.
        location: the location whose jobs the client fetches.
        key_file: has the API key.
        ca_file: certificates to trust instead of those of the system.
        proxy: the URL of an HTTP proxy.
        allow_commands: whether devices may run commands on this machine.
        allow_folders: the folders into which devices may write besides those in `data`.
    """

    data: Path
    server: str
    location: str
    key_file: Path
    ca_file: Path | None = None
    proxy: str | None = None
    allow_commands: bool = False
    allow_folders: tuple[Path, ...] = ()


def check_server(url: str) -> str:
    """Return the URL of a server without a slash at its end.

    Raises:
        SettingsError: the URL has more than scheme, host and port, or would send the key over the
            network in plain text.
    """
    parts = urlsplit(url)
    has_more = parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in ("http", "https") or not parts.hostname or has_more:
        raise SettingsError(f"--server {url!r} is not of the form https://HOST[:PORT]")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise SettingsError(
            f"--server {url!r}: anyone on the network could read the key and the documents;"
            " use https://"
        )
    return url.rstrip("/")


def read_key(path: Path) -> str:
    """Read the key from its file.

    Raises:
        SettingsError: the file cannot be read, others can read it, or it has no key.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(_KEY_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read the key in {path} ({error})") from error
    # systemd's copy of a key is in a folder for the service alone, and may be readable for a group
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    is_private = credentials is not None and path.parent == Path(credentials)
    if mode & 0o077 and not is_private:
        raise SettingsError(f"other users can read {path}; run: chmod 600 {path}")
    if not text or len(text.split()) != 1 or not text.isascii():
        raise SettingsError(f"{path} has no key; the server's key add --role client prints one")
    return text
