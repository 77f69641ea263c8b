"""Companies, their locations, and the locations' devices, as frozen values."""

from __future__ import annotations

import enum
import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cirrus_cloudlet.errors import Refusal

DELIVERY_FOLDER = "delivered"  # in the data folder; relative targets are in it


class DeviceType(enum.IntEnum):
    """The API's number for each kind of output device."""

    PRINTER = 0
    FILE = 1
    COMMAND = 2
    VIEWER = 3
    NETWORK_PRINTER = 4


# name in cloudlet.toml → the types that this cloud delivers to
TYPE_NAMES = {
    kind.name.lower(): kind for kind in DeviceType if kind is not DeviceType.NETWORK_PRINTER
}


@dataclass(frozen=True, slots=True)
class PrinterFacts:
    """Facts that a location reports about a printer."""

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
    target: str = ""
    name: str = ""
    notes: str = ""
    formats: tuple[str, ...] = ("any",)
    charset: str = ""
    props: Mapping[str, str] = field(default_factory=dict)
    inactive: bool = False
    hold: bool = False  # jobs wait for their owners' release
    auto: bool = False  # added because a client of the location has reported the printer
    printer: PrinterFacts | None = None

    @property
    def text_charset(self) -> str | None:
        """The charset that texts are converted into; None if they stay as they are."""
        return self.charset or ("utf-8" if "txt" in self.formats else None)

    def reaches_out(self, folder: Path) -> bool:
        """Whether deliveries run a command, reach a CUPS queue or leave the delivery folder."""
        if self.type is not DeviceType.FILE:
            return self.type is not DeviceType.VIEWER
        # a relative target never has `..`; links in the folders before its first tag are followed
        fixed = (folder / f"{self.target.partition('{')[0]}x").parent
        inside = os.path.realpath(folder)
        return self.target.startswith("/") or not Path(os.path.realpath(fixed)).is_relative_to(
            inside
        )


@dataclass(frozen=True, slots=True)
class Location:
    """A place with devices; documents wait while it is not `online`.

    Attributes:
        clients: clients at the location fetch and deliver its jobs, instead of this server.
    """

    company: str
    id: str
    name: str = ""
    notes: str = ""
    email: str = ""
    phone: str = ""
    online: bool = True
    inactive: bool = False
    hold: bool = False  # of all devices here, except those of the type viewer
    browser: bool = False
    clients: bool = False
    devices: dict[str, Device] = field(default_factory=dict)

    def holds(self, device: Device) -> bool:
        """Whether a device's jobs wait for their owners' release. A viewer needs none."""
        return (self.hold or device.hold) and device.type is not DeviceType.VIEWER

    def leaves_to_clients(self, device: Device) -> bool:
        """Whether the location's clients deliver a device's jobs. A viewer's need no delivery."""
        return self.clients and device.type is not DeviceType.VIEWER


# how `Limits.largest_bytes` comes about, for people
LARGEST = (
    "the largest document has document_bytes or a quarter of company_bytes in cloudlet.toml,"
    " whichever is less"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on the size of documents, on how long uploads, documents, jobs and the list of changes
    are kept, and on what a company stores. One API key may store half as much as its company.

    The defaults leave room for a print server of 500 machines with one key. Each machine may have
    64 MiB of uploads and waiting documents, 20 uploads that were never submitted, and 1,000 jobs.
    """

    document_bytes: int = 4 * 1024**3
    upload_hours: float = 24.0
    hold_hours: float = 72.0
    document_days: float = 30.0
    job_days: float = 365.0
    change_days: float = 1095.0
    company_bytes: int = 64 * 1024**3
    company_uploads: int = 20_000
    company_jobs: int = 1_000_000

    @property
    def company_delivered_bytes(self) -> int:
        """The quota of a company in the delivery folder: as much again as elsewhere."""
        return self.company_bytes

    @property
    def largest_bytes(self) -> int:
        """The size of the largest document: its upload and itself fit into the quota of a key."""
        return min(self.document_bytes, self.company_bytes // 4)


@dataclass(frozen=True, slots=True)
class Inventory:
    """The content of one cloudlet.toml: locations by company and id."""

    companies: Mapping[str, Mapping[str, Location]]
    limits: Limits

    def find(
        self, company: str, location: str, device: str
    ) -> tuple[Location | None, Device | None]:
        """Find a location and its device; None for each that does not exist."""
        found = self.companies.get(company, {}).get(location)
        return found, found.devices.get(device) if found else None

    def reaching_out(self, folder: Path) -> set[tuple[str, str, str, DeviceType, str]]:
        """The devices that reach out of the delivery folder, with types and targets."""
        return {
            (device.company, device.location, device.id, device.type, device.target)
            for locations in self.companies.values()
            for location in locations.values()
            for device in location.devices.values()
            if device.reaches_out(folder)
        }

    def location(self, company: str, location: str) -> Location:
        """Return the location with these ids; raise Refusal if there is none."""
        if company not in self.companies:
            raise Refusal(f"unknown company {company!r}")
        if location not in self.companies[company]:
            raise Refusal(f"unknown location {location!r}")
        return self.companies[company][location]

    def device(self, company: str, location: str, device: str) -> Device:
        """Return the device with these ids; raise Refusal if there is none."""
        devices = self.location(company, location).devices
        if device not in devices:
            raise Refusal(f"unknown device {device!r} at location {location!r}")
        return devices[device]


_TARGETS = 1000  # of one request


def check_id(text: str, kind: str) -> str:
    """Return `text`, if it is a valid id, which fits into a target list and on one line.

    Raises:
        Refusal: the text is empty, `.` or `..`, or has `:`, `;` or a control character.
    """
    if text in ("", ".", ".."):
        raise Refusal(f"{kind} id {text!r} is not allowed")
    for character in text:
        if character in ":;" or unicodedata.category(character) in ("Cc", "Cs"):
            raise Refusal(f"{kind} id {text!r} holds {character!r}, which is not allowed")
    return text


def parse_targets(text: str) -> list[tuple[str, str]]:
    """Read the targets of `LocID:DevID;LocID:DevID…` in order; a target may come twice.

    Raises:
        Refusal: the list is empty or has more than 1,000 items, or an item is not two ids.
    """
    if not text:
        raise Refusal("targets is empty")
    items = text.split(";")
    if len(items) > _TARGETS:
        raise Refusal(f"{len(items)} targets; a request has at most {_TARGETS}")
    found = []
    for item in items:
        parts = item.split(":")
        if len(parts) != 2:
            raise Refusal(f"target {item!r} is not of the form LocID:DevID")
        found.append((check_id(parts[0], "location"), check_id(parts[1], "device")))
    return found
