"""Errors, one class for each way of reporting.

A `Refusal` is reported as `Error: …`, a `RequestFault` by a 4xx status, and a `QuotaFull` by status
429, which is not final. A `SettingsError` ends a command, or keeps the last good settings in use.
No error contains a key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class Refusal(Exception):
    """The request is understood, but cannot be carried out; nothing was changed."""


class WrongFormat(Refusal):
    """A device does not take the format `found`, but only `formats`."""

    def __init__(self, device: str, formats: Sequence[str], found: str) -> None:
        super().__init__(f"{device} takes {', '.join(formats)}, and this document is {found}")
        self.formats = formats
        self.found = found


class RequestFault(Exception):
    """The structure of the request is wrong: its key, path, method, parameters or size.

    The response has `headers`, which tell a client what would be right.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


class QuotaFull(Exception):
    """A quota has no room now; nothing was changed, and the same request may work later."""


class NotSmall(Exception):
    """The document of a small submit is large; do the submit by itself. Nothing was changed."""


class SettingsError(Exception):
    """cloudlet.toml, the data folder or a command's argument cannot be used.

    Args:
        text: the message, or its template for `fields`. A page shows the template's translation.
    """

    def __init__(self, text: object, /, **fields: object) -> None:
        self.template = str(text)
        self.fields = fields
        super().__init__(self.template.format_map(fields) if fields else self.template)
