"""Read cloudlet.toml into an inventory. Nothing is written here.

A file with an unknown or wrong field is refused. The message names the table and the field.

    [limits]
    document_bytes = 4294967296

    [[company]]
    id = "ACME"

    [[location]]
    company = "ACME"
    id = "Office"
    online = true

    [[device]]
    company = "ACME"
    location = "Office"
    id = "Folder"
    type = "file"
    target = "{location}/{title}.{ext}"
    formats = ["pdf", "ps"]
    props = { duplex = "2" }
    printer = { driver = "Example PCL6", port = "LPT1:", trays = ["Upper"], color = true }
"""

from __future__ import annotations

import dataclasses
import shlex
import tomllib
from collections.abc import Mapping
from typing import Any, TypeVar

from cirrus_cloudlet.errors import Refusal, SettingsError
from cirrus_cloudlet.formats import DEVICE_FORMATS
from cirrus_cloudlet.inventory.ids import check_id
from cirrus_cloudlet.inventory.inventory import (
    DEFAULT_FILE_TARGET,
    TYPE_NAMES,
    Device,
    DeviceType,
    Inventory,
    Limits,
    Location,
    PrinterFacts,
)
from cirrus_cloudlet.inventory.tags import COMMAND_TAGS, FILE_TAGS, check_tags
from cirrus_cloudlet.job_props import check_props

_T = TypeVar("_T")
_STRINGS = list  # marks a list of strings in the tables of fields below
# the annotation of a dataclass's field → the type in TOML
_KIND_OF = {
    "str": str, "bool": bool, "int": int, "float": float, "tuple[str, ...]": _STRINGS,
    "Mapping[str, str]": dict, "DeviceType": str, "PrinterFacts | None": dict,
}  # fmt: skip


def _fields(kind: type) -> dict[str, type]:
    # `devices` is left out, because devices have tables of their own
    kinds = ((field.name, _KIND_OF.get(str(field.type))) for field in dataclasses.fields(kind))
    return {name: kind for name, kind in kinds if kind}


_COMPANY = {"id": str}
_LOCATION, _DEVICE = _fields(Location), _fields(Device)
_PRINTER, _LIMITS = _fields(PrinterFacts), _fields(Limits)
_TOP = {"company": list, "location": list, "device": list, "limits": dict}
_TYPE_WORDS = {
    str: "a text", bool: "true or false", list: "a list", dict: "a table",
    int: "a whole number", float: "a number",
}  # fmt: skip


def read_inventory(text: str, source: str) -> Inventory:
    """Read an inventory.

    Args:
        text: the content of the file.
        source: the name of the file in messages.

    Raises:
        SettingsError: the text is not TOML (the message has the line), or a table or field is
            wrong.
    """
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{source}: {error}") from error
    try:
        return _inventory(found)
    except Refusal as error:
        raise SettingsError(f"{source}: {error}") from error


def _inventory(found: dict[str, Any]) -> Inventory:
    _check(found, _TOP, (), "the file")
    companies: dict[str, dict[str, Location]] = {}
    for where, table in _tables(found, "company"):
        _check(table, _COMPANY, ("id",), where)
        _add(companies, _id(table, "id", where), {}, where)
    for where, table in _tables(found, "location"):
        _check(table, _LOCATION, ("company", "id"), where)
        locations = _known(companies, _id(table, "company", where), "company", where)
        location = Location(**{**table, "devices": {}})
        _add(locations, _id(table, "id", where), location, where)
    for where, table in _tables(found, "device"):
        _check(table, _DEVICE, ("company", "location", "id", "type"), where)
        locations = _known(companies, _id(table, "company", where), "company", where)
        location = _known(locations, _id(table, "location", where), "location", where)
        device = _device(table, where)
        devices = dict(location.devices)
        _add(devices, device.id, device, where)
        locations[location.id] = dataclasses.replace(location, devices=devices)
    return Inventory(companies, _limits(found.get("limits", {})))


