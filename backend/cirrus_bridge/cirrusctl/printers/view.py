"""The printers without drivers on this machine, joined from the configuration and the service.

Root knows the printers from the configuration, and from the devices that the service has seen, even
if the service does not run. Other users know what the service tells them by IPP.
"""

from __future__ import annotations

import enum
import ipaddress
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from cirrus_bridge.base.errors import CirrusError, CupsAway
from cirrus_bridge.base.model import Place
from cirrus_bridge.base.privileges import as_owner
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.config.load import load_bridge
from cirrus_bridge.config.printers import PrinterSettings
from cirrus_bridge.cups.client import CupsServer
from cirrus_bridge.drivers.deliverable import why_not
from cirrus_bridge.drivers.device_cache import DeviceCache
from cirrus_bridge.drivers.offered_printers import PATH, OfferedPrinter, offered_printers
from cirrus_bridge.ipp.message import Attribute, Attributes, Group, Operation
from cirrus_bridge.ipp.values import Keyword
from cirrus_bridge.journal.spooled import open_jobs

_TIMEOUT_S = 5.0
_STATES = {3: tr("idle"), 4: tr("processing"), 5: tr("stopped")}  # RFC 8011, 5.4.11
NOT_OFFERED, NOT_RUNNING, UNKNOWN = tr("not offered"), tr("not running"), tr("unknown")
STATES = (*_STATES.values(), NOT_OFFERED, NOT_RUNNING, UNKNOWN)
_ASKED = (
    *("printer-name", "printer-info", "printer-location", "printer-make-and-model"),
    *("printer-state", "printer-state-message", "queued-job-count"),
)


class Service(enum.Enum):
    """Whether `cirrus-printers` runs, and tells its printers without a sign-in and without TLS.
    OTHER: another program has its port."""

    TELLS = enum.auto()
    RUNS = enum.auto()
    AWAY = enum.auto()
    OTHER = enum.auto()


