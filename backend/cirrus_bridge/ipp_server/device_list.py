"""The chosen devices of the configured locations, as printers, kept up to date.

The devices of a server that is away are those that the server had last (`DeviceCache`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.base.errors import CirrusError
from cirrus_bridge.base.model import Place
from cirrus_bridge.config.devices import read_devices
from cirrus_bridge.config.load import Configuration
from cirrus_bridge.config.servers import Server
from cirrus_bridge.drivers.deliverable import why_not
from cirrus_bridge.drivers.device_cache import DeviceCache
from cirrus_bridge.drivers.offered_printers import OfferedPrinter, offered_printers

_AT_ONCE = 16


class FoundPrinters(NamedTuple):
    """The printers by name, and the places whose server did not answer."""

    printers: dict[str, OfferedPrinter]
    away: frozenset[Place]


def find_printers(
    configuration: Configuration,
    api_for: Callable[[Server], CloudApi],
    cache: DeviceCache,
    tell: Callable[[str], None],
) -> FoundPrinters:
    """Find the printers.

    Args:
        tell: takes a text about a location without an answer, or a device that cannot be offered.

    Raises:
        BadConfiguration: devices.toml is invalid.
    """
    away: set[Place] = set()
    answers = list(_answers(configuration, api_for, cache, tell, away))
    declared = read_devices(configuration.folder)
    printers = {}
    for printer in offered_printers(answers, configuration.printers.offers, declared):
        if reason := why_not(printer.formats):
            tell(f"{printer.target} is not offered: {reason}")
        else:
            printers[printer.name] = printer
    return FoundPrinters(printers, frozenset(away))


def _answers(
    configuration: Configuration,
    api_for: Callable[[Server], CloudApi],
    cache: DeviceCache,
    tell: Callable[[str], None],
    away: set[Place],
) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    places = [
        (server, Place(server.name, server.company, location))
        for server in configuration.servers
        if server.company is not None
        for location in server.locations
    ]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        asked = [
            (place, pool.submit(_ask, api_for, server, place.location)) for server, place in places
        ]
        for place, answer in asked:
            try:
                found: Mapping[str, Any] | None = answer.result()
                cache.keep(place, found or {})
            except (CirrusError, OSError) as error:
                tell(f"location {place.location} of {place.server}: {error}")
                away.add(place)
                found = cache.last(place)
            if found is not None:
                yield place, found


def _ask(api_for: Callable[[Server], CloudApi], server: Server, location: str) -> Mapping[str, Any]:
    return api_for(server).location(location)
