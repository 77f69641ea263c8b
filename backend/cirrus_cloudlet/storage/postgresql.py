"""PostgreSQL: the database of a cloud on a database server.

One transaction of all processes writes at a time, as with SQLite: an advisory lock is its turn. So
the numbers of rows have the order of the commits, which the search index and the figures follow,
and no two transactions stop each other.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import RawCursor
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import StrDumperUnknown

from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.engine import (
    CommitInDoubt,
    Connection,
    ConnectionLost,
    Cursor,
    DatabaseFault,
)
from cirrus_cloudlet.storage.postgresql_schema import BASE_VERSION, base, translate
from cirrus_cloudlet.storage.schema import SCHEMAS

log = logging.getLogger(__name__)
_OLDEST = 130000  # the server's version
_CONNECT_S = 5
# a process that hangs while it writes makes all others wait; both limits are the server's
_HANGS_S, _WAIT_S = 10, 20
_DOUBT_S = 30.0  # how long to find out whether a commit has happened
_PAUSE_S = 0.5
_LOOK_ANYWAY_S = 10.0  # if news are lost
_MARK_S = 24 * 3600.0
_WRITING, _SERVING = 7_309_401_001, 7_309_401_002  # advisory locks of this database
_BEGIN = f"BEGIN; SELECT pg_advisory_xact_lock({_WRITING})"
_NEWS = "cirrus_cloudlet"
_NETWORK: Mapping[str, Any] = {
    "connect_timeout": _CONNECT_S,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "client_encoding": "utf-8",
    "application_name": "cirrus-cloudlet",
}
# a server's weaker setting must not weaken what a submit promises
_SETTINGS = f"""
SET lock_timeout = '{_WAIT_S}s';
SET idle_in_transaction_session_timeout = '{_HANGS_S}s';
SET tcp_keepalives_idle = 10;
SET tcp_keepalives_interval = 5;
SET tcp_keepalives_count = 3;
SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') IN ('off', 'local');
"""
_DISK_FULL, _MAY_NOT = "53100", "42501"
# what SQLite writes otherwise
_DIFFERENCES = (
    (re.compile(r" INDEXED BY \w+"), ""),
    (re.compile(r"\bjson_array\("), "cloudlet_array("),
    (re.compile(r"SELECT value FROM json_each\((.*?)\)"),
     r"SELECT value::bigint FROM json_array_elements_text(\1::json)"),
)  # fmt: skip


@functools.lru_cache(maxsize=1000)
def translated(statement: str) -> str:
    """A statement of SQLite as one of PostgreSQL."""
    for pattern, replacement in _DIFFERENCES:
        statement = pattern.sub(replacement, statement)
    numbers = itertools.count(1)
    return re.sub(r"\?(\d*)", lambda found: f"${found[1] or next(numbers)}", statement)


class PostgresqlRow:
    """A row; its columns have numbers and names."""

    __slots__ = ("_places", "_values")

    def __init__(self, values: Sequence[Any], places: Mapping[str, int]) -> None:
        self._values = tuple(values)
        self._places = places

    def __getitem__(self, key: Any) -> Any:
        return self._values[self._places[key] if isinstance(key, str) else key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def keys(self) -> Sequence[str]:
        return [*self._places]


def _rows(cursor: psycopg.Cursor[Any]) -> Callable[[Sequence[Any]], PostgresqlRow]:
    places = {column.name: number for number, column in enumerate(cursor.description or ())}
    return lambda values: PostgresqlRow(values, places)


class _Cursor(RawCursor[PostgresqlRow]):
    def fetchall(self) -> list[PostgresqlRow]:
        return super().fetchall() if self.description else []


class _TextDumper(StrDumperUnknown):
    """PostgreSQL's texts have no NUL; it becomes the sign that shows a NUL."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", "\u2400"))


