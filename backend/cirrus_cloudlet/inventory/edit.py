"""Edits of cloudlet.toml.

An edit changes only the tables and fields that it names. `InventoryFile.change` checks the
result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tomlkit
from tomlkit.items import AoT, Table
from tomlkit.toml_document import TOMLDocument

from cirrus_cloudlet.errors import SettingsError

Edit = Callable[[TOMLDocument], None]


def put_company(company: str) -> Edit:
    """Add a company, if it is missing."""
    return lambda document: _put(document, "company", {"id": company}, {})


def put_location(company: str, location: str, fields: Mapping[str, Any]) -> Edit:
    """Add a location, or set these fields of an existing location."""
    key = {"company": company, "id": location}
    return lambda document: _put(document, "location", key, fields)


def put_device(company: str, location: str, device: str, fields: Mapping[str, Any]) -> Edit:
    """Add a device, or set these fields of an existing device."""
    key = {"company": company, "location": location, "id": device}
    return lambda document: _put(document, "device", key, fields)


def combine(*edits: Edit) -> Edit:
    """Combine edits into one, in their order."""

    def edit(document: TOMLDocument) -> None:
        for each in edits:
            each(document)

    return edit


def _put(
    document: TOMLDocument, kind: str, key: Mapping[str, str], fields: Mapping[str, Any]
) -> None:
    tables = document.setdefault(kind, tomlkit.aot())
    if not isinstance(tables, AoT):
        raise SettingsError(f"cloudlet.toml: {kind} is not written as [[{kind}]] tables")
    table = next((each for each in tables if _has(each, key)), None)
    if table is None:
        table = tomlkit.table()
        table.update(key)
        tables.append(table)
    for name, value in fields.items():
        if isinstance(value, Mapping):
            inline = tomlkit.inline_table()
            inline.update(value)
            table[name] = inline
        else:
            table[name] = value


def _has(table: Table, key: Mapping[str, str]) -> bool:
    return all(table.get(name) == value for name, value in key.items())
