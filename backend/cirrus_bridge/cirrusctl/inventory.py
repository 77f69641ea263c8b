"""What servers say of locations and their devices: asked all at once, each answer with its origin.

A server that is away, or in whose place something else answers, costs nothing but its own answers:
what discovery has last seen there is given instead, and marked so.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from cirrus_bridge.base.errors import CirrusError, Retryable, ServerMisconfigured
from cirrus_bridge.base.model import Place
from cirrus_bridge.config.servers import Server
from cirrus_bridge.drivers.device_cache import DeviceCache
from cirrus_bridge.drivers.devices import Driver, devices

AT_ONCE = 16

AskLocation = Callable[[Server, str], Mapping[str, Any]]


@dataclass(frozen=True)
class LocationAnswer:
    """What is known of a location. With an `error`, its server did not say, and `content` is as it
    was last seen, or empty."""

    place: Place
    content: Mapping[str, Any]
    error: CirrusError | None = None

    @functools.cached_property
    def drivers(self) -> dict[str, Driver]:
        """The active devices, by their ids."""
        return {driver.key: driver for driver in devices(self.place, self.content)}

    def is_gone(self, device: str) -> bool:
        """The server says that there are devices, and not this one; an inactive one is there, and
        an answer without any device may be a mistake."""
        listed = self.content.get("Devices")
        return (
            self.error is None
            and isinstance(listed, dict)
            and bool(listed)
            and device not in listed
        )


def ask(
    places: Iterable[tuple[Place, Server]], ask_location: AskLocation, seen: DeviceCache
) -> dict[Place, LocationAnswer]:
    """Ask for all these locations, each at its server."""

    def answer(place: Place, server: Server) -> LocationAnswer:
        try:
            return LocationAnswer(place, ask_location(server, place.location))
        except (Retryable, ServerMisconfigured) as error:
            return LocationAnswer(place, seen.last(place) or {}, error)
        except CirrusError as error:
            return LocationAnswer(place, {}, error)

    wanted = dict(places)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = pool.map(answer, wanted, wanted.values())
        return dict(zip(wanted, answers, strict=True))
