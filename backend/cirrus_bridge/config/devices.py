"""devices.toml: what devices can do that the API does not describe, and the props for it.

The API knows no props for finishings, for example, and locations do not report them. So an
administrator declares them. Programs that make drivers read the file; jobs find what they need in
the driver of their queue.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cirrus_bridge.base.device_options import ATTRIBUTES
from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.base.globs import matches
from cirrus_bridge.base.model import PROP_NAME, DeviceOptions, Place, Target
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.queue_uri import parse_server, server_name
from cirrus_bridge.config.toml import Table, read_table

FILE = "devices.toml"
_PIN = "job-password"  # as IPP calls it (PWG 5100.11)
_NAMES = ("server", "company", "targets", *ATTRIBUTES, _PIN)
_KEYWORD = re.compile(r"[a-z][a-z0-9.-]{0,39}")  # a keyword of IPP and of a PPD (cups/ppd.h)
# without % and ", which a PPD would have to escape in its short line
_PROP = re.compile(PROP_NAME.pattern + '=[^;%"]{1,60}')


@dataclass(frozen=True, slots=True)
class DeviceEntry:
    """One `[[device]]`. `server` and `company` are None if any will do; `targets` are globs."""

    server: str | None
    company: str | None
    targets: tuple[str, ...]
    options: DeviceOptions

    def is_about(self, place: Place, device: str) -> bool:
        """Whether the entry is about a device of a location."""
        return (
            self.server in (None, place.server)
            and self.company in (None, place.company)
            and any(matches(str(Target(place.location, device)), glob) for glob in self.targets)
        )


@dataclass(frozen=True, slots=True)
class DeclaredDevices:
    """The entries of devices.toml."""

    entries: tuple[DeviceEntry, ...] = ()

    def options(self, place: Place, device: str) -> DeviceOptions:
        """What all entries about a device say. For the same attribute, the last entry wins."""
        props: dict[str, Mapping[str, str]] = {}
        pin_prop = ""
        for entry in self.entries:
            if entry.is_about(place, device):
                props |= entry.options.props
                pin_prop = entry.options.pin_prop or pin_prop
        return DeviceOptions(props, pin_prop)


NONE_DECLARED = DeclaredDevices()


def read_devices(folder: Path) -> DeclaredDevices:
    """Read devices.toml in the configuration's folder; the file may be missing.

    Raises:
        BadConfiguration: the file cannot be read, or is invalid.
    """
    return DeclaredDevices(tuple(map(_entry, _tables(folder))))


def find_mistakes(folder: Path) -> Iterator[BadConfiguration]:
    """All mistakes in devices.toml, of which `read_devices` raises the first one."""
    try:
        tables = _tables(folder)
    except BadConfiguration as bad:
        yield bad
        return
    for table in tables:
        # a whole entry has other mistakes than its parts only if these have none
        yield from [*_mistakes(_parts(table))] or _mistakes([table])


def _mistakes(tables: Iterable[Table]) -> Iterator[BadConfiguration]:
    for table in tables:
        try:
            _entry(table)
        except BadConfiguration as bad:
            yield bad


def _tables(folder: Path) -> list[Table]:
    return read_table(folder / FILE, optional=True).unchecked_entries("device", _NAMES)


def _parts(table: Table) -> Iterator[Table]:
    """Entries with one setting each, so that no mistake hides another one."""
    targets = {"targets": table.content["targets"]} if "targets" in table.content else {}
    yield Table(targets, table.source, table.where)
    for name, value in table.content.items():
        several = value.items() if name in ATTRIBUTES and isinstance(value, dict) else ()
        for one in [{word: prop} for word, prop in several] or [value]:
            content = {"targets": ["*:*"], name: one}
            yield Table(content, table.source, table.where)


def _entry(table: Table) -> DeviceEntry:
    table.only(_NAMES)
    targets = table.take("targets", list)
    if not targets or not all(isinstance(text, str) and ":" in text for text in targets):
        raise table.bad(
            tr("'targets' must be a list of LOCATION:DEVICE, in which * and ? are wildcards")
        )
    server = table.take("server", str, None)
    try:
        server = server and server_name(*parse_server(server))
    except ValueError:
        raise table.bad(tr("'server' is not a host name, or host name and port")) from None
    props = {name: _props(table, name) for name in ATTRIBUTES if name in table.content}
    pin_prop = table.take(_PIN, str, "")
    if pin_prop and not PROP_NAME.fullmatch(pin_prop):
        raise table.bad(tr("'{name}' must be the name of a prop, such as \"PIN\"", name=_PIN))
    company = table.take("company", str, None)
    return DeviceEntry(server, company, tuple(targets), DeviceOptions(props, pin_prop))


def _props(table: Table, attribute: str) -> dict[str, str]:
    content = table.take(attribute, dict)
    known = ATTRIBUTES[attribute].numbers
    names: dict[str, str] = {}
    for keyword, prop in content.items():
        if known and keyword not in known:
            raise table.bad(
                tr(
                    "'{attribute}' has the unknown keyword '{keyword}' (known: {known})",
                    attribute=attribute,
                    keyword=keyword,
                    known=", ".join(known),
                )
            )
        if not _KEYWORD.fullmatch(keyword):
            raise table.bad(
                tr(
                    "'{keyword}' in '{attribute}' must be a keyword of IPP, such as 'face-up'",
                    attribute=attribute,
                    keyword=keyword,
                )
            )
        if not (isinstance(prop, str) and _PROP.fullmatch(prop) and prop.isprintable()):
            raise table.bad(
                tr(
                    "'{attribute}.{keyword}' must be a prop, such as \"Staple=1\", with 1 to 60 "
                    "characters after =, but without ; and % and quotation marks",
                    attribute=attribute,
                    keyword=keyword,
                )
            )
        same = names.setdefault(keyword.replace("-", ""), keyword)
        if same != keyword:
            raise table.bad(
                tr(
                    "'{attribute}.{keyword}' and '{same}' have the same name in drivers",
                    attribute=attribute,
                    keyword=keyword,
                    same=same,
                )
            )
    return dict(content)
