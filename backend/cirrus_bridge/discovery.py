"""Use case: the devices of the configured servers as CUPS's discovery lines (backend(7)).

One line for each active device of the locations that servers.d names, and one for the scheme
itself. A server that does not answer costs nothing but its own lines. No key is in any line.
"""

from __future__ import annotations

import concurrent.futures
import traceback
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
        tell: takes one line of text for each server or location that could not be asked: what
            is wrong, and what to do.
    """
    yield SCHEME_LINE
    asked: list[tuple[Server, str]] = []
    for server in servers:
        if server.company is None and server.locations:
            tell(f"The entry of {server.name} in servers.d lists locations but no company to ask.")
        elif server.company is not None:
            asked += ((server, location) for location in server.locations)
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        futures = {
            pool.submit(_ask, api_for, server, location): (server, location)
            for server, location in asked
        }
        for future in concurrent.futures.as_completed(futures):
            server, location = futures[future]
            try:
                yield from _lines(server, location, future.result())
            except CirrusError as error:
                tell(f"No devices of location {location} of {server.name}: {error}")
            except Exception as error:  # noqa: BLE001 - the other servers' devices are still there
                at = traceback.extract_tb(error.__traceback__)[-1]
                tell(
                    f"No devices of location {location} of {server.name}: a fault of Cirrus "
                    f"Bridge itself ({type(error).__name__} in {at.name}, line {at.lineno})."
                )


def _ask(api_for: Api, server: Server, location: str) -> Mapping[str, Any]:
    return api_for(server).location(location)


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
