"""Use case: the devices of the configured servers as CUPS's discovery lines (backend(7)).

One line for each active device of the locations that servers.d names, and one for the scheme
itself. A server that does not answer costs nothing but its own lines. No key is in any line.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from cirrus_bridge.api import CloudApi
from cirrus_bridge.config import Server
from cirrus_bridge.errors import CirrusError
from cirrus_bridge.model import Target
from cirrus_bridge.uri import check_id, format_queue_uri

MAKE_AND_MODEL = "Cirrus Generic PDF"  # the NickName of ppd/cirrus-bridge.drv
DEVICE_ID = "MFG:Cirrus;MDL:Generic PDF;CMD:PDF;"
SCHEME_LINE = 'network cirrus "Unknown" "Cirrus Bridge (cloud printing)"'
WORKERS = 8

Api = Callable[[Server], CloudApi]
Tell = Callable[[str], None]


def discover(servers: Iterable[Server], api_for: Api, tell: Tell) -> Iterator[str]:
    """Discovery lines, each server's as soon as it has answered.

    Args:
        api_for: makes the API client of a server.
        tell: takes one line of text for each server or location that could not be asked.
    """
    yield SCHEME_LINE
    asked = [(server, location) for server in servers for location in server.locations]
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        futures = {
            pool.submit(api_for(server).location, location): (server, location)
            for server, location in asked
            if server.company is not None
        }
        for future in concurrent.futures.as_completed(futures):
            server, location = futures[future]
            try:
                yield from _lines(server, location, future.result())
            except CirrusError as error:
                tell(f"location {location} of {server.name}: {error}")


def _lines(server: Server, location: str, found: Mapping[str, Any]) -> Iterator[str]:
    place = _shown(found.get("Name")) or location
    devices = found.get("Devices")
    if found.get("IsInactive") or not isinstance(devices, dict):
        return
    for device_id, device in sorted(devices.items()):
        if not isinstance(device, dict) or device.get("IsInactive"):
            continue
        try:
            check_id(device_id)
        except ValueError:
            continue  # the API's target list can not name it either
        uri = format_queue_uri(server.name, server.company or "", [Target(location, device_id)])
        name = _shown(device.get("Name")) or device_id
        fields = (MAKE_AND_MODEL, f"{name} at {place}", DEVICE_ID, place)
        yield " ".join(("network", uri, *(f'"{_shown(text)}"' for text in fields)))


def _shown(text: object) -> str:
    """Text that can stand between the quotes of a line."""
    clean = "".join(char if char.isprintable() else " " for char in str(text or ""))
    return clean.replace("\\", "/").replace('"', "'").strip()[:120]
