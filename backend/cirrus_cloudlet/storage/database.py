"""The database of one cloud: connections, and transactions of several threads.

A transaction is on disk when its block ends; a block that raises writes nothing. Several threads
and processes may use the database at once. The SQL of each subject is in its own module.
"""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from cirrus_cloudlet.storage.commits import GroupCommit
from cirrus_cloudlet.storage.engine import Connection, ConnectionLost, Row

ALL = 2**62  # rows: a limit that is none
_READS = ("SELECT", "WITH")


class Store(abc.ABC):
    """A database; an engine's module has the class that opens it.

    Attributes:
        is_local: whether reading a row takes no longer than changing the thread.
    """

    is_local = True

    def __init__(self) -> None:
        self._idle: list[Connection] = []  # threads share it: append and pop are atomic
        self._commits = GroupCommit(self._connect_to_write, self._begin)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def transaction(
        self, company: str = "", folder: Path | None = None
    ) -> AbstractContextManager[Connection]:
        """Write all changes of the block or none; they are durable when the block ends.

        Companies take turns, and the server's own work takes a turn as if it were a company. New
        names in a `folder` are durable, too. See `GroupCommit.transaction` for the errors.
        """
        return self._commits.transaction(company, folder)

    def execute(self, statement: str, *values: object) -> list[Row]:
        """Execute a statement in a transaction of its own, and return its rows."""
        if not statement.startswith(_READS):
            with self.transaction() as db:
                return db.execute(statement, values).fetchall()
        while True:
            try:
                db = self._idle.pop()
            except IndexError:
                return self._read(self._connect(), statement, values)
            with contextlib.suppress(ConnectionLost):  # the server may have been restarted
                return self._read(db, statement, values)

    @abc.abstractmethod
    def claim(self) -> None:
        """Be the only process that serves this database; raise SettingsError if another does."""

    @abc.abstractmethod
    def watch(self) -> AbstractContextManager[Callable[[], int]]:
        """Give a function that returns another number after each commit, of any process."""

    def close(self) -> None:
        """Close the connections that are not in use; call this when no transaction is open."""
        self._commits.close()
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _read(self, db: Connection, statement: str, values: Sequence[object]) -> list[Row]:
        # a connection moves between threads, but only one thread uses it at a time
        try:
            rows = db.execute(statement, values).fetchall()
        except ConnectionLost:
            db.close()
            raise
        except BaseException:
            self._idle.append(db)
            raise
        self._idle.append(db)
        return rows

    @abc.abstractmethod
    def _connect(self) -> Connection:
        """Connect to read."""

    @abc.abstractmethod
    def _connect_to_write(self) -> Connection:
        """Make the connection that writes."""

    @abc.abstractmethod
    def _begin(self, db: Connection) -> None:
        """Begin a transaction in which nobody else writes."""
