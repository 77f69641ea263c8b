"""Open the database of a data folder."""

from __future__ import annotations

from pathlib import Path

from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.sqlite import SqliteStore


def open_store(folder: Path) -> Store:
    """Open the database of a data folder, made or upgraded if that is needed.

    Raises:
        SettingsError: a newer version has written the database.
        OSError: the folder cannot be read or written.
    """
    return SqliteStore(folder)