@dataclass(frozen=True, slots=True)
class PrinterView:
    """A printer, or a chosen device that cannot be one.

    Attributes:
        name: the last part of the URIs.
        target: LOCATION:DEVICE; None for users who may not read the configuration.
        jobs: the jobs that have not ended; None if unknown.
    """

    name: str
    info: str
    location: str
    model: str
    target: str | None
    server: str | None
    uris: tuple[str, ...]
    page: str | None
    state: str
    message: str
    jobs: int | None

    @property
    def row(self) -> dict[str, Any]:
        """The printer as a row of a table, and as JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class FoundPrinters:
    """The printers, and what is known of the service. `is_whole` is false for users who may not
    read the configuration."""

    settings: PrinterSettings
    service: Service
    printers: tuple[PrinterView, ...]
    is_whole: bool


def find_printers(installation: Installation) -> FoundPrinters:
    """Find the printers.

    Raises:
        BadConfiguration, ExposedKey: a file cannot be read, or is invalid.
        JournalError: the spool cannot be read.
    """
    settings = load_bridge(installation.config, ()).printers
    service, told = ask_service(settings)
    if not may_read_keys(installation):
        printers = [_told(settings, attributes) for attributes in told.values()]
        return FoundPrinters(settings, service, tuple(printers), is_whole=False)
    jobs = open_jobs(installation.printers)
    views = []
    for printer in chosen_printers(installation):
        view = _offered(settings, service, printer, jobs.get(printer.name, 0))
        if (attributes := told.get(printer.name)) and view.uris:
            state = _state(attributes)
            view = replace(view, state=state, message=attributes.text("printer-state-message"))
        views.append(view)
    return FoundPrinters(settings, service, tuple(views), is_whole=True)


def may_read_keys(installation: Installation) -> bool:
    """Whether this user may read the whole configuration, as root does."""
    folder = installation.config / "servers.d"
    return os.access(folder, os.R_OK | os.X_OK) or not os.access(folder, os.F_OK)


def chosen_printers(installation: Installation) -> Iterator[OfferedPrinter]:
    """The chosen devices, as the service has seen them last; also those that cannot be printers
    (`why_not`). Raises BadConfiguration or ExposedKey."""
    folder, configuration = installation.printers / "devices", installation.configuration
    places = [
        Place(server.name, server.company, location)
        for server in configuration.servers
        if server.company is not None
        for location in server.locations
    ]
    answers: list[tuple[Place, Mapping[str, Any]]] = []
    if folder.is_dir():
        with as_owner(str(folder)):  # who may have put anything there
            cache = DeviceCache(folder)
            found = ((place, cache.last(place)) for place in places)
            answers = [(place, answer) for place, answer in found if answer is not None]
    is_chosen = configuration.printers.offers
    yield from offered_printers(answers, is_chosen, installation.declared_devices)


def reached(settings: PrinterSettings) -> bool:
    """Whether a program listens on a port of the service."""
    for port in filter(None, (settings.port, settings.tls_port)):
        try:
            with socket.create_connection((address_here(settings), port), _TIMEOUT_S):
                return True
        except OSError:
            continue
    return False


def ask_service(settings: PrinterSettings) -> tuple[Service, dict[str, Attributes]]:
    """Ask the service, as a program on this machine, for its printers by name."""
    if not settings.port:
        return (Service.RUNS if reached(settings) else Service.AWAY), {}
    host = address_here(settings)
    address = f"[{host}]:{settings.port}" if ":" in host else f"{host}:{settings.port}"
    wanted = Attribute("requested-attributes", [Keyword(name) for name in _ASKED])
    try:
        answer = CupsServer(address, timeout_s=_TIMEOUT_S).request(
            Operation.CUPS_GET_PRINTERS, "/", wanted
        )
    except CupsAway:
        return (Service.OTHER if reached(settings) else Service.AWAY), {}
    except CirrusError:
        return Service.RUNS, {}
    return Service.TELLS, {each.text("printer-name"): each for each in answer.all(Group.PRINTER)}


def address_here(settings: PrinterSettings) -> str:
    """The address at which programs on this machine reach the service."""
    address = ipaddress.ip_address(settings.listen)
    if address.is_unspecified:
        return "::1" if address.version == 6 else "127.0.0.1"
    return settings.listen


def _uris(settings: PrinterSettings, name: str) -> tuple[str, ...]:
    """The printer's URIs for clients, the best one first."""
    host = _host(settings)
    plain, tls = f"ipp://{host}:{settings.port}", f"ipps://{host}:{settings.tls_port}"
    is_plain = bool(settings.port) and (settings.is_local or settings.plaintext)
    found = [tls] * bool(settings.tls_port), [plain] * is_plain
    first, second = reversed(found) if settings.is_local else found
    return tuple(f"{base}{PATH}{name}" for base in (*first, *second))


def _host(settings: PrinterSettings) -> str:
    if settings.is_local:
        return "localhost"
    address = ipaddress.ip_address(settings.listen)
    if not address.is_unspecified:
        return f"[{address}]" if address.version == 6 else str(address)
    name = socket.gethostname()
    return name if "." in name else f"{name}.local"


def _page(uris: Sequence[str]) -> str | None:
    """The address of a printer's page for people."""
    if not uris:
        return None
    uri = urlsplit(uris[0])
    return uri._replace(scheme={"ipp": "http", "ipps": "https"}[uri.scheme]).geturl()


def _offered(
    settings: PrinterSettings, service: Service, printer: OfferedPrinter, jobs: int
) -> PrinterView:
    reason = why_not(printer.formats)
    uris = () if reason else _uris(settings, printer.name)
    state = NOT_RUNNING if service in (Service.AWAY, Service.OTHER) else UNKNOWN
    return PrinterView(
        name=printer.name,
        info=printer.info,
        location=printer.location,
        model=printer.make_and_model,
        target=str(printer.target),
        server=printer.place.server,
        uris=uris,
        page=_page(uris),
        state=NOT_OFFERED if reason else state,
        message=reason,
        jobs=jobs,
    )


def _told(settings: PrinterSettings, attributes: Attributes) -> PrinterView:
    name = attributes.text("printer-name")
    uris = _uris(settings, name)
    return PrinterView(
        name=name,
        info=attributes.text("printer-info"),
        location=attributes.text("printer-location"),
        model=attributes.text("printer-make-and-model"),
        target=None,
        server=None,
        uris=uris,
        page=_page(uris),
        state=_state(attributes),
        message=attributes.text("printer-state-message"),
        jobs=attributes.number("queued-job-count"),
    )


def _state(attributes: Attributes) -> str:
    return _STATES.get(attributes.number("printer-state") or 0, UNKNOWN)
