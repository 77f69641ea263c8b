"""The devices of a location as drivers, and what discovery says of them. Pure.

A device that takes PDF has a driver of its own, made from what it can do; any other one has the
generic driver.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cirrus_bridge.capabilities import capabilities
from cirrus_bridge.device_cache import Place
from cirrus_bridge.model import Target
from cirrus_bridge.ppd import device_id, model_name, ppd
from cirrus_bridge.uri import check_id, format_queue_uri

GENERIC = "Generic PDF"  # the ModelName of ppd/cirrus-bridge.drv


@dataclass(frozen=True, slots=True)
class Driver:
    """One device: its queue URI, what it is called, and the location's words about it."""

    uri: str
    info: str
    place: str
    model: str
    location: Mapping[str, Any]
    device: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The driver's name, for `cat` and for lpadmin -m."""
        return f"cirrus:{_digest(self.uri)}"

    @property
    def line(self) -> str:
        """The driver's line for `list`."""
        make_and_model, identity = f"Cirrus {self.model}", device_id(self.model)
        return f'"{self.name}" en "Cirrus" "{make_and_model}" "{identity}"'

    @property
    def device_line(self) -> str:
        """The device's line in discovery (backend(7))."""
        fields = (f"Cirrus {self.model}", self.info, device_id(self.model), self.place)
        return " ".join(("network", self.uri, *(f'"{field}"' for field in fields)))

    def ppd(self) -> str:
        """The PPD."""
        return ppd(self.model, capabilities(self.location, self.device))


def devices(place: Place, answer: Mapping[str, Any]) -> Iterator[Driver]:
    """The active devices of a location."""
    found = answer.get("Devices")
    if answer.get("IsInactive") or not isinstance(found, dict):
        return
    where = _shown(answer.get("Name")) or _shown(place.location)
    for key, device in sorted(found.items()):
        if not isinstance(device, dict) or device.get("IsInactive"):
            continue
        try:
            check_id(key)
        except ValueError:
            continue  # the API's target list can not name it either
        uri = format_queue_uri(place.server, place.company, [Target(place.location, key)])
        name = _shown(device.get("Name")) or _shown(key)
        own = capabilities(answer, device).takes_pdf
        model = model_name(name, where, _digest(uri)) if own else GENERIC
        yield Driver(uri, f"{name} at {where}", where, model, answer, device)


def drivers(place: Place, answer: Mapping[str, Any]) -> Iterator[Driver]:
    """Those of a location's devices that have a driver of their own."""
    return (device for device in devices(place, answer) if device.model != GENERIC)


def _digest(uri: str) -> str:
    return hashlib.sha256(uri.encode()).hexdigest()[:16]


def _shown(text: object) -> str:
    """Text that can stand between the quotes of a line."""
    clean = "".join(char if char.isprintable() else " " for char in str(text or ""))
    return clean.replace("\\", "/").replace('"', "'").strip()[:120]
