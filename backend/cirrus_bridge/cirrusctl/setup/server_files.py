"""The files of servers.d, as the guided setup reads and writes them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from cirrus_bridge.base.errors import BadConfiguration, CirrusError
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.load import load
from cirrus_bridge.config.servers import Server, read_server_file
from cirrus_bridge.config.write import server_toml, write_private


def server_file(folder: Path, server: Server) -> Path:
    """The file for the server's entry: the file that has the entry, or a new one.

    Raises:
        BadConfiguration: the file with this entry also has other entries.
    """
    for path in sorted(folder.glob("servers.d/*.toml")):
        there = entries(path)
        if not any((each.name, each.company) == (server.name, server.company) for each in there):
            continue
        if len(there) > 1:
            what = tr("{path} has this server's entry and others.", path=path)
            raise BadConfiguration(what, tr("Change the entry in this file."))
        return path
    stem = re.sub(r"[^A-Za-z0-9.]+", "-", f"{server.name}-{server.company}")
    paths = (folder / "servers.d" / f"{name}.toml" for name in numbered(stem))
    # names of several servers and companies may give the same stem; never overwrite another key
    return next(path for path in paths if not entries(path))


def numbered(name: str) -> Iterator[str]:
    """The name, then the name with -2, -3 and so on."""
    yield name
    yield from (f"{name}-{number}" for number in itertools.count(2))


def entries(path: Path) -> list[Server]:
    """The entries of a file of servers.d; none if it is invalid, as `write_server` will report."""
    try:
        return read_server_file(path)
    except CirrusError:
        return []


def write_server(folder: Path, path: Path, server: Server) -> None:
    """Write the server's entry, and check the whole configuration.

    Raises:
        CirrusError: the file cannot be written, or the configuration is invalid. The file is then
            unchanged.
    """
    before = path.read_text("utf-8") if path.exists() else None
    write_private(path, server_toml(server))
    try:
        load(folder)
    except CirrusError:
        if before is None:
            path.unlink()
        else:
            write_private(path, before)
        raise
