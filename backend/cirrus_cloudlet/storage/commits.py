"""Group commit: the transactions of threads that wait for each other are written together.

Writing to disk takes longer than all statements of a small transaction. So the connection, with its
open transaction, goes from a thread to the next one that waits, and the last one commits for all.
Each thread goes on only when its changes are on disk.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from cirrus_cloudlet.files import sync_folder
from cirrus_cloudlet.storage.engine import Connection, ConnectionLost
from cirrus_cloudlet.storage.turns import Turns

_MEMBERS = 64  # of a batch; a larger one would keep its first member waiting


class _Batch:
    def __init__(self, db: Connection) -> None:
        self.db = db
        self.members = 0
        self.folders: set[Path] = set()
        self.is_done = threading.Event()
        self.error: BaseException | None = None


class GroupCommit:
    """The write transactions of one database in this process.

    Args:
        connect: makes the connection, at the first transaction. It is always the same one, because
            a connection reads all pages again when another one has written.
        begin: begins a transaction of the connection.
    """

    def __init__(
        self, connect: Callable[[], Connection], begin: Callable[[Connection], object]
    ) -> None:
        self._connect = connect
        self._start = begin
        self._db: Connection | None = None
        # SQLite lets one connection write; the others retry after sleeps of up to 0.1 s, and in no
        # fair order
        self._turns = Turns()
        self._batch: _Batch | None = None  # the thread whose turn it is uses this

    @property
    def waiting(self) -> int:
        """The number of threads that wait."""
        return self._turns.waiting

    @contextlib.contextmanager
    def transaction(self, company: str, folder: Path | None = None) -> Iterator[Connection]:
        """Write all changes of the block or none; they are durable when the block ends.

        Args:
            company: companies take turns.
            folder: new names in this folder are on disk before the changes are.

        Raises:
            sqlite3.Error, DatabaseFault: the changes cannot be written; those of the batch's others
                neither.
            OSError: the folder cannot be written.
        """
        with self._turns.turn(company):
            batch = self._batch = self._batch or self._begin()
            try:
                if folder:
                    batch.folders.add(folder)
                with savepoint(batch.db):
                    yield batch.db
            except BaseException as error:
                if not batch.db.in_transaction:  # the database has undone the whole batch
                    batch.error = error
                raise
            finally:
                batch.members += 1
                is_last = batch.members >= _MEMBERS or not self._turns.waiting
                if batch.error or is_last:
                    self._end(batch)
        batch.is_done.wait()
        if batch.error:
            raise batch.error

    def close(self) -> None:
        """Close the connection; call this when no transaction is open."""
        if self._db:
            self._db.close()
            self._db = None

    def _begin(self) -> _Batch:
        if self._db is not None:
            try:
                self._start(self._db)
            except ConnectionLost:  # the server may have been restarted
                self.close()
            else:
                return _Batch(self._db)
        self._db = self._connect()
        self._start(self._db)
        return _Batch(self._db)

    def _end(self, batch: _Batch) -> None:
        self._batch = None
        try:
            if not batch.error:
                for folder in batch.folders:
                    sync_folder(folder)
                batch.db.commit()
        except BaseException as error:  # noqa: BLE001 - each member raises it
            batch.error = error
            if batch.db.in_transaction:
                batch.db.rollback()
        finally:
            batch.is_done.set()


@contextlib.contextmanager
def savepoint(db: Connection) -> Iterator[None]:
    """Undo the changes of the block, and no others, if the block raises an exception."""
    db.execute("SAVEPOINT member")
    try:
        yield
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK TO member")
            db.execute("RELEASE member")
        raise
    db.execute("RELEASE member")
