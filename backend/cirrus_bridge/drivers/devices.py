"""The devices of a location as drivers and as lines of discovery. Pure.

Each device has a driver of its own, unless no filter of CUPS produces a format of the device.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cirrus_bridge.base.model import DeviceOptions, Place, Target
from cirrus_bridge.base.text import one_line
from cirrus_bridge.config.devices import NONE_DECLARED, DeclaredDevices
from cirrus_bridge.config.queue_uri import check_id, format_queue_uri
from cirrus_bridge.drivers.capabilities import PageLanguage, capabilities, formats, page_language
from cirrus_bridge.drivers.ppd import plain, ppd

# IPP limits a URI to 1023 bytes (RFC 8011, 5.1.6) and the texts here to text(127). cups-deviced
# breaks a line after 2047 bytes.
_URI_BYTES = 1023
_TEXT_BYTES = 127
_UNKNOWN = "Unknown"  # CUPS's dialogs then ask for the driver


@dataclass(frozen=True, slots=True)
class Driver:
    """One device: queue URI, names, the location's answer with the device's `key` there, and what
    devices.toml declares."""

    uri: str
    info: str
    place: str
    model: str
    language: PageLanguage | None
    location: Mapping[str, Any]
    key: str
    options: DeviceOptions

    @property
    def name(self) -> str:
        """The driver's name, for `cat` and for lpadmin -m."""
        return f"cirrus:{_digest(self.uri)}"

    @property
    def make_and_model(self) -> str:
        """The make and model for people, unique to a device: `model` with a shorter digest.

        CUPS's web page finds a device's driver by this text alone. Without the digest, devices of
        two servers, or names that ASCII shortens, could have the same text.
        """
        words, _, digest = self.model.rpartition(" #")
        return f"Cirrus {words} [{digest[:8]}]"

    @property
    def device_id(self) -> str:
        """The IEEE 1284 device id by which CUPS finds the driver for a discovered device."""
        return f"MFG:Cirrus;MDL:{self.model};CMD:{self.language.command};" if self.language else ""

    @property
    def line(self) -> str:
        """The driver's line for `list`."""
        return f'"{self.name}" en "Cirrus" "{self.make_and_model}" "{self.device_id}"'

    @property
    def device_line(self) -> str:
        """The device's line in discovery (backend(7))."""
        made = self.make_and_model if self.language else _UNKNOWN
        fields = (made, self.info, self.device_id, self.place)
        return " ".join(("network", self.uri, *(f'"{field}"' for field in fields)))

    def ppd(self) -> str:
        """The PPD. Raises ValueError if the device has no driver (`language` is None)."""
        if self.language is None:
            raise ValueError(f"no driver for {self.uri}")
        names = (self.model, self.make_and_model, self.device_id)
        return ppd(*names, self.language, capabilities(self.location, self.key, self.options))


def devices(
    place: Place, answer: Mapping[str, Any], declared: DeclaredDevices = NONE_DECLARED
) -> Iterator[Driver]:
    """The active devices of a location. Without `declared`, their PPDs lack its options."""
    found = answer.get("Devices")
    if answer.get("IsInactive") or not isinstance(found, dict):
        return
    where = _shown(answer.get("Name")) or _shown(place.location)
    alike = Counter(key.lower() for key in found)
    named = {
        key: _shown(device.get("Name")) or _shown(key)
        for key, device in sorted(found.items())
        if isinstance(device, dict)
    }
    names = Counter(name.lower() for name in named.values())
    for key, name in named.items():
        device = found[key]
        if device.get("IsInactive"):
            continue
        try:
            check_id(key)
        except ValueError:
            continue  # the API's target list cannot name such a device
        uri = format_queue_uri(place.server, place.company, [Target(place.location, key)])
        if len(uri) > _URI_BYTES:
            continue  # CUPS cannot have a queue with this URI
        if names[name.lower()] > 1 and name != _shown(key):
            name = _within(f"{name} ({_shown(key)})")
        digest = _digest(uri)
        # cups-deviced drops a device whose text and URI differ from another's only by case
        mark = f"#{digest} " if alike[key.lower()] > 1 else ""
        # a model is not the beginning of another, because the words before the digest have no #
        words = _readable(name, key, "device"), _readable(where, place.location, "location")
        model = f"{' at '.join(words)} #{digest[:12]}"
        language = page_language(formats(device))
        place_bytes = len(f" at {where}".encode())
        shown = _within(f"{mark}{name}", max(_TEXT_BYTES - place_bytes, _TEXT_BYTES // 2))
        info = _within(f"{shown} at {where}")
        yield Driver(uri, info, where, model, language, answer, key, declared.options(place, key))


def drivers(
    place: Place, answer: Mapping[str, Any], declared: DeclaredDevices = NONE_DECLARED
) -> Iterator[Driver]:
    """The devices of a location that have a driver."""
    return (device for device in devices(place, answer, declared) if device.language)


def _digest(uri: str) -> str:
    return hashlib.sha256(uri.encode()).hexdigest()[:16]


def _readable(*names: str) -> str:
    """The first name that is readable in ASCII, for models."""
    for name in names:
        clean = re.sub(r"[^A-Za-z0-9 ._+-]", " ", plain(name).replace("'", ""))
        words = (word.strip("-") for word in clean.split() if re.search("[A-Za-z0-9]", word))
        if known := " ".join(words)[:40].strip():
            return known
    return ""


def _shown(text: object) -> str:
    """The text without characters that would end a quoted field."""
    known = str(text) if isinstance(text, str | int | float) else ""
    return _within(one_line(known).replace("\\", "/").replace('"', "'").strip())


def _within(text: str, most_bytes: int = _TEXT_BYTES) -> str:
    return text.encode()[:most_bytes].decode("utf-8", "ignore").strip()
