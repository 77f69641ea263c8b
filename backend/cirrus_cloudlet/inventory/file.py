"""cloudlet.toml on disk: read again after each change, and replaced atomically.

A person may edit the file at any time. While the file is broken, readers keep the last good
inventory, the log has the error, and programs cannot change the file. Changes by programs keep
its comments and order.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT
from tomlkit.toml_document import TOMLDocument

from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.files import lock, open_private
from cirrus_cloudlet.inventory.inventory import DELIVERY_FOLDER, Inventory
from cirrus_cloudlet.inventory.toml import read_inventory

log = logging.getLogger(__name__)
# the ids of a company, of its location and of its device → fields of this table
Changes = Mapping[tuple[str, ...], Mapping[str, Any]]
_FILE_BYTES = 4 * 1024 * 1024  # about 20,000 devices
KINDS = ("company", "location", "device")


class InventoryFile:
    """The inventory of one data folder, empty without a file; raises SettingsError if broken.

    Args:
        remote: changes are requested over the network. Nobody may get the server's rights by a
            change, so no device that reaches out of the delivery folder may change.
    """

    def __init__(self, folder: Path, *, remote: bool = False) -> None:
        self._remote = remote
        self._path = folder / "cloudlet.toml"
        self._name = os.fspath(self._path)
        self._lock = threading.Lock()
        self._seen = self._stat()
        self._current = self._read()

    def current(self) -> Inventory:
        """Read the inventory, or return the last good one while the file is broken."""
        with self._lock:
            seen = self._stat()
            if seen != self._seen:
                self._seen = seen
                try:
                    self._current = self._read()
                except SettingsError as error:
                    log.error("%s; the last good settings stay in use", error)
            return self._current

    def change(
        self, changes: Changes, note: Callable[[Inventory], None] = lambda before: None
    ) -> None:
        """Add the tables that are missing, set their fields, and replace the file.

        Args:
            note: gets the inventory before the change, and records a change that is about to
                happen. Nothing is recorded, and the file stays, if the fields are set already.

        Raises:
            SettingsError: the file is broken, or would be broken then, or the change is not
                allowed over the network; the file is unchanged.
        """
        with lock(self._path.with_name("cloudlet.lock")):
            before = self._text()
            try:
                document = tomlkit.parse(before)
            except TOMLKitError as error:
                raise SettingsError(f"{self._path}: {error}") from error
            for ids, fields in changes.items():
                _put(document, ids, fields)
            text = tomlkit.dumps(document)
            if len(text.encode()) > _FILE_BYTES:
                raise SettingsError(f"cloudlet.toml would have more than {_FILE_BYTES} bytes")
            after = read_inventory(text, self._path.name)
            known = read_inventory(before, self._path.name)
            if self._remote:
                _check_reach(known, after, self._path.with_name(DELIVERY_FOLDER))
            if text == before:
                return
            temporary = self._path.with_name(".cloudlet.toml.new")
            with open(temporary, "w", encoding="utf-8", newline="", opener=open_private) as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            note(known)
            temporary.replace(self._path)

    def _read(self) -> Inventory:
        return read_inventory(self._text(), str(self._path))

    def _text(self) -> str:
        try:
            return self._path.read_bytes().decode()
        except FileNotFoundError:
            return ""
        except UnicodeDecodeError as error:
            raise SettingsError(f"{self._path} is not UTF-8: {error}") from error
        except OSError as error:
            raise SettingsError(f"{self._path}: {error.strerror}") from error

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self._name)  # noqa: PTH116 - at each request; a Path takes longer
        except FileNotFoundError:
            return None
        return (found.st_mtime_ns, found.st_ino, found.st_size)


def _check_reach(before: Inventory, after: Inventory, folder: Path) -> None:
    """Raise SettingsError if a change adds or redirects a device that reaches out of a folder.

    The inventories were read from the file's texts, so no odd value can hide a device.
    """
    if before.reaching_out(folder) != after.reaching_out(folder):
        raise SettingsError(
            "a device that runs a command, prints to a CUPS queue or writes to an absolute path"
            " is set up on the server only; there, run cirrus-cloudlet device add, or edit"
            " cloudlet.toml"
        )


def _put(document: TOMLDocument, ids: tuple[str, ...], fields: Mapping[str, Any]) -> None:
    kind = KINDS[len(ids) - 1]
    key = dict(zip((*KINDS[: len(ids) - 1], "id"), ids, strict=True))
    tables = document.setdefault(kind, tomlkit.aot())
    if not isinstance(tables, AoT):
        raise SettingsError(f"cloudlet.toml: {kind} is not written as [[{kind}]] tables")
    for table in tables:
        if all(table.get(name) == value for name, value in key.items()):
            break
    else:
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
