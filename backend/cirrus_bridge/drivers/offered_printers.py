"""The printers that are offered: one for each chosen device of the configured locations. Pure."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cirrus_bridge.base.model import Place, Target
from cirrus_bridge.config.devices import NONE_DECLARED, DeclaredDevices
from cirrus_bridge.drivers.capabilities import Capabilities, capabilities, formats
from cirrus_bridge.drivers.devices import Driver, devices
from cirrus_bridge.drivers.ppd import plain

PATH = "/ipp/print/"  # of a printer's URI (RFC 8010, 4.2; PWG 5100.14, 4.2)
_DIGEST_DIGITS = 6
_LONGEST_WORD = 24


@dataclass(frozen=True, slots=True)
class OfferedPrinter:
    """One cloud device as a printer.

    Attributes:
        name: the last part of the printer's URI, in ASCII: `paris-laser1-3f2a9c`. The name depends
            on the device's ids alone, so the name stays when the device gets another text.
        info: the device's name for people, in any script, at most 127 bytes.
        location: the name of the device's location, for people.
        make_and_model: in ASCII.
        queue_uri: the device as the URI of a queue (`config/queue_uri`), without options.
        target: the device.
        place: the location, on its server.
        formats: the formats that the device accepts, as the API names them; empty if unknown.
        capabilities: what the device can do.
    """

    name: str
    info: str
    location: str
    make_and_model: str
    queue_uri: str
    target: Target
    place: Place
    formats: frozenset[str]
    capabilities: Capabilities

    @property
    def uuid(self) -> str:
        """The printer-uuid (PWG 5100.13, 6.6.8): the same at each start."""
        return uuid.uuid5(uuid.NAMESPACE_URL, self.queue_uri).urn

    @property
    def path(self) -> str:
        """The path of the printer's URI."""
        return PATH + self.name


def offered_printers(
    answers: Iterable[tuple[Place, Mapping[str, Any]]],
    is_chosen: Callable[[Place, str], bool],
    declared: DeclaredDevices = NONE_DECLARED,
) -> Iterator[OfferedPrinter]:
    """The printers for the chosen devices of locations.

    Args:
        answers: the server's answers to `get location`.
        is_chosen: whether a device of a place, by its id, is to be offered.
    """
    for place, answer in answers:
        for device in devices(place, answer, declared):
            if is_chosen(place, device.key):
                yield _offered(place, device)


def _offered(place: Place, device: Driver) -> OfferedPrinter:
    digest = hashlib.sha256(device.uri.encode()).hexdigest()[:_DIGEST_DIGITS]
    return OfferedPrinter(
        name="-".join(filter(None, (_word(place.location), _word(device.key), digest))),
        info=device.info,
        location=device.place,
        make_and_model=device.make_and_model,
        queue_uri=device.uri,
        target=Target(place.location, device.key),
        place=place,
        formats=formats(device.location["Devices"][device.key]),
        capabilities=capabilities(device.location, device.key, device.options),
    )


def _word(text: str) -> str:
    """A text as a word of a printer's name; empty if nothing is left of the text in ASCII."""
    return re.sub("[^a-z0-9]+", "-", plain(text).lower())[:_LONGEST_WORD].strip("-")