def _device(table: Mapping[str, Any], where: str) -> Device:
    kind = TYPE_NAMES.get(table["type"])
    if kind is None:
        raise Refusal(f"{where}: type is {table['type']!r}, not one of {', '.join(TYPE_NAMES)}")
    formats = tuple(table.get("formats", ["any"]))
    for name in formats:
        if name not in DEVICE_FORMATS:
            listed = ", ".join(DEVICE_FORMATS)
            raise Refusal(f"{where}: formats has {name!r}, which is not one of {listed}")
    props = table.get("props", {})
    if not all(isinstance(value, str) for value in props.values()):
        raise Refusal(f"{where}: props: every value is written as a text")
    try:
        check_props(props)
        target = _target(kind, table.get("target", ""))
    except Refusal as error:
        raise Refusal(f"{where}: {error}") from error
    return Device(
        company=table["company"],
        location=table["location"],
        id=_id(table, "id", where),
        type=kind,
        target=target,
        name=table.get("name", ""),
        notes=table.get("notes", ""),
        formats=formats or ("any",),
        props=props,
        inactive=table.get("inactive", False),
        printer=_printer(table["printer"], where) if "printer" in table else None,
    )


def _target(kind: DeviceType, target: str) -> str:
    """The target of a device of this kind.

    Raises:
        Refusal: a device of this kind cannot have this target.
    """
    if kind is DeviceType.FILE:
        target = target or DEFAULT_FILE_TARGET
        check_tags(target, FILE_TAGS)
        if ".." in target.split("/") or target.endswith("/") or "\0" in target:
            raise Refusal(f"target {target!r} is not the path of a file")
    elif kind is DeviceType.COMMAND:
        check_tags(target, COMMAND_TAGS)
        try:
            words = shlex.split(target)
        except ValueError as error:
            raise Refusal(f"target {target!r} is not a command line: {error}") from error
        if not words:
            raise Refusal("target is missing: a command line is needed")
    elif kind is DeviceType.PRINTER and not target:
        raise Refusal("target is missing: the name of a CUPS queue is needed")
    return target


def _printer(table: dict[str, Any], where: str) -> PrinterFacts:
    _check(table, _PRINTER, ("driver",), f"{where}: printer")
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
    }
    return PrinterFacts(**fields)


def _limits(table: dict[str, Any]) -> Limits:
    table = {
        key: float(value) if _LIMITS.get(key) is float and type(value) is int else value
        for key, value in table.items()
    }
    _check(table, _LIMITS, (), "[limits]")
    for key, value in table.items():
        if not value > 0:
            raise Refusal(f"[limits]: {key} has to be more than 0")
    return Limits(**table)


def _tables(found: Mapping[str, Any], kind: str) -> list[tuple[str, dict[str, Any]]]:
    """The `[[kind]]` tables, each with its name for messages."""
    tables = []
    for number, table in enumerate(found.get(kind, []), 1):
        where = f"[[{kind}]] number {number}"
        if not isinstance(table, dict):
            raise Refusal(f"{where} is not a table")
        if isinstance(table.get("id"), str):
            where += f" ({table['id']})"
        tables.append((where, table))
    return tables


def _check(
    table: Mapping[str, Any], fields: Mapping[str, type], needed: tuple[str, ...], where: str
) -> None:
    for name, value in table.items():
        if name not in fields:
            raise Refusal(f"{where}: unknown field {name!r}; known: {', '.join(fields)}")
        if type(value) is not fields[name]:
            raise Refusal(f"{where}: {name} has to be {_TYPE_WORDS[fields[name]]}")
        if fields[name] is _STRINGS and fields is not _TOP and not _are_texts(value):
            raise Refusal(f"{where}: {name} has to be a list of texts")
    for name in needed:
        if name not in table:
            raise Refusal(f"{where}: field {name!r} is missing")


def _are_texts(values: Any) -> bool:
    return all(isinstance(value, str) for value in values)


def _id(table: Mapping[str, Any], name: str, where: str) -> str:
    try:
        return check_id(table[name], name)
    except Refusal as error:
        raise Refusal(f"{where}: {error}") from error


def _add(known: dict[str, _T], key: str, value: _T, where: str) -> None:
    if key in known:
        raise Refusal(f"{where}: there is another of the same id")
    known[key] = value


def _known(known: Mapping[str, _T], key: str, kind: str, where: str) -> _T:
    if key not in known:
        raise Refusal(f"{where}: {kind} {key!r} is not in this file")
    return known[key]
