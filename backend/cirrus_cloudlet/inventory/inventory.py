"""Companies, their locations, and the locations' devices, as frozen values."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from cirrus_cloudlet.errors import Refusal

DEFAULT_FILE_TARGET = "{location}/{device}/{jobid}-{title}.{ext}"


class DeviceType(enum.IntEnum):
    """The API's number for each kind of output device."""

    PRINTER = 0
    FILE = 1
    COMMAND = 2
    VIEWER = 3
    NETWORK_PRINTER = 4


# name in cloudlet.toml → the types that this cloud delivers to
TYPE_NAMES = {
    "printer": DeviceType.PRINTER,
    "file": DeviceType.FILE,
    "command": DeviceType.COMMAND,
    "viewer": DeviceType.VIEWER,
}


@dataclass(frozen=True, slots=True)
class PrinterFacts:
    """Facts that a Windows location reports about a printer."""

    driver: str
    port: str = ""
    trays: tuple[str, ...] = ()
    color: bool = False
    collate: bool = False
    duplex: bool = False
    papers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Device:
    """An output device; its `props` are defaults for jobs."""

    company: str
    location: str
    id: str
    type: DeviceType
    target: str
    name: str = ""
    notes: str = ""
    formats: tuple[str, ...] = ("any",)
    props: Mapping[str, str] = field(default_factory=dict)
    inactive: bool = False
    printer: PrinterFacts | None = None

    def takes(self, document_format: str) -> bool:
        """Tell whether the device takes documents of this format."""
        return "any" in self.formats or document_format in self.formats


@dataclass(frozen=True, slots=True)
class Location:
    """A place with devices; documents wait while it is not `online`."""

    company: str
    id: str
    name: str = ""
    notes: str = ""
    email: str = ""
    phone: str = ""
    online: bool = True
    inactive: bool = False
    browser: bool = False
    devices: Mapping[str, Device] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on the size of documents, and on how long uploads and documents are kept."""

    document_bytes: int = 4 * 1024**3
    upload_hours: float = 24.0
    document_days: float = 30.0


@dataclass(frozen=True, slots=True)
class Inventory:
    """The content of one cloudlet.toml: locations by company and id."""

    companies: Mapping[str, Mapping[str, Location]] = field(default_factory=dict)
    limits: Limits = Limits()

    def location(self, company: str, location: str) -> Location:
        """Return the location with these ids.

        Raises:
            Refusal: there is no such location.
        """
        if company not in self.companies:
            raise Refusal(f"unknown company {company!r}")
        if location not in self.companies[company]:
            raise Refusal(f"unknown location {location!r}")
        return self.companies[company][location]

    def device(self, company: str, location: str, device: str) -> Device:
        """Return the device with these ids.

        Raises:
            Refusal: there is no such device.
        """
        devices = self.location(company, location).devices
        if device not in devices:
            raise Refusal(f"unknown device {device!r} at location {location!r}")
        return devices[device]
