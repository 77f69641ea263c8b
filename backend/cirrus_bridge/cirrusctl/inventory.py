"""Locations and their devices, as their servers report them. All servers are asked at once.

If a server is away, or something else answers at its address, its locations are given as discovery
saw them last, together with the error.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from cirrus_bridge.base.errors import CirrusError, Retryable, ServerMisconfigured
from cirrus_bridge.base.model import Place
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.config.devices import NONE_DECLARED, DeclaredDevices
from cirrus_bridge.config.servers import Server
from cirrus_bridge.drivers.device_cache import DeviceCache
from cirrus_bridge.drivers.devices import Driver, devices

AT_ONCE = 16


@dataclass(frozen=True)
class LocationAnswer:
    """A location, as its server reports it.

    Attributes:
        content: the location's JSON object; with an `error`, as last seen, or empty.
        error: why the server did not report the location.
        declared: what devices.toml says.
    """

    place: Place
    content: Mapping[str, Any]
    error: CirrusError | None = None
    declared: DeclaredDevices = NONE_DECLARED

    @functools.cached_property
    def drivers(self) -> dict[str, Driver]:
        """The active devices, by id."""
        of_location = self.place, self.content, self.declared
        return {driver.key: driver for driver in devices(*of_location)}

    def is_gone(self, device: str) -> bool:
        """Whether the server lists devices without this one.

        An inactive device is listed. A list without any device may be a mistake.
        """
        listed = self.content.get("Devices") if self.error is None else None
        return isinstance(listed, dict) and bool(listed) and device not in listed


def ask(installation: Installation, places: Mapping[Place, Server]) -> dict[Place, LocationAnswer]:
    """Ask the servers for these locations, all at once. Only a mistake in devices.toml is raised,
    as BadConfiguration."""
    declared = installation.declared_devices

    def answer(place: Place, server: Server) -> LocationAnswer:
        try:
            content = installation.api(server).location(place.location)
            return LocationAnswer(place, content, None, declared)
        except (Retryable, ServerMisconfigured) as error:
            last = DeviceCache(installation.cache).last(place) or {}
            return LocationAnswer(place, last, error, declared)
        except CirrusError as error:
            return LocationAnswer(place, {}, error)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(places, pool.map(answer, places, places.values()), strict=True))
