"""The client's journal: what it has of each claimed job, on disk before the next step.

claimed → fetched → delivering → delivered or failed → removed, once the server knows. A restart
continues at the recorded step. Only `delivering` leaves open what has happened.
"""

from __future__ import annotations

import contextlib
import enum
import json
import os
import sqlite3
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.files import open_private

_FORMAT = 1
_SCHEMA = """
CREATE TABLE claimed (
    token TEXT PRIMARY KEY,
    job TEXT NOT NULL,
    told TEXT NOT NULL,
    step TEXT NOT NULL,
    target TEXT NOT NULL DEFAULT '',
    path TEXT,
    message TEXT NOT NULL DEFAULT '',
    again INTEGER NOT NULL DEFAULT 0,
    changed REAL NOT NULL
) STRICT;
"""


class Step(enum.StrEnum):
    """What the client has done with a job."""

    CLAIMED = "claimed"
    FETCHED = "fetched"
    DELIVERING = "delivering"
    DELIVERED = "delivered"
    FAILED = "failed"


class Entry(NamedTuple):
    """A job in the journal.

    Attributes:
        told: what the server has said of the job and its device.
        path: where a file delivery writes; None for others.
        again: of a failed delivery: whether another attempt may help.
        changed: the time of the step, by this machine's clock.
    """

    token: str
    job: str
    told: Mapping[str, Any]
    step: Step
    target: str
    path: str | None
    message: str
    again: bool
    changed: float


class Journal:
    """The journal in a client's folder; several threads may use it at once.

    Raises:
        SettingsError: a newer version has written the journal.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "client.db"
        os.close(open_private(os.fspath(path), os.O_CREAT | os.O_RDWR))
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        (found,) = self._db.execute("PRAGMA user_version").fetchone()
        if found == 0:
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_FORMAT}; COMMIT;")
        elif found != _FORMAT:
            raise SettingsError(f"{path} was written by a newer version of cirrus-cloudlet")

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def add(self, told: Mapping[str, Any]) -> Entry:
        """Add a job that the server has told of."""
        self._execute(
            "INSERT INTO claimed (token, job, told, step, changed) VALUES (?, ?, ?, ?, ?)",
            *(told["token"], told["id"], json.dumps(told), Step.CLAIMED, time.time()),
        )
        (entry,) = self._entries("WHERE token = ?", told["token"])
        return entry

    def note(self, token: str, step: Step, message: str = "", *, again: bool = False) -> None:
        """Note a step before the next one happens."""
        self._execute(
            "UPDATE claimed SET step = ?, message = ?, again = ?, changed = ? WHERE token = ?",
            *(step, message, again, time.time(), token),
        )

    def aim(self, token: str, target: str, path: str | None) -> None:
        """Note a delivery's target before anything is sent there."""
        self._execute("UPDATE claimed SET target = ?, path = ? WHERE token = ?",
                      target, path, token)  # fmt: skip

    def find(self, token: str) -> Entry | None:
        """Find a job; None if the journal no longer has it."""
        return next(iter(self._entries("WHERE token = ?", token)), None)

    def remove(self, token: str) -> None:
        """Forget a job, because the server knows its end."""
        self._execute("DELETE FROM claimed WHERE token = ?", token)

    def all(self) -> list[Entry]:
        """List all jobs."""
        return self._entries()

    def _entries(self, where: str = "", *values: object) -> list[Entry]:
        rows = self._execute(
            "SELECT token, job, told, step, target, path, message, again, changed"  # noqa: S608
            f" FROM claimed {where}",
            *values,
        )
        return [
            Entry(token, job, json.loads(told), Step(step), target, path, message, bool(again), at)
            for token, job, told, step, target, path, message, again, at in rows
        ]

    def _execute(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock, contextlib.closing(self._db.execute(statement, values)) as found:
            return found.fetchall()
