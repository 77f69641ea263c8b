"""Read cloudlet.toml (FILES in cirrus-cloudlet(8)) into an inventory. Nothing is written here.

A file with an unknown or wrong field is refused. The message names the table and the field.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field
from typing import Any, TypeVar

from cirrus_cloudlet.charsets import check_charset
from cirrus_cloudlet.errors import Refusal, SettingsError
from cirrus_cloudlet.formats import DEVICE_FORMATS
from cirrus_cloudlet.inventory.inventory import (
    TYPE_NAMES,
    Device,
    DeviceType,
    Inventory,
    Limits,
    Location,
    PrinterFacts,
    check_id,
)
from cirrus_cloudlet.inventory.tags import COMMAND_TAGS, FILE_TAGS, check_tags
from cirrus_cloudlet.job_props import check_props

_T = TypeVar("_T")
_DEFAULT_FILE_TARGET = "{location}/{device}/{jobid}-{title}.{ext}"
_TEXTS = "a list of texts"
# the annotation of a dataclass's field → its types in TOML, and their name in messages
_TOML_TYPES: Mapping[Any, tuple[set[type], str]] = {
    "str": ({str}, "a text"),
    "DeviceType": ({str}, "a text"),
    "bool": ({bool}, "true or false"),
    "int": ({int}, "a whole number"),
    "float": ({int, float}, "a number"),
    "list[Any]": ({list}, "a list"),
    "tuple[str, ...]": ({list}, _TEXTS),
    "dict[str, Any]": ({dict}, "a table"),
    "Mapping[str, str]": ({dict}, "a table"),
    "PrinterFacts | None": ({dict}, "a table"),
}


@dataclass
class _File:
    company: list[Any] = field(default_factory=list)
    location: list[Any] = field(default_factory=list)
    device: list[Any] = field(default_factory=list)
    limits: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Company:
    id: str


def read_inventory(text: str, source: str) -> Inventory:
    """Read the text of a cloudlet.toml; `source` is the file's name in messages.

    Raises:
        SettingsError: the text is not TOML (the message has the line), or a field is wrong.
    """
    try:
        return _inventory(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, Refusal) as error:
        raise SettingsError(f"{source}: {error}") from error


def _inventory(found: dict[str, Any]) -> Inventory:
    with _named("the file"):
        file = _File(**_check(_File, found))
    companies: dict[str, dict[str, Location]] = {}
    for where, table in _tables("company", file.company):
        with _named(where):
            _add(companies, _Company(**_check(_Company, table)).id, {})
    for where, table in _tables("location", file.location):
        with _named(where):
            location = Location(**_check(Location, table))
            _add(_known(companies, "company", location.company), location.id, location)
    for where, table in _tables("device", file.device):
        with _named(where):
            device = _device(_check(Device, table))
            locations = _known(companies, "company", device.company)
            _add(_known(locations, "location", device.location).devices, device.id, device)
    with _named("[limits]"):
        limits = _check(Limits, file.limits)
        for name, value in limits.items():
            if not value > 0:
                raise Refusal(f"{name} has to be more than 0")
    return Inventory(companies, Limits(**limits))


def _device(fields: dict[str, Any]) -> Device:
    kind = TYPE_NAMES.get(fields["type"])
    if kind is None:
        raise Refusal(f"type is {fields['type']!r}, not one of {', '.join(TYPE_NAMES)}")
    for name in fields.get("formats", ()):
        if name not in DEVICE_FORMATS:
            listed = ", ".join(DEVICE_FORMATS)
            raise Refusal(f"formats has {name!r}, which is not one of {listed}")
    if "charset" in fields:
        fields["charset"] = check_charset(fields["charset"])
    props = fields.get("props", {})
    if not all(isinstance(value, str) for value in props.values()):
        raise Refusal("props: every value is written as a text")
    check_props(props)
    fields["type"], fields["target"] = kind, _target(kind, fields.get("target", ""))
    fields["formats"] = fields.get("formats") or ("any",)
    if fields.get("hold") and kind is DeviceType.VIEWER:
        raise Refusal("hold: a viewer's jobs wait for their recipient anyway")
    if "printer" in fields:
        with _named("printer"):
            fields["printer"] = PrinterFacts(**_check(PrinterFacts, fields["printer"]))
    return Device(**fields)


def _target(kind: DeviceType, target: str) -> str:
    """Check the target of a device of this kind, and fill in a missing one."""
    if kind is DeviceType.FILE:
        target = target or _DEFAULT_FILE_TARGET
        check_tags(target, FILE_TAGS)
        *_, last = parts = target.split("/")
        if ".." in parts or last in ("", ".") or "\0" in target:
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


def _tables(kind: str, tables: list[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the `[[kind]]` tables, each with its name for messages."""
    for number, table in enumerate(tables, 1):
        where = f"[[{kind}]] number {number}"
        if not isinstance(table, dict):
            raise Refusal(f"{where} is not a table")
        yield f"{where} ({table['id']})" if isinstance(table.get("id"), str) else where, table


@contextlib.contextmanager
def _named(where: str) -> Iterator[None]:
    """Put the name of a table in front of a refusal's message."""
    try:
        yield
    except Refusal as refusal:
        raise Refusal(f"{where}: {refusal}") from refusal


def _check(kind: type, table: Mapping[str, Any]) -> dict[str, Any]:
    """Check a table against a dataclass, and return the arguments to make one."""
    # `devices` is left out, because devices have tables of their own
    known = {each.name: each for each in dataclasses.fields(kind) if each.type in _TOML_TYPES}
    checked: dict[str, Any] = {}
    for name, value in table.items():
        if name not in known:
            raise Refusal(f"unknown field {name!r}; known: {', '.join(known)}")
        types, words = _TOML_TYPES[known[name].type]
        is_texts = words == _TEXTS
        if type(value) not in types or (is_texts and not all(type(v) is str for v in value)):
            raise Refusal(f"{name} has to be {words}")
        checked[name] = tuple(value) if is_texts else value
    for name, each in known.items():
        if name not in table and each.default is each.default_factory is MISSING:
            raise Refusal(f"field {name!r} is missing")
    return checked


def _add(known: dict[str, _T], key: str, value: _T) -> None:
    if check_id(key, "id") in known:
        raise Refusal("there is another of the same id")
    known[key] = value


def _known(known: Mapping[str, _T], kind: str, key: str) -> _T:
    if key not in known:
        raise Refusal(f"{kind} {key!r} is not in this file")
    return known[key]
