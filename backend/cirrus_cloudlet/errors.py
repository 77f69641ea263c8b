"""What can go wrong, as the one who asked is told it.

Three classes, one for each way of telling: a `Refused` request is answered with `Error: …`, a
`RequestFault` with a 4xx status, and a `SettingsError` ends a command or keeps the last good
settings in use. None of them ever carries a key.
"""

from __future__ import annotations


class Refused(Exception):
    """The request was understood and is not carried out; nothing was changed."""


class RequestFault(Exception):
    """The request itself is wrong in its structure: key, path, method, parameters, size."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class SettingsError(Exception):
    """cloudlet.toml, the data folder or a command's argument can not be used as it is."""
