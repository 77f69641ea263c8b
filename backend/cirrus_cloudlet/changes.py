"""Changes to cloudlet.toml, each with its entries in the list of changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cirrus_cloudlet.inventory.file import KINDS, Changes, InventoryFile
from cirrus_cloudlet.inventory.inventory import Inventory
from cirrus_cloudlet.storage.audit import Actor, record
from cirrus_cloudlet.storage.database import Store


def change_inventory(file: InventoryFile, store: Store, changes: Changes, by: Actor) -> None:
    """Change cloudlet.toml, and record who did.

    The entries are on disk before the file is: a crash in between leaves an entry without a
    change, never a change without an entry.

    Raises:
        SettingsError: as by `InventoryFile.change`; then there are no entries.
    """

    def note(before: Inventory) -> None:
        with store.transaction() as db:
            for ids, fields in changes.items():
                exists = _exists(before, *ids)
                if fields or not exists:
                    action = f"{KINDS[len(ids) - 1]} {'change' if exists else 'add'}"
                    record(db, by, action, "/".join(ids), ids[0], **_shown(fields))

    file.change(changes, note)


def _exists(inventory: Inventory, company: str, location: str = "", device: str = "") -> bool:
    if not location:
        return company in inventory.companies
    found = inventory.find(company, location, device)
    return found[1 if device else 0] is not None


def _shown(fields: Mapping[str, Any]) -> dict[str, Any]:
    # a property may be somebody's PIN, so only the names of the properties are kept
    return {
        name: ", ".join(value) if name in ("props", "formats") else _text(value)
        for name, value in fields.items()
    }


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
