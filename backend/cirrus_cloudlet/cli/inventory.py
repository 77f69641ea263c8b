"""The `company`, `location` and `device` commands: changes to cloudlet.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from cirrus_cloudlet.changes import change_inventory
from cirrus_cloudlet.cli.command import argument, command
from cirrus_cloudlet.cli.listing import write_list
from cirrus_cloudlet.cli.operator import OPERATOR
from cirrus_cloudlet.cli.paths import (
    ANY_DEVICE,
    ANY_LOCATION,
    COMPANY,
    DEVICE,
    LOCATION,
    find_place,
    join_path,
    parse_path,
)
from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.inventory.file import Changes, InventoryFile
from cirrus_cloudlet.inventory.inventory import (
    DELIVERY_FOLDER,
    TYPE_NAMES,
    Device,
    DeviceType,
    Location,
)
from cirrus_cloudlet.job_props import parse_props
from cirrus_cloudlet.storage.clients import Clients
from cirrus_cloudlet.storage.opening import open_store

_INVENTORY = files("cirrus_cloudlet.inventory")
_KINDS = tomllib.loads(_INVENTORY.joinpath("device_kinds.toml").read_text("utf-8"))


_HOLD = argument(
    "--hold", action="store_true", help="keep each job until its owner releases it on the web page"
)


def _filter(form: str) -> Any:
    return argument("path", metavar=form, nargs="?", help="list only what is there")


@command("company add", "add a company", argument("path", metavar=COMPANY), begins=True)
def _add_company(data: Path, path: str) -> None:
    (company,) = parse_path(path, COMPANY)
    inventory = InventoryFile(data)
    if company in inventory.current().companies:
        raise SettingsError(f"company {company!r} already exists")
    _change(inventory, data, {(company,): {}})
    print(f"Added the company {join_path(company)}.")


@command("company list", "list all companies")
def _list_companies(data: Path) -> None:
    companies = InventoryFile(data).current().companies
    write_list(([join_path(company)] for company in companies), "company")


@command(
    "location add",
    "add a location",
    argument("path", metavar=LOCATION),
    argument("--name"),
    _HOLD,
    argument(
        "--browser", action="store_true", help="add a person who views documents in a browser"
    ),
)
def _add_location(data: Path, path: str, name: str | None, browser: bool, hold: bool) -> None:
    company, location = parse_path(path, LOCATION)
    inventory = InventoryFile(data)
    known = inventory.current().companies
    if company not in known:
        raise SettingsError(f"there is no company {company!r}; add the company first")
    if location in known[company]:
        raise SettingsError(f"location {location!r} already exists")
    changes: Changes = {
        (company, location): _drop_none(name=name, browser=browser or None, hold=hold or None)
    }
    if browser:  # a browser user has one device
        device = {"name": "Browser", "type": "viewer", "target": f"{location}:browser"}
        changes = {**changes, (company, location, "browser"): device}
    _change(inventory, data, changes)
    added = join_path(company, location)
    print(f"Added the location {added}{' with the device browser' if browser else ''}.")


@command("location list", "list all locations", _filter("COMP"))
def _list_locations(data: Path, path: str | None) -> None:
    wanted = parse_path(path, COMPANY) if path else []
    found = [
        location
        for company, locations in InventoryFile(data).current().companies.items()
        for location in locations.values()
        if wanted in ([], [company])
    ]
    states = _states(data, found)
    rows = [
        (each.company, each.id, each.name, state, str(len(each.devices)))
        for each, state in zip(found, states, strict=True)
    ]
    write_list(rows, "company", "location", "name", "state", "devices")


def _states(data: Path, locations: Sequence[Location]) -> list[str]:
    """The state of each location; one that is left to clients is online while one is heard."""
    away: set[tuple[str, str]] = set()
    # without clients of locations, there is nothing to look up
    if any(each.clients for each in locations):
        with open_store(data) as store:
            clients = Clients(store)
            away = {
                (each.company, each.id)
                for each in locations
                if each.clients and not clients.has_one(each.company, each.id)
            }
    return [
        "inactive"
        if each.inactive
        else ("online" if each.online and (each.company, each.id) not in away else "offline")
        for each in locations
    ]


def _switch(
    data: Path, path: str, company: str | None, form: str, said: str, fields: dict[str, bool]
) -> None:
    inventory = InventoryFile(data)
    place = find_place(inventory.current(), path, form, company)
    _change(inventory, data, {place: fields})
    print(f"{join_path(*place)} is {said}")


_SWITCHES = (
    ("online", ANY_LOCATION, "deliver a location's documents", {"online": True}),
    ("offline", ANY_LOCATION, "keep a location's documents waiting", {"online": False}),
    ("clients", ANY_LOCATION, "leave deliveries to the location's clients", {"clients": True}),
    ("no-clients", ANY_LOCATION, "let this server deliver itself", {"clients": False}),
    *(
        (verb, form, text, fields)
        for form in (ANY_LOCATION, ANY_DEVICE)
        for verb, text, fields in (
            ("enable", "accept new jobs again", {"inactive": False}),
            ("disable", "refuse new jobs, and keep submitted jobs waiting", {"inactive": True}),
            ("hold", "keep each new job until its owner releases it", {"hold": True}),
            ("unhold", "keep no new jobs; the others still need a release", {"hold": False}),
        )
    ),
)
_SAID = {
    "online": "online: jobs are delivered",
    "offline": "offline: jobs wait",
    "clients": "left to its clients: they fetch and deliver its jobs",
    "no-clients": "served here: this server delivers its jobs",
    "enable": "enabled: it accepts jobs",
    "disable": "disabled: it refuses new jobs, and submitted jobs wait",
    "hold": "set to hold: each new job waits until its owner releases it",
    "unhold": "not set to hold: new jobs need no release",
}
for _verb, _form, _help, _fields in _SWITCHES:
    _noun = "location" if _form is ANY_LOCATION else "device"
    command(
        f"{_noun} {_verb}",
        _help,
        argument("path", metavar=_form, help=f"COMP is required if several have this {_noun}"),
        argument("--company", metavar="COMP", help="the same as COMP/"),
        form=_form,
        said=_SAID[_verb],
        fields=_fields,
    )(_switch)


@command(
    "device add",
    "add a device",
    argument("path", metavar=DEVICE),
    argument("--type", choices=list(TYPE_NAMES), default="file"),
    argument("--kind", choices=list(_KINDS), help="imitate this kind of printer"),
    argument("--target", help="path pattern, CUPS queue or command line"),
    argument("--formats", help="such as 'pdf;ps' (default: any)"),
    argument("--charset", help="convert texts into this charset (default with txt: utf-8)"),
    argument("--props", help="defaults for jobs, such as 'copies=2;duplex=2'"),
    argument("--name"),
    argument("--notes"),
    _HOLD,
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
    hold: bool,
    **others: str | None,
) -> None:
    company, location, device = parse_path(path, DEVICE)
    inventory = InventoryFile(data)
    known = inventory.current()
    if not parents and location not in known.companies.get(company, {}):
        place = join_path(company, location)
        raise SettingsError(f"there is no location {place!r}; give --parents to add it, too")
    if known.find(company, location, device)[1]:
        raise SettingsError(f"device {device!r} already exists")
    fields = _drop_none(
        **others,
        hold=hold or None,
        formats=formats.split(";") if formats else None,
        props=parse_props(props, semicolons=True) if props else None,
    )
    above: Changes = {(company,): {}, (company, location): {}} if parents else {}
    # one change, so that a refused device leaves no parents behind
    device_fields = {**_KINDS.get(kind or "", {}), **fields}
    _change(inventory, data, {**above, (company, location, device): device_fields})
    if company not in known.companies:
        print(f"Added the company {join_path(company)}.")
    if known.find(company, location, device)[0] is None:
        print(f"Added the location {join_path(company, location)}.")
    found = inventory.current().device(company, location, device)
    print(f"Added the device {join_path(company, location, device)}: {_way(found, data)}.")


def _way(device: Device, data: Path) -> str:
    """Say where a device's documents go."""
    match device.type:
        case DeviceType.FILE:
            path = data.absolute() / DELIVERY_FOLDER / device.target
            return f"documents become files, {path}"
        case DeviceType.PRINTER:
            return f"documents go to the CUPS queue {device.target}"
        case DeviceType.COMMAND:
            return f"documents go to the command {device.target}"
    return "documents wait until a person saves or discards them"


@command("device list", "list all devices", _filter("COMP[/LOC]"))
def _list_devices(data: Path, path: str | None) -> None:
    wanted = parse_path(path, "COMP[/LOC]") if path else []
    locations = [
        location
        for found in InventoryFile(data).current().companies.values()
        for location in found.values()
    ]
    rows = [
        (
            device.company, device.location, device.id, device.type.name.lower(),
            "inactive" if device.inactive else state,
            ";".join(device.formats), device.target,
        )
        for location, state in zip(locations, _states(data, locations), strict=True)
        for device in location.devices.values()
        if wanted == [device.company, device.location][: len(wanted)]
    ]  # fmt: skip
    write_list(rows, "company", "location", "device", "type", "state", "formats", "target")


def _change(inventory: InventoryFile, data: Path, changes: Changes) -> None:
    with open_store(data) as store:
        change_inventory(inventory, store, changes, OPERATOR)


def _drop_none(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
