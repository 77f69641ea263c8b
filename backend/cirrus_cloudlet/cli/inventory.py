"""The `company`, `location` and `device` commands: changes to cloudlet.toml.

Ids are joined with `/`, as in COMP/LOC/DEV; a `/` or `%` within an id is percent-encoded.
"""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from cirrus_cloudlet.cli.command import argument, command
from cirrus_cloudlet.cli.listing import write_list
from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.inventory.file import KINDS, Changes, InventoryFile
from cirrus_cloudlet.inventory.inventory import TYPE_NAMES, Location, check_id
from cirrus_cloudlet.job_props import parse_props

_INVENTORY = files("cirrus_cloudlet.inventory")
_KINDS = tomllib.loads(_INVENTORY.joinpath("device_kinds.toml").read_text("utf-8"))


@command("company add", "add a company", argument("path", metavar="COMP"), begins=True)
def _add_company(data: Path, path: str) -> None:
    (company,) = _ids(path, 1)
    inventory = InventoryFile(data)
    if company in inventory.current().companies:
        raise SettingsError(f"company {company!r} already exists")
    inventory.change({(company,): {}})


@command("company list", "list all companies")
def _list_companies(data: Path) -> None:
    write_list(([_path(company)] for company in InventoryFile(data).current().companies), "company")


@command(
    "location add",
    "add a location",
    argument("path", metavar="COMP/LOC"),
    argument("--name"),
    argument(
        "--browser", action="store_true", help="add a person who views documents in a browser"
    ),
)
def _add_location(data: Path, path: str, name: str | None, browser: bool) -> None:
    company, location = _ids(path, 2)
    inventory = InventoryFile(data)
    known = inventory.current().companies
    if company not in known:
        raise SettingsError(f"there is no company {company!r}; add the company first")
    if location in known[company]:
        raise SettingsError(f"location {location!r} already exists")
    changes: Changes = {(company, location): _drop_none(name=name, browser=browser or None)}
    if browser:  # a browser user has one device
        device = {"name": "Browser", "type": "viewer", "target": f"{location}:browser"}
        changes = {**changes, (company, location, "browser"): device}
    inventory.change(changes)


@command("location list", "list all locations")
def _list_locations(data: Path) -> None:
    rows = [
        (company, location.id, location.name, _state(location), str(len(location.devices)))
        for company, locations in InventoryFile(data).current().companies.items()
        for location in locations.values()
    ]
    write_list(rows, "company", "location", "name", "state", "devices")


def _state(location: Location) -> str:
    if location.inactive:
        return "inactive"
    return "online" if location.online else "offline"


def _switch(data: Path, path: str, company: str | None, online: bool) -> None:
    if company is None and "/" in path:
        company, location = _ids(path, 2)
    else:
        (location,) = _ids(path, 1)
    inventory = InventoryFile(data)
    companies = [
        each
        for each, locations in inventory.current().companies.items()
        if location in locations and company in (None, each)
    ]
    if not companies:
        raise SettingsError(f"there is no location {location!r}")
    if len(companies) > 1:
        listed = ", ".join(companies)
        raise SettingsError(
            f"{listed} have {location!r}; give {_path(companies[0], location)} or --company"
        )
    place = (companies[0], location)
    inventory.change({place: {"online": online}})
    print(f"{_path(*place)} is {'online: jobs are delivered' if online else 'offline: jobs wait'}")


for _verb, _help in (
    ("online", "deliver a location's documents"),
    ("offline", "keep a location's documents waiting"),
):
    command(
        f"location {_verb}",
        _help,
        argument(
            "path", metavar="[COMP/]LOC", help="COMP is required if several companies have LOC"
        ),
        argument("--company", metavar="COMP", help="the same as COMP/"),
        online=_verb == "online",
    )(_switch)


@command(
    "device add",
    "add a device",
    argument("path", metavar="COMP/LOC/DEV"),
    argument("--type", choices=list(TYPE_NAMES), default="file"),
    argument("--kind", choices=list(_KINDS), help="imitate this kind of printer"),
    argument("--target", help="path pattern, CUPS queue or command line"),
    argument("--formats", help="such as 'pdf;ps' (default: any)"),
    argument("--charset", help="convert texts into this charset (default with txt: utf-8)"),
    argument("--props", help="defaults for jobs, such as 'copies=2;duplex=2'"),
    argument("--name"),
    argument("--notes"),
    argument(
        *("-p", "--parents"),
        action="store_true",
        help="add the company and the location too, if they are missing",
    ),
)
def _add_device(
    data: Path,
    path: str,
    parents: bool,
    kind: str | None,
    formats: str | None,
    props: str | None,
    **others: str | None,
) -> None:
    company, location, device = _ids(path, 3)
    inventory = InventoryFile(data)
    known = inventory.current()
    if not parents:
        known.location(company, location)  # raises Refusal if the location is missing
    if known.find(company, location, device)[1]:
        raise SettingsError(f"device {device!r} already exists")
    fields = _drop_none(
        **others,
        formats=formats.split(";") if formats else None,
        props=parse_props(props, semicolons=True) if props else None,
    )
    above: Changes = {(company,): {}, (company, location): {}} if parents else {}
    # one change, so that a refused device leaves no parents behind
    inventory.change(
        {**above, (company, location, device): {**_KINDS.get(kind or "", {}), **fields}}
    )


@command("device list", "list all devices")
def _list_devices(data: Path) -> None:
    rows = [
        (
            device.company, device.location, device.id, device.type.name.lower(),
            "inactive" if device.inactive else _state(location),
            ";".join(device.formats), device.target,
        )
        for locations in InventoryFile(data).current().companies.values()
        for location in locations.values()
        for device in location.devices.values()
    ]  # fmt: skip
    write_list(rows, "company", "location", "device", "type", "state", "formats", "target")


def _ids(path: str, count: int) -> list[str]:
    parts = path.split("/")
    if len(parts) != count:
        form = "/".join(("COMP", "LOC", "DEV")[:count]) if count > 1 else "ID"
        raise SettingsError(f"{path!r} is not of the form {form}")
    try:
        decoded = [unquote(part, errors="strict") for part in parts]
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path!r} is not UTF-8") from error
    return [check_id(part, kind) for part, kind in zip(decoded, KINDS, strict=False)]


def _path(*ids: str) -> str:
    """Join ids in the form that other commands take."""
    return "/".join(each.replace("%", "%25").replace("/", "%2F") for each in ids)


def _drop_none(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