class PostgresqlConnection:
    """A connection that takes SQLite's statements.

    Raises:
        ConnectionLost: the server cannot be reached.
    """

    def __init__(self, url: str) -> None:
        try:
            self._raw = psycopg.connect(
                url, autocommit=True, row_factory=_rows, cursor_factory=_Cursor, **_NETWORK
            )
        except psycopg.Error as error:
            raise ConnectionLost(_first_line(error)) from error
        self._raw.adapters.register_dumper(str, _TextDumper)
        # of one type, so that a statement is prepared once
        self._raw.adapters.register_dumper(int, Int8Dumper)
        self.run(_SETTINGS)

    @property
    def in_transaction(self) -> bool:
        return self._raw.info.transaction_status in (
            TransactionStatus.INTRANS,
            TransactionStatus.INERROR,
        )

    @property
    def server_version(self) -> int:
        return self._raw.info.server_version

    def execute(self, statement: str, values: Sequence[object] = (), /) -> Cursor:
        with self._faults():
            return self._raw.execute(translated(statement).encode(), values or None)

    def run(self, script: str) -> None:
        """Execute statements of PostgreSQL."""
        with self._faults():
            self._raw.execute(script.encode())

    def commit(self) -> None:
        self.run("COMMIT")

    def rollback(self) -> None:
        self.run("ROLLBACK")

    def close(self) -> None:
        self._raw.close()

    def count_news(self) -> int:
        """Count the notifications that have arrived since the last call."""
        with self._faults():
            self._raw.execute("SELECT")  # a lost connection raises an error
            return sum(1 for _ in self._raw.notifies(timeout=0))

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            if self._raw.closed:
                raise ConnectionLost(_first_line(error)) from error
            is_full = error.sqlstate == _DISK_FULL
            raise DatabaseFault(_first_line(error), is_full=is_full) from error


