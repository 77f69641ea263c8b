"""What an engine's connections have in common.

The SQL of each subject is in its own module, once for all engines. It is SQLite's, as far as other
engines know the same; an engine's own module has its differences.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol


class Row(Protocol):
    """A row of a result; its columns have numbers and names."""

    def __getitem__(self, key: Any, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...

    def keys(self) -> Iterable[str]: ...


class Cursor(Protocol):
    """The result of a statement."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A connection, which one thread uses at a time."""

    @property
    def in_transaction(self) -> bool: ...

    def execute(self, statement: str, values: Sequence[object] = ..., /) -> Cursor: ...

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def close(self) -> None: ...


class DatabaseFault(Exception):
    """A database server has refused a statement; the text is for the log.

    Attributes:
        is_full: whether its disk is full.
    """

    def __init__(self, text: str, *, is_full: bool = False) -> None:
        super().__init__(text)
        self.is_full = is_full


class ConnectionLost(DatabaseFault):
    """The database server cannot be reached; nothing was changed."""


class CommitInDoubt(DatabaseFault):
    """The connection was lost during a commit; nobody knows whether the changes are stored."""
