"""`[printers]` of bridge.toml: the printers without drivers that `cirrus-printers` offers."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cirrus_bridge.base.globs import matches
from cirrus_bridge.base.model import Place, Target
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.toml import Table, number

_LARGEST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class PrinterSettings:
    """`[printers]`.

    Attributes:
        listen: the address of this machine, or the unspecified one, on which clients connect.
        port: the port for IPP without TLS; 0 for none.
        tls_port: the port for IPP over TLS; 0 for none.
        plaintext: whether IPP without TLS is offered on other addresses than loopback.
        networks: the networks from which clients may connect. If empty, these are loopback and
            the networks of this machine's interfaces.
        devices: globs of LOCATION:DEVICE; the devices that are offered as printers.
        announce: whether the printers are announced by DNS-SD.
        certificate, certificate_key: absolute paths of PEM files; both are None if the service
            makes a certificate of its own.
        sign_in: whether clients have to sign in, with an account of the service.
        max_document_bytes: the largest document.
        max_jobs: the most unfinished jobs of all printers.
        max_connections: the most connections of all clients.
        metrics_port: the loopback port for metrics; 0 for none.
    """

    listen: str = "127.0.0.1"
    port: int = number(8631, 0, _LARGEST_PORT)
    tls_port: int = number(8632, 0, _LARGEST_PORT)
    plaintext: bool = False
    networks: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    announce: bool = True
    certificate: str | None = None
    certificate_key: str | None = None
    sign_in: bool = False
    max_document_bytes: int = number(1024**3, 1)
    max_jobs: int = number(500, 1)
    max_connections: int = number(100, 1)
    metrics_port: int = number(0, 0, _LARGEST_PORT)

    @property
    def is_local(self) -> bool:
        """Whether only clients on this machine can connect."""
        return ipaddress.ip_address(self.listen).is_loopback

    def offers(self, place: Place, device: str) -> bool:
        """Whether a device of a location, by its id, is offered as a printer."""
        target = str(Target(place.location, device))
        return any(matches(target, glob) for glob in self.devices)


def read_printers(table: Table) -> PrinterSettings:
    """Check the table `[printers]`. Raises BadConfiguration, which names the wrong setting."""
    settings = PrinterSettings(**table.settings(PrinterSettings))
    _check_addresses(table, settings)
    if not all(isinstance(text, str) and ":" in text for text in settings.devices):
        raise table.bad(
            tr("'devices' must be a list of LOCATION:DEVICE, in which * and ? are wildcards")
        )
    files = {name: getattr(settings, name) for name in ("certificate", "certificate_key")}
    for name, path in files.items():
        if path is not None and not Path(path).is_absolute():
            raise table.bad(tr("'{name}' must be an absolute path", name=name))
    if len({path is None for path in files.values()}) > 1:
        raise table.bad(tr("set both 'certificate' and 'certificate_key', or neither of them"))
    if settings.sign_in and settings.plaintext:
        raise table.bad(
            tr("with 'sign_in', do not set 'plaintext': anyone on the network could read passwords")
        )
    return settings


def _check_addresses(table: Table, settings: PrinterSettings) -> None:
    try:
        ipaddress.ip_address(settings.listen)
    except ValueError:
        raise table.bad(
            tr('\'listen\' must be an address, such as "192.0.2.1", or "0.0.0.0" for all')
        ) from None
    try:
        for network in settings.networks:
            ipaddress.ip_network(str(network), strict=False)
    except ValueError:
        raise table.bad(
            tr("'networks' must be a list of networks, such as [\"192.0.2.0/24\"]")
        ) from None
    if not settings.port and not settings.tls_port:
        raise table.bad(tr("'port' and 'tls_port' are both 0; set one of them"))
    if settings.port == settings.tls_port:
        raise table.bad(tr("'port' and 'tls_port' must be different"))
    if not settings.is_local and not settings.tls_port and not settings.plaintext:
        raise table.bad(tr("clients on the network need 'tls_port', or 'plaintext = true'"))
