"""Derived databases: files beside `cloudlet.db` with what can be made again from its rows.

They cost a submit nothing: a thread adds new rows in small batches, from the first use on. A file
may be removed at any time while the server is stopped. It is not synced, and a damaged file is
made again.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

log = logging.getLogger(__name__)
_PAUSE_S, _IDLE_S, _TROUBLE_S = 0.02, 2.0, 60.0
_T = TypeVar("_T")


class DerivedDatabase:
    """A derived database, made or opened by its first use.

    Args:
        schema: the statements for a new file; another schema makes the file again.
        advance: adds the next batch, and tells whether there are more.
    """

    def __init__(
        self, path: Path, schema: str, advance: Callable[[sqlite3.Connection], bool]
    ) -> None:
        self._path = path
        self._schema = schema
        self._advance = advance
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def use(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do work with the database in a transaction, while no other thread uses it."""
        with self._lock:
            try:
                return self._do(work)
            except sqlite3.DatabaseError as error:
                if type(error) is not sqlite3.DatabaseError:
                    raise
                log.warning("%s is damaged (%s), and is made again", self._path.name, error)
                self._remove()
                return self._do(work)

    def start(self) -> None:
        """Begin to advance in the background, unless this has begun."""
        with self._lock:
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()

    def stop(self, wait_s: float) -> None:
        self._stopping.set()
        if self._thread:
            self._thread.join(wait_s)
        with self._lock:
            self._close()

    def _run(self) -> None:
        wait_s = 0.0
        while not self._stopping.wait(wait_s):
            try:
                wait_s = _PAUSE_S if self.use(self._advance) else _IDLE_S
            except Exception:
                log.exception("%s cannot be updated", self._path.name)
                wait_s = _TROUBLE_S

    def _do(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        if self._db is None:
            self._db = self._open()
        with self._db:  # commits, or rolls back
            self._db.execute("BEGIN")
            return work(self._db)

    def _open(self) -> sqlite3.Connection:
        """Open the file, made again if it has another schema."""
        wanted = zlib.crc32(self._schema.encode()) & 0x7FFF_FFFF
        db = self._connect()
        try:
            (found,) = db.execute("PRAGMA user_version").fetchone()
            if found != wanted:
                db.close()
                self._remove()
                db = self._connect()
                db.executescript(f"BEGIN; {self._schema} PRAGMA user_version = {wanted}; COMMIT;")
        except BaseException:
            db.close()
            raise
        return db

    def _connect(self) -> sqlite3.Connection:
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))  # like `cloudlet.db`
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = OFF")
        except BaseException:
            db.close()
            raise
        return db

    def _close(self) -> None:
        if self._db:
            self._db.close()
            self._db = None

    def _remove(self) -> None:
        self._close()
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
