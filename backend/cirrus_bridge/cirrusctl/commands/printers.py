"""`cirrusctl printers`: lists, enables and disables printers without drivers."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from cirrus_bridge.base.globs import is_glob, matches
from cirrus_bridge.base.model import Place
from cirrus_bridge.base.translation import joined, told_by, tr, translated
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.inventory import ask
from cirrus_bridge.cirrusctl.mistakes import UnknownName, WrongAnswer
from cirrus_bridge.cirrusctl.output.exit_status import ExitStatus
from cirrus_bridge.cirrusctl.output.help_texts import Command, Group
from cirrus_bridge.cirrusctl.output.output import AsJson, Output, with_code
from cirrus_bridge.cirrusctl.output.table import Column, Shape, some
from cirrus_bridge.cirrusctl.printers.view import (
    NOT_OFFERED,
    NOT_RUNNING,
    FoundPrinters,
    PrinterView,
    Service,
    find_printers,
)
from cirrus_bridge.config.accounts import ACCOUNTS, read_accounts, remove_account, set_account
from cirrus_bridge.config.chosen_devices import add_devices, remove_devices

app = typer.Typer(cls=Group, rich_markup_mode=None)
account = typer.Typer(cls=Group, rich_markup_mode=None)
app.add_typer(account, name="account")


def _color(state: str) -> str:
    return "red" if state in (NOT_OFFERED, NOT_RUNNING, "stopped") else ""


_COLUMNS = (
    Column("name", tr("PRINTER")),
    Column("info", tr("NAME"), shape=Shape.SHORTENED),
    Column("target", tr("DEVICE")),
    Column("state", tr("STATE"), _color),
    Column("jobs", tr("JOBS")),
    Column("uri", tr("ADDRESS")),
    Column("server", tr("SERVER"), shape=Shape.LEFT_OUT),
    Column("message", tr("MESSAGE"), shape=Shape.NOTE),
)
_START = tr("Run: systemctl enable --now cirrus-printers")


@app.callback(invoke_without_command=True)
def command(context: typer.Context, as_json: AsJson = False) -> None:
    """List, enable and disable printers without drivers.

    Without a further command, lists the printers that cirrus-printers offers to clients (IPP
    Everywhere), with their addresses.
    """
    if context.invoked_subcommand is None:
        _list(as_json=as_json)


@app.command("list", cls=Command)
def list_printers(as_json: AsJson = False) -> None:
    """List the printers, and chosen devices that cannot be printers.

    Shows each printer's device, state and address. Users other than root see only what every client
    of the service can see.
    """
    _list(as_json=as_json)


@app.command("enable", cls=Command)
def enable(
    devices: Annotated[
        list[str],
        typer.Argument(
            metavar="LOCATION:DEVICE",
            help="The devices to offer; * and ? are wildcards, such as 'Paris:*'.",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Offer devices as printers without drivers.

    Adds the devices to the list devices below [printers] in bridge.toml. cirrus-printers offers the
    printers within a minute.
    """
    output, installation = Output(as_json), Installation.here()
    _check_devices(installation, devices, output)
    path = installation.config / "bridge.toml"
    added = add_devices(path, list(dict.fromkeys(devices)))
    said = tr("Added to {path}: {devices}", path=path, devices=", ".join(added))
    if not added:
        said = tr("Nothing to do: {path} has these devices.", path=path)
    output.document({"file": path, "changed": added}, said)
    found = find_printers(Installation.here())
    if found.service is Service.AWAY:
        output.remark(joined(" ", (_away(found), _START)))


