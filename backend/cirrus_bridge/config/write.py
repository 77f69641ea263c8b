"""Writes configuration files, which are complete or absent; those of servers.d are private from the
start."""

from __future__ import annotations

import errno
import json
import os
import stat
import tempfile
from pathlib import Path

from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.servers import Server


def server_toml(server: Server) -> str:
    """The text of a `[[server]]` entry, with its key."""
    values = {
        "host": server.name,
        "company": server.company,
        "api_key": server.api_key.reveal(),
        "locations": list(server.locations),
        "ca_file": server.ca_file,
        "proxy": server.proxy,
        "encryption": server.encryption,
        "allow_plaintext": server.allow_plaintext or None,
        "local_user": server.local_user,
    }
    lines = (
        f"{name} = {json.dumps(value, ensure_ascii=False)}\n"  # TOML has the escapes of JSON
        for name, value in values.items()
        if value is not None
    )
    return "[[server]]\n" + "".join(lines)


def check_writable(path: Path) -> None:
    """Raise BadConfiguration if the file `path` could not be written."""
    there = next(each for each in path.absolute().parents if each.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        raise _not_written(path, os.strerror(errno.EACCES))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, and create its folders. If this fails, the
    previous file stays, and BadConfiguration is raised."""
    _write(path, text, 0o600)


def write_public(path: Path, text: str) -> None:
    """Write a file that everyone can read, unless the previous file has another mode. Otherwise as
    `write_private`."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        mode = 0o644
    _write(path, text, mode)


def _write(path: Path, text: str, mode: int) -> None:
    try:
        for folder, its_mode in ((path.parent.parent, 0o755), (path.parent, 0o700)):
            if not folder.exists():
                folder.mkdir(parents=True)
                folder.chmod(its_mode)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                os.fchmod(file.fileno(), mode)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _not_written(path, error.strerror) from error


def _not_written(path: Path, why: str | None) -> BadConfiguration:
    return BadConfiguration(
        tr("Cannot write {path} ({error}).", path=path, error=why), tr("Run this command as root.")
    )
