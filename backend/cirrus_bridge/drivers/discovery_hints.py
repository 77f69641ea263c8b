"""Hints for an administrator that discovery gives besides the devices. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cirrus_bridge.api.mdns import LanServer
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.servers import Server


def unconfigured(servers: Iterable[Server], found: Iterable[LanServer]) -> Iterator[str]:
    """Texts about servers of the local network that are not in the configuration.

    Without a key, such a server neither lists devices nor prints.
    """
    names = [server.name for server in servers]
    for each in found:
        if not any(each.is_called(name) for name in names):
            where: str = f"{each.hosts[0]}:{each.port}"
            if each.company:
                where = tr('{server} (company "{company}")', server=where, company=each.company)
            yield tr(
                '"{name}" is a server on this network, {where}. To print to its devices, add it to '
                "servers.d with a key.",
                name=each.name,
                where=where,
            )


def nothing_to_ask(folder: Path, servers: Sequence[Server]) -> Iterator[str]:
    """Texts about a configuration, read from `folder`, in which discovery finds nothing."""
    if not servers:
        yield tr(
            "There is no [[server]] entry in {folder}/*.toml, so there are no devices to list. "
            "Add an entry with host, company, api_key and locations.",
            folder=folder / "servers.d",
        )
    for server in servers:
        if not server.locations:
            yield tr(
                "The entry of {server} in servers.d has no locations, so none of its devices "
                'are listed. Add locations, such as locations = ["Paris"].',
                server=server.name,
            )
