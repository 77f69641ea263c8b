"""Open the database of a data folder: `cloudlet.db` there, or one on a database server.

The file `database` in the folder has the server's address, so that all commands use the same one.
"""

from __future__ import annotations

import os
from pathlib import Path

from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.files import open_private
from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.sqlite import DATABASE_FILE, SqliteStore

_ADDRESS_FILE = "database"
_SCHEMES = ("postgresql://", "postgres://")


def open_store(folder: Path) -> Store:
    """Open the database of a data folder, made or upgraded if that is needed.

    Raises:
        SettingsError: the database cannot be used, or a newer version has written it.
        OSError: the folder cannot be read or written.
    """
    address = _read_address(folder)
    return _open_server(address) if address else SqliteStore(folder)


def choose_database(folder: Path, address: str) -> None:
    """Make a data folder use a database on a server from now on.

    Args:
        address: as `postgresql://USER@HOST/DATABASE`; a password in it is kept for the owner alone.

    Raises:
        SettingsError: the database cannot be used, or the folder has one of its own.
    """
    if address == _read_address(folder):
        return
    if not address.startswith(_SCHEMES):
        raise SettingsError("--database is not of the form postgresql://USER@HOST/DATABASE")
    if (folder / DATABASE_FILE).exists():
        raise SettingsError(
            f"{folder} has its own database, {DATABASE_FILE}. Give another folder with --data, or"
            " leave out --database"
        )
    _open_server(address).close()
    written = folder / f"{_ADDRESS_FILE}.new"
    written.unlink(missing_ok=True)
    with open(written, "w", encoding="utf-8", opener=open_private) as file:
        file.write(f"{address}\n")
        file.flush()
        os.fsync(file.fileno())
    written.replace(folder / _ADDRESS_FILE)


def _read_address(folder: Path) -> str:
    try:
        return (folder / _ADDRESS_FILE).read_text("utf-8").strip()
    except FileNotFoundError:
        return ""


def _open_server(address: str) -> Store:
    try:
        # imported late: few clouds need it, and it needs the extra `postgresql`
        from cirrus_cloudlet.storage.postgresql import PostgresqlStore
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        raise SettingsError(
            "this installation cannot use PostgreSQL, because the Python package psycopg is"
            " missing. Install cirrus-cloudlet from source, with the extra postgresql: POSTGRESQL"
            " in cirrus-cloudlet(8) has the command"
        ) from error
    return PostgresqlStore(address)