@app.command("disable", cls=Command)
def disable(
    devices: Annotated[
        list[str],
        typer.Argument(
            metavar="LOCATION:DEVICE", help="Entries of the list, exactly as in bridge.toml."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Stop offering devices as printers.

    Removes the devices from the list devices below [printers] in bridge.toml. Within a minute, the
    printers are gone. Jobs that were accepted are still printed.
    """
    output, installation = Output(as_json), Installation.here()
    path = installation.config / "bridge.toml"
    known = installation.configuration.printers.devices
    for device in devices:
        if device not in known:
            raise _not_listed(path, device, known)
    removed = remove_devices(path, devices)
    listed = ", ".join(removed)
    said = tr("Removed from {path}: {devices}", path=path, devices=listed)
    output.document({"file": path, "changed": removed}, said)


@app.command("qr", cls=Command)
def qr(
    printer: Annotated[
        str, typer.Argument(metavar="PRINTER", help="The printer's name, or its LOCATION:DEVICE.")
    ],
    as_json: AsJson = False,
) -> None:
    """Show a printer's addresses, with a QR code for phones.

    The code leads to the printer's page, which says how to add the printer.
    """
    output = Output(as_json)
    found = find_printers(Installation.here())
    view = _printer(found, printer)
    lines = [view.info, *view.uris, *filter(None, [view.page])]
    output.document(
        {"name": view.name, "info": view.info, "uris": view.uris, "page": view.page},
        joined("\n", lines),
    )
    if found.settings.is_local:
        output.remark(
            tr(
                "Only programs on this machine reach this printer. For others, set 'listen' below "
                "[printers] in bridge.toml."
            )
        )
    elif view.page and not as_json and sys.stdout.isatty():
        _draw(view.page)


@account.callback(invoke_without_command=True)
def accounts(context: typer.Context, as_json: AsJson = False) -> None:
    """List and change the accounts with which people sign in."""
    if context.invoked_subcommand is None:
        _list_accounts(as_json=as_json)


@account.command("list", cls=Command)
def list_accounts(as_json: AsJson = False) -> None:
    """List the accounts."""
    _list_accounts(as_json=as_json)


def _list_accounts(*, as_json: bool) -> None:
    installation, output = Installation.here(), Output(as_json)
    names = sorted(read_accounts(installation.config / ACCOUNTS))
    rows = [{"name": name} for name in names]
    output.rows(rows, [Column("name", tr("NAME"))], none=tr("There are no accounts."))


@account.command("add", cls=Command)
def add_account(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name that a person enters.")],
    password_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A file with the password, or - for standard input."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add an account, or change its password.

    Asks for the password. Clients must sign in if sign_in = true is set below [printers] in
    bridge.toml.
    """
    installation, output = Installation.here(), Output(as_json)
    password = _typed_password() if password_file is None else _password_in(password_file)
    path = installation.config / ACCOUNTS
    try:
        is_new = set_account(path, name, password, _service_group(installation))
    except ValueError as error:
        raise WrongAnswer(told_by(error)) from error
    said = tr("The account {name} was added.", name=name)
    if not is_new:
        said = tr("The account {name} has a new password.", name=name)
    output.document({"name": name, "new": is_new}, said)
    if not installation.configuration.printers.sign_in:
        output.remark(
            tr("Clients need not sign in yet: set sign_in = true below [printers] in bridge.toml.")
        )


@account.command("remove", cls=Command)
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The account's name.")],
    as_json: AsJson = False,
) -> None:
    """Remove an account."""
    installation, output = Installation.here(), Output(as_json)
    path = installation.config / ACCOUNTS
    known = read_accounts(path)
    if not remove_account(path, name, _service_group(installation)):
        text = tr("There is no account {name}.", name=name)
        there = tr("The accounts are: {names}.", names=some(sorted(known)) or tr("none"))
        raise UnknownName.guessing(text, name, known, there)
    output.document({"name": name}, tr("The account {name} was removed.", name=name))


def _list(*, as_json: bool) -> None:
    output, found = Output(as_json), find_printers(Installation.here())
    rows = [{**view.row, "uri": next(iter(view.uris), "")} for view in found.printers]
    documents = [view.row for view in found.printers]
    output.rows(rows, _COLUMNS, none=_none(found), document=documents)
    is_away = found.service in (Service.AWAY, Service.OTHER)
    if is_away and (found.settings.devices or not found.is_whole):
        output.remark(joined(" ", ("!", _away(found), _START)))
        raise typer.Exit(ExitStatus.FAILED)
    if found.service is Service.RUNS:
        output.remark(
            tr("The printers' states are unknown, because the service requires TLS or a sign-in.")
        )


def _none(found: FoundPrinters) -> str:
    if not found.settings.devices:
        return tr("No devices are chosen. Run: cirrusctl printers enable LOCATION:DEVICE")
    listed = ", ".join(found.settings.devices)
    return tr("No known device matches {devices}. See cirrusctl devices.", devices=listed)


def _away(found: FoundPrinters) -> str:
    settings = found.settings
    port = settings.port or settings.tls_port
    address = f"{settings.listen}:{port}"
    return tr("The service cirrus-printers does not answer at {address}.", address=address)


def _check_devices(installation: Installation, globs: Iterable[str], output: Output) -> None:
    """Refuse what is not LOCATION:DEVICE, and devices that no location has."""
    places = {
        Place(server.name, server.company, location): server
        for server in installation.configuration.servers
        if server.company is not None
        for location in server.locations
    }
    answers = ask(installation, places).values()
    known = [f"{each.place.location}:{key}" for each in answers for key in each.drivers]
    errors = [(each.place, each.error) for each in answers if each.error]
    for glob in globs:
        if ":" not in glob:
            raise WrongAnswer(
                tr("{text} is not LOCATION:DEVICE.", text=glob), tr("See cirrusctl devices.")
            )
        is_known = any(matches(target, glob) for target in known)
        if not is_known and not is_glob(glob) and not errors:
            text = tr("There is no active device {device}.", device=glob)
            there = tr("Active devices: {devices}.", devices=some(sorted(known)) or tr("none"))
            raise UnknownName.guessing(text, glob, known, there)
        if not is_known:
            output.remark(tr("! No known device matches {devices} yet.", devices=glob))
    for place, error in errors:
        told = tr(
            "! {location} of {server}: {error}",
            location=place.location,
            server=place.server,
            error=with_code(error),
        )
        output.remark(told)


def _not_listed(path: Path, device: str, known: Iterable[str]) -> UnknownName:
    text = tr("{path} does not list {device} below [printers].", path=path, device=device)
    others = [glob for glob in known if matches(device, glob)]
    if others:
        hint = tr("The entry {entry} covers this device.", entry=others[0])
    else:
        hint = tr("The entries are: {entries}.", entries=some(known) or tr("none"))
    return UnknownName.guessing(text, device, known, hint)


def _printer(found: FoundPrinters, wanted: str) -> PrinterView:
    for view in found.printers:
        if wanted in (view.name, view.target, view.info) and view.uris:
            return view
    known = [name for view in found.printers if view.uris for name in (view.name, view.target)]
    text = tr("There is no printer {name}.", name=wanted)
    hint = tr("See cirrusctl printers list.")
    raise UnknownName.guessing(text, wanted, list(filter(None, known)), hint)


def _draw(text: str) -> None:
    """Draw a QR code, where it can be drawn."""
    try:
        import segno
    except ImportError:  # an installation without the printers' libraries
        return
    if sys.stdout.encoding.lower().startswith("utf"):
        segno.make(text, micro=False).terminal(compact=True)


def _typed_password() -> str:
    if not sys.stdin.isatty():
        raise WrongAnswer(tr("The password is missing."), tr("Give --password-file."))
    again = translated(tr("The password again"))
    return str(
        typer.prompt(
            translated(tr("Password")), hide_input=True, confirmation_prompt=again, err=True
        )
    )


def _password_in(file: str) -> str:
    """The first line of a file, or of standard input."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongAnswer(tr("Cannot read {path} ({error}).", path=file, error=error)) from error
    return text.partition("\n")[0].removesuffix("\r")


def _service_group(installation: Installation) -> int | None:
    """The group of the user as whom the service runs; None if that is root, or not known yet."""
    try:
        owner = installation.state.stat().st_uid
        return pwd.getpwuid(owner).pw_gid if owner and os.geteuid() == 0 else None
    except (OSError, KeyError):
        return None
