"""The `company`, `location` and `device` commands: changes to cloudlet.toml.

Ids are joined with `/`, as in COMP/LOC/DEV; a `/` or `%` within an id is percent-encoded.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from cirrus_cloudlet.cli.listing import write_list
from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.inventory.device_kinds import DEVICE_KINDS
from cirrus_cloudlet.inventory.edit import Edit, combine, put_company, put_device, put_location
from cirrus_cloudlet.inventory.file import InventoryFile
from cirrus_cloudlet.inventory.ids import check_id
from cirrus_cloudlet.inventory.inventory import TYPE_NAMES, Location
from cirrus_cloudlet.job_props import parse_props

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_KINDS = ("company", "location", "device")


def add_commands(commands: Commands, data: argparse.ArgumentParser) -> None:
    """Add the `company`, `location` and `device` commands to the command line."""
    company = _verbs(commands, "company", "companies")
    add = company.add_parser("add", parents=[data], help="add a company")
    add.add_argument("path", metavar="COMP")
    add.set_defaults(run=_add_company, begins=True)
    listed = company.add_parser("list", parents=[data], help="list all companies")
    listed.set_defaults(run=_list_companies)

    location = _verbs(commands, "location", "locations of a company")
    add = location.add_parser("add", parents=[data], help="add a location")
    add.add_argument("path", metavar="COMP/LOC")
    add.add_argument("--name")
    add.add_argument(
        "--browser", action="store_true", help="add a person who views documents in a browser"
    )
    add.set_defaults(run=_add_location)
    listed = location.add_parser("list", parents=[data], help="list all locations")
    listed.set_defaults(run=_list_locations)
    for verb, help_text in (
        ("online", "deliver a location's documents"),
        ("offline", "keep a location's documents waiting"),
    ):
        switch = location.add_parser(verb, parents=[data], help=help_text)
        switch.add_argument("location", metavar="LOCID")
        switch.add_argument("--company", metavar="COMPID", help="the company, if several have it")
        switch.set_defaults(run=_switch, online=verb == "online")

    device = _verbs(commands, "device", "output devices of a location")
    add = device.add_parser("add", parents=[data], help="add a device")
    add.add_argument("path", metavar="COMP/LOC/DEV")
    add.add_argument("--type", choices=list(TYPE_NAMES), default="file")
    add.add_argument("--kind", choices=list(DEVICE_KINDS), help="imitate this kind of printer")
    add.add_argument("--target", help="path pattern, CUPS queue or command line")
    add.add_argument("--formats", help="such as 'pdf;ps' (default: any)")
    add.add_argument("--props", help="defaults for jobs, such as 'copies=2;duplex=2'")
    add.add_argument("--name")
    add.add_argument("--notes")
    add.add_argument(
        *("-p", "--parents"),
        action="store_true",
        dest="begins",  # makes the data folder, if it is missing
        help="add the company and the location too, if they are missing",
    )
    add.set_defaults(run=_add_device)
    device.add_parser("list", parents=[data], help="list all devices").set_defaults(
        run=_list_devices
    )


def _verbs(commands: Commands, name: str, help_text: str) -> Commands:
    return commands.add_parser(name, help=help_text).add_subparsers(required=True, metavar="VERB")


def _add_company(arguments: argparse.Namespace) -> None:
    (company,) = _ids(arguments.path, 1)
    inventory = InventoryFile(arguments.data)
    if company in inventory.current().companies:
        raise SettingsError(f"company {company!r} already exists")
    inventory.change(put_company(company))


def _list_companies(arguments: argparse.Namespace) -> None:
    companies = InventoryFile(arguments.data).current().companies
    write_list(([_path(company)] for company in companies), "company")


def _add_location(arguments: argparse.Namespace) -> None:
    company, location = _ids(arguments.path, 2)
    inventory = InventoryFile(arguments.data)
    known = inventory.current().companies
    if company not in known:
        raise SettingsError(f"there is no company {company!r}; add the company first")
    if location in known[company]:
        raise SettingsError(f"location {location!r} already exists")
    fields = _drop_none(name=arguments.name, browser=arguments.browser or None)
    inventory.change(put_location(company, location, fields))
    if arguments.browser:  # a browser user has one device
        device = {"name": "Browser", "type": "viewer", "target": f"{location}:browser"}
        inventory.change(put_device(company, location, "browser", device))


def _list_locations(arguments: argparse.Namespace) -> None:
    companies = InventoryFile(arguments.data).current().companies
    rows = [
        (company, location.id, location.name, _state(location), str(len(location.devices)))
        for company, locations in companies.items()
        for location in locations.values()
    ]
    write_list(rows, "company", "location", "name", "state", "devices")


def _state(location: Location) -> str:
    if location.inactive:
        return "inactive"
    return "online" if location.online else "offline"


def _switch(arguments: argparse.Namespace) -> None:
    inventory = InventoryFile(arguments.data)
    companies = [
        company
        for company, locations in inventory.current().companies.items()
        if arguments.location in locations and arguments.company in (None, company)
    ]
    if not companies:
        raise SettingsError(f"there is no location {arguments.location!r}")
    if len(companies) > 1:
        listed = ", ".join(companies)
        raise SettingsError(f"{listed} have {arguments.location!r}; give --company")
    fields = {"online": arguments.online}
    inventory.change(put_location(companies[0], arguments.location, fields))
    state = "online: jobs are delivered" if arguments.online else "offline: jobs wait"
    print(f"{_path(companies[0], arguments.location)} is {state}")


def _add_device(arguments: argparse.Namespace) -> None:
    company, location, device = _ids(arguments.path, 3)
    inventory = InventoryFile(arguments.data)
    known = inventory.current()
    parents: list[Edit] = []
    devices: Iterable[str] = ()
    if arguments.begins:
        parents = [put_company(company), put_location(company, location, {})]
    if not parents or location in known.companies.get(company, {}):
        devices = known.location(company, location).devices
    if device in devices:
        raise SettingsError(f"device {device!r} already exists")
    fields = _drop_none(
        type=arguments.type,
        target=arguments.target,
        name=arguments.name,
        notes=arguments.notes,
        formats=arguments.formats.split(";") if arguments.formats else None,
        props=parse_props(arguments.props, semicolons=True) if arguments.props else None,
    )
    kind = DEVICE_KINDS[arguments.kind] if arguments.kind else {}
    # one change, so that a refused device leaves no parents behind
    inventory.change(combine(*parents, put_device(company, location, device, {**kind, **fields})))


def _list_devices(arguments: argparse.Namespace) -> None:
    rows = [
        (
            device.company, device.location, device.id, device.type.name.lower(),
            "inactive" if device.inactive else _state(location),
            ";".join(device.formats), device.target,
        )
        for locations in InventoryFile(arguments.data).current().companies.values()
        for location in locations.values()
        for device in location.devices.values()
    ]  # fmt: skip
    write_list(rows, "company", "location", "device", "type", "state", "formats", "target")


def _ids(path: str, count: int) -> list[str]:
    parts = path.split("/")
    if len(parts) != count:
        form = "/".join(("COMP", "LOC", "DEV")[:count])
        raise SettingsError(f"{path!r} is not of the form {form}")
    try:
        decoded = [unquote(part, errors="strict") for part in parts]
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path!r} is not UTF-8") from error
    return [check_id(part, kind) for part, kind in zip(decoded, _KINDS, strict=False)]


def _path(*ids: str) -> str:
    """Join ids in the form that other commands take."""
    return "/".join(each.replace("%", "%25").replace("/", "%2F") for each in ids)


def _drop_none(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
