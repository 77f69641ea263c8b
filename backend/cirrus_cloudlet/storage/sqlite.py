"""SQLite: the database `cloudlet.db` of a data folder, which needs no server."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.files import lock
from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.engine import Connection
from cirrus_cloudlet.storage.schema import HISTORY, ROLES, SCHEMAS

log = logging.getLogger(__name__)
DATABASE_FILE = "cloudlet.db"
_BUSY_TIMEOUT_S = 15.0


@contextlib.contextmanager
def _closed_by_an_error(db: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        db.close()
        raise


class SqliteStore(Store):
    """The database `cloudlet.db` of a data folder, made if it is missing."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._path = folder / DATABASE_FILE
        with lock(folder / "cloudlet.lock"):
            # titles are private; SQLite gives the WAL files the mode of the database
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
            with contextlib.closing(self._connect()) as db:
                self._upgrade(db)

    def claim(self) -> None:
        """Do nothing: a lock in the data folder keeps other servers away."""

    @contextlib.contextmanager
    def watch(self) -> Iterator[Callable[[], int]]:
        with contextlib.closing(self._connect()) as db:
            yield lambda: int(db.execute("PRAGMA data_version").fetchone()[0])

    def _connect_to_write(self) -> sqlite3.Connection:
        db = self._connect()
        with _closed_by_an_error(db):
            db.executescript(HISTORY)
        return db

    def _begin(self, db: Connection) -> None:
        db.execute("BEGIN IMMEDIATE")

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(
            self._path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        with _closed_by_an_error(db):
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA foreign_keys = ON")
        return db

    def _upgrade(self, db: sqlite3.Connection) -> None:
        db.execute("PRAGMA journal_mode = WAL")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(SCHEMAS):
            raise SettingsError(
                f"{self._path} was written by a newer version of cirrus-cloudlet (format {version};"
                f" this version knows up to {len(SCHEMAS)}). Install that version again, or a"
                " newer one, or restore a copy of the folder from before the upgrade: UPGRADE AND"
                " DOWNGRADE in cirrus-cloudlet(8) has the steps"
            )
        if version < len(SCHEMAS):
            missing = SCHEMAS[version:]
            script = "".join(missing) + f"PRAGMA user_version = {len(SCHEMAS)};"
            with db:  # rolls back after an error
                db.executescript(f"BEGIN IMMEDIATE; {script} COMMIT;")
            if ROLES in missing:
                self._tell_of_roles(db)

    def _tell_of_roles(self, db: sqlite3.Connection) -> None:
        (count,) = db.execute("SELECT count(*) FROM api_key").fetchone()
        if count:
            log.warning(
                "existing API keys (%d) may now only print; to let one change devices and"
                " locations, run: cirrus-cloudlet key role NAME admin --data %s",
                count,
                shlex.quote(str(self._path.parent)),
            )