class _WritingConnection(PostgresqlConnection):
    """A connection whose commits leave a mark, so that a commit in doubt can be looked up."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._url = url
        self._process = uuid.uuid4().hex
        self._number = 0
        now = time.time()
        self.execute("DELETE FROM commit_mark WHERE used < ?", (now - _MARK_S,))
        self.execute(
            "INSERT INTO commit_mark (process, number, used) VALUES (?, 0, ?)",
            (self._process, now),
        )

    def commit(self) -> None:
        """Commit, and notify the others.

        Raises:
            DatabaseFault: nothing was changed.
            CommitInDoubt: the server cannot be reached any longer.
        """
        self._number += 1
        try:
            self.run(
                "INSERT INTO commit_mark AS mark (process, number, used)"  # noqa: S608
                f" VALUES ('{self._process}', {self._number}, {time.time()})"
                " ON CONFLICT (process)"
                " DO UPDATE SET number = excluded.number, used = excluded.used;"
                f" NOTIFY {_NEWS}; COMMIT"
            )
        except ConnectionLost:
            if not self._has_committed():
                raise

    def _has_committed(self) -> bool:
        until = time.monotonic() + _DOUBT_S
        while True:
            try:
                with contextlib.closing(PostgresqlConnection(self._url)) as db:
                    # the transaction may still be running, and it has this lock
                    db.run(_BEGIN)
                    row = db.execute(
                        "SELECT number FROM commit_mark WHERE process = ?", (self._process,)
                    ).fetchone()
                    db.rollback()
                return row is not None and row["number"] == self._number
            except DatabaseFault as error:
                if time.monotonic() > until:
                    raise CommitInDoubt(str(error)) from error
            time.sleep(_PAUSE_S)


class PostgresqlStore(Store):
    """A database on a server; its tables are made or upgraded if that is needed.

    Raises:
        SettingsError: the database cannot be used.
    """

    is_local = False

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._news: _News | None = None
        try:
            with contextlib.closing(self._connect()) as db:
                _check_server(db)
                _upgrade(db)
        except DatabaseFault as fault:
            advice = "Check the address, the user and the password in --database, and the server"
            if isinstance(fault.__cause__, psycopg.Error) and fault.__cause__.sqlstate == _MAY_NOT:
                advice = "Make the user the owner of the database"
            raise SettingsError(f"cannot use the database ({fault}). {advice}") from fault

    def claim(self) -> None:
        try:
            self._news = _News(self._connect)
        except DatabaseFault as fault:
            raise SettingsError(f"cannot use the database ({fault})") from fault

    @contextlib.contextmanager
    def watch(self) -> Iterator[Callable[[], int]]:
        news = self._news = self._news or _News(self._connect)
        yield news.number

    def close(self) -> None:
        super().close()
        if self._news:
            self._news.close()
            self._news = None

    def _connect(self) -> PostgresqlConnection:
        return PostgresqlConnection(self._url)

    def _connect_to_write(self) -> _WritingConnection:
        return _WritingConnection(self._url)

    def _begin(self, db: Connection) -> None:
        db.execute(_BEGIN)


class _News:
    """The connection of the process that serves the database; there is one.

    Raises:
        SettingsError: another process serves the database.
    """

    def __init__(self, connect: Callable[[], PostgresqlConnection]) -> None:
        self._connect = connect
        self._count = 0
        self._look_at = 0.0
        self._db: PostgresqlConnection | None = self._begin()

    def number(self) -> int:
        """Another number after each commit, and from time to time."""
        if self._db is None:
            self._db = self._begin()
            self._count += 1
        try:
            self._count += self._db.count_news()
        except DatabaseFault:
            self.close()
            raise
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + _LOOK_ANYWAY_S
            self._count += 1
        return self._count

    def close(self) -> None:
        if self._db:
            self._db.close()
            self._db = None

    def _begin(self) -> PostgresqlConnection:
        db = self._connect()
        try:
            self._lock(db)
            db.run(f"LISTEN {_NEWS}")
        except BaseException:
            db.close()
            raise
        return db

    def _lock(self, db: PostgresqlConnection) -> None:
        """Keep other processes from serving; a killed one's connection may last for a moment."""
        until = time.monotonic() + _CONNECT_S
        while not db.execute(f"SELECT pg_try_advisory_lock({_SERVING})").fetchone()[0]:
            if time.monotonic() > until:
                raise SettingsError("another cirrus-cloudlet already serves this database")
            time.sleep(_PAUSE_S)


def _check_server(db: PostgresqlConnection) -> None:
    if db.server_version < _OLDEST:
        raise SettingsError("the database needs PostgreSQL 13 or later")
    ((encoding, fsync),) = db.execute(
        "SELECT current_setting('server_encoding'), current_setting('fsync')"
    )
    if encoding != "UTF8":
        raise SettingsError(f"the database has the encoding {encoding}; make one with UTF8")
    if fsync != "on":
        log.warning("PostgreSQL runs with fsync = %s, so a power cut may lose jobs", fsync)


def _upgrade(db: PostgresqlConnection) -> None:
    if _version(db) == len(SCHEMAS):
        return  # without waiting for others
    db.run(_BEGIN)
    version = _version(db)
    if version is None:
        db.run(base())
        version = BASE_VERSION
        db.execute("INSERT INTO schema_version VALUES (?)", (version,))
    if version > len(SCHEMAS):
        db.rollback()
        raise SettingsError(
            f"the database was written by a newer version of cirrus-cloudlet (format {version};"
            f" this version knows up to {len(SCHEMAS)}). Install that version again, or a newer one"
        )
    for step in SCHEMAS[version:]:
        db.run(translate(step))
    db.execute("UPDATE schema_version SET version = ?", (len(SCHEMAS),))
    db.commit()


def _version(db: PostgresqlConnection) -> int | None:
    """The version of the database's tables; None if there are none."""
    if db.execute("SELECT to_regclass('schema_version')").fetchone()[0] is None:
        return None
    return int(db.execute("SELECT version FROM schema_version").fetchone()[0])


def _first_line(error: psycopg.Error) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
