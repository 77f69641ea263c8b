"""Checks of the printers without drivers: the service, its settings, and the chosen devices."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path

from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.base.globs import matches
from cirrus_bridge.base.subprocesses import ProgramFailed, read_program
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.doctor.finding import Finding, Subject
from cirrus_bridge.cirrusctl.inventory import LocationAnswer
from cirrus_bridge.cirrusctl.printers.view import Service, address_here, ask_service
from cirrus_bridge.config.accounts import ACCOUNTS, read_accounts
from cirrus_bridge.config.printers import PrinterSettings
from cirrus_bridge.drivers.capabilities import formats
from cirrus_bridge.drivers.deliverable import why_not

SERVICE = "cirrus-printers"
UNIT = Path("/usr/lib/systemd/system") / f"{SERVICE}.service"
SOON_S = 14 * 86_400.0
_LIMIT_S = 5.0
_PRINTERS = tr("printers without drivers")
_LOOK = tr("See: journalctl -u cirrus-printers")


def are_wanted(settings: PrinterSettings, unit: Path = UNIT) -> bool:
    """Whether devices are chosen, or the package cirrus-printers is installed."""
    return bool(settings.devices) or unit.exists()


def check_service(
    settings: PrinterSettings, folder: Path, state: Path, now_s: float, *, has_systemd: bool
) -> Iterator[Finding]:
    """Check the service, if devices are chosen.

    Args:
        folder: the configuration's folder.
        state: the service's state folder.
    """
    subject = Subject(_PRINTERS, SERVICE)
    service, _ = ask_service(settings)
    if not settings.devices:
        if service is Service.TELLS:
            text = tr("The service runs, but no devices are chosen.")
            yield subject.note(text, tr("Run: cirrusctl printers enable LOCATION:DEVICE"))
        return
    yield _of_service(subject, settings, service, has_systemd=has_systemd)
    yield from check_settings(settings, folder)
    if service is not Service.AWAY and settings.tls_port:
        own = state / "tls" / "own.pem"
        file = Path(settings.certificate) if settings.certificate else own
        yield from check_certificate(settings, file, now_s)


def check_settings(settings: PrinterSettings, folder: Path) -> Iterator[Finding]:
    """Check what the settings let others do."""
    subject = Subject(_PRINTERS, str(folder / "bridge.toml"))
    if settings.plaintext and not settings.is_local:
        yield subject.warning(
            tr("With plaintext = true, anyone on the network can read the documents of clients."),
            tr("Remove plaintext below [printers], then restart cirrus-printers."),
        )
    if not settings.sign_in:
        return
    try:
        is_empty = not read_accounts(folder / ACCOUNTS)
    except BadConfiguration as error:
        yield subject.failed(error)
        return
    if is_empty:
        text = tr("Clients must sign in, but there are no accounts.")
        yield subject.error(text, tr("Run: cirrusctl printers account add NAME"))


def check_certificate(settings: PrinterSettings, file: Path, now_s: float) -> Iterator[Finding]:
    """Check when the certificate in `file`, which the service uses, expires."""
    subject = Subject(_PRINTERS, str(file))
    renew = tr("Restart cirrus-printers, which renews its certificate.")
    if settings.certificate:
        renew = tr("Renew the certificate, then restart cirrus-printers.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the certificate itself is enough
    try:
        context.load_verify_locations(str(file))
        address = (address_here(settings), settings.tls_port)
        with (
            socket.create_connection(address, _LIMIT_S) as connection,
            context.wrap_socket(connection) as wrapped,
        ):
            found = wrapped.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        yield subject.error(
            tr("Clients reject the certificate ({error}).", error=error.verify_message), renew
        )
        return
    except PermissionError:
        yield subject.note(tr("Only root can check this."), tr("Run the doctor as root."))
        return
    except OSError as error:  # ssl.SSLError as well
        text = tr("The certificate cannot be checked ({error}).", error=error.strerror or error)
        yield subject.warning(text, _LOOK)
        return
    left_s = ssl.cert_time_to_seconds(str(found["notAfter"])) - now_s
    days = int(left_s // 86_400)
    if left_s < SOON_S:
        yield subject.warning(tr("The certificate expires in {days} days.", days=days), renew)
    else:
        yield subject.good(tr("The certificate expires in {days} days.", days=days))


def check_chosen(settings: PrinterSettings, answers: Sequence[LocationAnswer]) -> Iterator[Finding]:
    """Check that the chosen devices exist and can be printers, where locations have answered."""
    known = []
    for answer in answers:
        for key in answer.drivers:
            known.append(target := f"{answer.place.location}:{key}")
            if not settings.offers(answer.place, key):
                continue
            if reason := why_not(formats(answer.content["Devices"][key])):
                text = tr("The device is chosen, but cannot be a printer. {reason}", reason=reason)
                fix = tr(
                    "If the message names programs, install one. Otherwise, remove the device "
                    "from 'devices' below [printers] in bridge.toml."
                )
                yield Subject(_PRINTERS, target).warning(text, fix)
    if any(answer.error for answer in answers):
        return
    for glob in settings.devices:
        if not any(matches(target, glob) for target in known):
            text = tr("No active device at a known location matches '{device}'.", device=glob)
            fix = tr(
                "Add the location to servers.d, or run: cirrusctl printers disable {device}",
                device=glob,
            )
            yield Subject(_PRINTERS, glob).warning(text, fix)


def _of_service(
    subject: Subject, settings: PrinterSettings, service: Service, *, has_systemd: bool
) -> Finding:
    if service in (Service.TELLS, Service.RUNS):
        return subject.good(tr("The service answers."))
    port = settings.port or settings.tls_port
    if service is Service.OTHER:
        text = tr("Another program uses port {port}, so no printers are offered.", port=port)
        fix = tr(
            "Stop that program (ss -ltnp shows it), or set another port below [printers] in "
            "bridge.toml."
        )
        return subject.error(text, fix)
    text = tr("The service does not answer, so no printers are offered.")
    if not has_systemd or _is_enabled():
        return subject.error(text, _LOOK if has_systemd else tr("Run: cirrus-printers"))
    return subject.error(text, tr("Run: systemctl enable --now cirrus-printers"))


def _is_enabled() -> bool:
    try:
        read_program(["systemctl", "is-enabled", "--quiet", SERVICE], limit_s=_LIMIT_S)
    except (OSError, ProgramFailed):
        return False
    return True
