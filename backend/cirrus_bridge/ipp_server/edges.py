"""The meaning of `[printers]` in bridge.toml for TLS, DNS-SD and the sign-in."""

from __future__ import annotations

import contextlib
import logging
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cirrus_bridge.config.printers import PrinterSettings
from cirrus_bridge.drivers.offered_printers import OfferedPrinter
from cirrus_bridge.ipp_server.access import Accounts
from cirrus_bridge.ipp_server.certificates import check_certificate, own_certificate
from cirrus_bridge.ipp_server.dns_sd import Announcements, Ports, announced_host
from cirrus_bridge.ipp_server.documents.formats import URF, supported
from cirrus_bridge.ipp_server.interfaces import interface_addresses, links
from cirrus_bridge.ipp_server.printer_attributes import urf
from cirrus_bridge.ipp_server.txt_record import AnnouncedPrinter

_HOST = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_log = logging.getLogger(__name__)


def certificate_files(settings: PrinterSettings, folder: Path) -> tuple[Path, Path]:
    """The files of the certificate and its key: the administrator's, or the service's own ones in
    `folder`. Raises BadConfiguration or OSError. Call this at each start, and once a day."""
    if settings.certificate and settings.certificate_key:
        certificate, key = Path(settings.certificate), Path(settings.certificate_key)
        if check_certificate(certificate, key).ends < datetime.now(UTC):
            _log.warning("The certificate in %s has expired. Renew it.", certificate)
        return certificate, key
    return own_certificate(folder, host_names(settings))


def host_names(settings: PrinterSettings) -> tuple[str, ...]:
    """The names and addresses by which clients may reach the service."""
    host = socket.gethostname()
    short = host.partition(".")[0]
    found = links(settings.listen, interface_addresses()).values()
    addresses = [address for link in found for address in link.addresses]
    names = (host, short, f"{short}.local", announced_host(), "localhost")
    valid = filter(_HOST.fullmatch, names)
    return tuple(dict.fromkeys((*valid, "127.0.0.1", "::1", *addresses)))


def ports(settings: PrinterSettings) -> Ports:
    """The ports that clients on the announced interfaces can use."""
    is_plain = settings.is_local or settings.plaintext
    return Ports(settings.port if is_plain else 0, settings.tls_port)


@contextlib.contextmanager
def announcing(
    settings: PrinterSettings,
) -> Iterator[Callable[[Sequence[OfferedPrinter]], None]]:
    """Announce printers on the network, if the settings say so, until the block ends. The function
    that the block gets takes all printers after each change of them; any thread may call it."""
    if not settings.announce:
        yield lambda printers: None
        return
    announcements = Announcements(settings.listen, ports(settings))
    try:
        yield lambda printers: announcements.update(
            _announced(each, settings.sign_in) for each in printers
        )
    finally:
        announcements.close()


def _announced(printer: OfferedPrinter, sign_in: bool) -> AnnouncedPrinter:
    formats = supported(printer.formats)
    words = tuple(urf(printer.capabilities)) if URF in formats else ()
    return AnnouncedPrinter(printer, formats, words, printer.path, sign_in)


def sign_in(
    settings: PrinterSettings, accounts: Path, now_s: Callable[[], float]
) -> Callable[[str, str, str], bool] | None:
    """The check of name, password and address, by the file with the accounts; None if clients need
    not sign in. It may take 0.2 s, so an event loop calls it in a thread, and it may raise
    TooManyGuesses."""
    if not settings.sign_in:
        return None
    return Accounts(accounts, now_s).verify
