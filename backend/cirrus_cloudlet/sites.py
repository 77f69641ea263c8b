"""Companies, locations and devices: one TOML file that people and programs edit.

`cloudlet.toml` is the only place that defines them; the server reads it anew when it has changed,
the commands and `put device` / `put location` rewrite it atomically and keep its comments. A
broken edit never takes a running server down: the last good content stays in force.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomlkit

log = logging.getLogger(__name__)
FILE = "cloudlet.toml"
DEVICE_TYPES = {"printer": 0, "file": 1, "command": 2, "browser": 3, "network-printer": 4}
FORMATS = ("pdf", "pcl", "pcl6", "ps", "txt", "any")


class BadSites(ValueError):
    """The file says something that has no meaning; the text names the place."""


@dataclass(frozen=True)
class Device:
    """An output device of a location; `formats` empty means any."""

    id: str
    name: str = ""
    type: str = "file"
    target: str = ""
    formats: tuple[str, ...] = ()
    props: Mapping[str, str] = field(default_factory=dict)
    notes: str = ""
    filter: str = ""
    inactive: bool = False


@dataclass(frozen=True)
class Location:
    """A location and its devices. `printers` are lines as the API's Printers has them."""

    id: str
    name: str = ""
    online: bool = True
    inactive: bool = False
    email: str = ""
    phone: str = ""
    notes: str = ""
    printers: tuple[str, ...] = ()
    devices: Mapping[str, Device] = field(default_factory=dict)


Companies = Mapping[str, Mapping[str, Location]]


def check_id(text: str) -> str:
    """The id itself, if paths and target lists can name it.

    Raises:
        ValueError: it is empty, '.', '..', or holds ':', ';' or a control character.
    """
    if text in ("", ".", "..") or any(c in ":;" or not c.isprintable() for c in text):
        raise ValueError(f"'{text}' is no id: ids are not empty and hold no ':' or ';'")
    return text


class Sites:
    """The content of the file in `folder`, always the newest that makes sense."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._seen: tuple[int, int, int] | None = None
        self._companies: Companies = {}
        if not self._path.exists():
            self._path.touch(mode=0o600)

    @property
    def companies(self) -> Companies:
        """Company id → location id → location."""
        status = self._path.stat()
        seen = (status.st_mtime_ns, status.st_ino, status.st_size)
        if seen != self._seen:
            try:
                self._companies = read(self._path)
            except (BadSites, OSError) as error:
                if self._seen is None:
                    raise
                log.error("%s is not used: %s", self._path, error)
            self._seen = seen
        return self._companies

    def location(self, company: str, location: str) -> Location | None:
        """A location, or None."""
        return self.companies.get(company, {}).get(location)

    def device(self, company: str, location: str, device: str) -> Device | None:
        """A device, or None."""
        found = self.location(company, location)
        return found.devices.get(device) if found else None

    @contextlib.contextmanager
    def edit(self) -> Iterator[Callable[..., Any]]:
        """Change the file: yields `table(*ids)`, which gives the TOML table of a company, location
        or device (made if new); written when the block ends without an error.

        Raises:
            BadSites: the outcome would make no sense; nothing is changed.
        """
        with (self._path.parent / f".{FILE}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            document = tomlkit.parse(self._path.read_text("utf-8"))

            def table(*ids: str) -> Any:
                at: Any = document
                for kind, name in zip(("company", "location", "device"), ids, strict=False):
                    if kind not in at:
                        at[kind] = tomlkit.table(is_super_table=True)
                    if check_id(name) not in at[kind]:
                        at[kind][name] = tomlkit.table()
                    at = at[kind][name]
                return at

            yield table
            new = self._path.with_name(f".{FILE}.new")
            new.touch(mode=0o600)
            new.write_text(tomlkit.dumps(document), "utf-8")
            read(new)
            with new.open("rb") as written:
                os.fsync(written.fileno())
            new.replace(self._path)


def read(path: Path) -> Companies:
    """Read a definitions file.

    Raises:
        BadSites: it is not TOML, or has unknown names or wrong types.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSites(str(error)) from None
    top = _Fields(content, "the file")
    companies = {
        company: {
            location: _location(location, fields)
            for location, fields in _children(company_fields, "location", f"company {company}")
        }
        for company, company_fields in _children(top, "company", "the file")
    }
    top.end()
    return companies


def _children(at: _Fields, kind: str, where: str) -> list[tuple[str, _Fields]]:
    children = at.take(kind, dict, {})
    if kind == "location":
        at.end()
    try:
        return [(check_id(n), _Fields(f, f"{where}, {kind} {n}")) for n, f in children.items()]
    except ValueError as error:
        raise BadSites(f"{where}: {error}") from None


def _location(name: str, fields: _Fields) -> Location:
    devices = {device: _device(device, f) for device, f in _children(fields, "device", name)}
    location = Location(
        id=name,
        name=fields.take("name", str, name),
        online=fields.take("online", bool, True),
        inactive=fields.take("inactive", bool, False),
        email=fields.take("email", str, ""),
        phone=fields.take("phone", str, ""),
        notes=fields.take("notes", str, ""),
        printers=tuple(map(str, fields.take("printers", list, []))),
        devices=devices,
    )
    fields.end()
    return location


def _device(name: str, fields: _Fields) -> Device:
    device = Device(
        id=name,
        name=fields.take("name", str, name),
        type=fields.take("type", str, "file"),
        target=fields.take("target", str, ""),
        formats=tuple(fields.take("formats", list, [])),
        props={str(k): str(v) for k, v in fields.take("props", dict, {}).items()},
        notes=fields.take("notes", str, ""),
        filter=fields.take("filter", str, ""),
        inactive=fields.take("inactive", bool, False),
    )
    fields.end()
    if device.type not in DEVICE_TYPES:
        raise BadSites(f"device {name}: type is one of {', '.join(DEVICE_TYPES)}")
    if any(fmt not in FORMATS for fmt in device.formats):
        raise BadSites(f"device {name}: formats are {', '.join(FORMATS)}")
    return device


class _Fields:
    def __init__(self, content: object, where: str) -> None:
        if not isinstance(content, dict):
            raise BadSites(f"{where} must be a table")
        self._left, self._where = dict(content), where

    def take(self, name: str, kind: type, default: Any) -> Any:
        value = self._left.pop(name, default)
        if type(value) is not kind:
            raise BadSites(f"{self._where}: {name} must be a {kind.__name__}")
        return value

    def end(self) -> None:
        if self._left:
            raise BadSites(f"{self._where}: unknown name {next(iter(self._left))}")
