"""One request, parsed strictly: raw path, fields, key.

The path is split before it is decoded, so that an id may hold `/` or `%`. Wrong UTF-8, wrong
percent-encoding and repeated fields are faults of the request; nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from urllib.parse import parse_qsl, unquote

from starlette.requests import Request

from cirrus_cloudlet.errors import RequestFault

_FORM_BYTES = 1024 * 1024
_FIELDS = 100
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Call:
    """A request to this server."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.method = request.method
        self.path = _path(request.scope["raw_path"])

    def bearer(self) -> str | None:
        """The API key; None if no key was sent."""
        scheme, _, key = self._request.headers.get("authorization", "").partition(" ")
        return key.strip() if scheme.lower() == "bearer" and key.strip() else None

    def idempotency_key(self) -> str | None:
        """The key that repeats of a submit share (draft-ietf-httpapi-idempotency-key-header).

        Raises:
            RequestFault: the key is empty, or longer than 255 characters.
        """
        key = self._request.headers.get("idempotency-key")
        if key is not None and not 0 < len(key) <= 255:
            raise RequestFault(400, "Idempotency-Key takes 1 to 255 characters")
        return key

    def cookie(self, name: str) -> str:
        """A cookie's value; empty if the cookie was not sent."""
        return self._request.cookies.get(name, "")

    def header(self, name: str) -> str:
        """A header's value; empty if the header was not sent."""
        return self._request.headers.get(name, "")

    def address(self) -> str:
        """The client's address; empty if the connection has none."""
        return self._request.client.host if self._request.client else ""

    def is_secure(self) -> bool:
        """Tell whether the request came over TLS."""
        return self._request.url.scheme == "https"

    def port(self) -> int:
        """The server's port."""
        return int(self._request.scope["server"][1])

    async def fields(self, known: frozenset[str]) -> dict[str, str]:
        """Read the fields of the query and, for POST, of the form.

        Raises:
            RequestFault: a field is not `known`, comes twice or is badly encoded.
        """
        pairs = _pairs(self._request.scope["query_string"])
        if self.method == "POST":
            pairs += _pairs(await self._form())
        found: dict[str, str] = {}
        for name, value in pairs:
            if name not in known:
                raise RequestFault(400, f"unknown parameter {name!r}")
            if name in found:
                raise RequestFault(400, f"parameter {name!r} is given twice")
            found[name] = value
        return found

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the request's body in pieces, as they arrive."""
        async for piece in self._request.stream():
            if piece:
                yield piece

    def length(self) -> int | None:
        """The body's announced length in bytes; None if it is not announced."""
        announced = self._request.headers.get("content-length")
        return int(announced) if announced is not None else None

    async def _form(self) -> bytes:
        form = bytearray()
        async for piece in self.body():
            form += piece
            if len(form) > _FORM_BYTES:
                raise RequestFault(413, f"a form has at most {_FORM_BYTES} bytes")
        kind = self._request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if form and kind != "application/x-www-form-urlencoded":
            raise RequestFault(415, "a POST body has to be application/x-www-form-urlencoded")
        return bytes(form)


def require(fields: dict[str, str], name: str) -> str:
    """Return a field's value.

    Raises:
        RequestFault: the field is missing.
    """
    if name not in fields:
        raise RequestFault(400, f"parameter {name!r} is missing")
    return fields[name]


def _path(raw: bytes) -> tuple[str, ...]:
    try:
        text = raw.decode("ascii")
        if _BAD_PERCENT.search(text):
            raise RequestFault(400, "the path has a % without two hexadecimal digits")
        return tuple(unquote(part, errors="strict") for part in text.split("/")[1:])
    except UnicodeDecodeError as error:
        raise RequestFault(400, "the path is not UTF-8") from error


def _pairs(encoded: bytes) -> list[tuple[str, str]]:
    try:
        text = encoded.decode("ascii")
        if _BAD_PERCENT.search(text):
            raise RequestFault(400, "a parameter has a % without two hexadecimal digits")
        return parse_qsl(
            text, keep_blank_values=True, strict_parsing=False, errors="strict",
            max_num_fields=_FIELDS,
        )  # fmt: skip
    except UnicodeDecodeError as error:
        raise RequestFault(400, "a parameter is not UTF-8") from error
    except ValueError as error:
        raise RequestFault(400, f"more than {_FIELDS} parameters") from error
