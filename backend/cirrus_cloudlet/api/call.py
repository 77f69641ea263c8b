"""One request, parsed strictly: raw path, fields, key.

The path is split before it is decoded, so that an id may hold `/` or `%`. Wrong UTF-8, wrong
percent-encoding and repeated fields are faults of the request; nothing is guessed.

starlette's `url` and `cookies` are not used. `url` raises ValueError for some hosts. `cookies`
takes minutes for some cookies before Python 3.11.10 and 3.12.6 (CVE-2024-7592).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TypeVar
from urllib.parse import parse_qsl, unquote

from starlette.requests import Request
from starlette.types import Receive, Scope

from cirrus_cloudlet.compression import Compression
from cirrus_cloudlet.errors import RequestFault

_T = TypeVar("_T")
_FORM_BYTES = 256 * 1024
_FIELDS = 100
# the forms of a target without its query (RFC 9112, section 3.2): origin and absolute
_TARGET = re.compile(rb"(?:https?://([^/?#]*))?(/.*)?", re.IGNORECASE | re.DOTALL)
_HOST = re.compile(r"(?:\[[\w.:%~-]+\]|[\w.~!$&'()*+,;=%-]*)(?::[0-9]*)?", re.ASCII)
_VALUE_BYTES = 1024
_LONG_VALUE_BYTES = {"targets": 64 * 1024, "printers": 128 * 1024} | dict.fromkeys(
    ("props", "DefaultProps", "Notes", "Target", "job", "have"), 8192
)
_CODINGS = {
    "identity": Compression.NONE,
    "deflate": Compression.ZLIB,  # RFC 9110, section 8.4.1.2
    "gzip": Compression.GZIP,
    "x-gzip": Compression.GZIP,
}
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Call(Request):
    """A request to this server.

    Its `authority` is the host and port that the client has requested. The constructor raises
    RequestFault if the target is not a path, or if the target or the host is malformed.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        super().__init__(scope, receive)
        target = _TARGET.fullmatch(scope["raw_path"])
        if target is None or not scope["raw_path"]:
            # `*` and `host:port`, of OPTIONS and CONNECT alone
            raise RequestFault(400, "the request target has to be a path")
        named, path = target.groups()
        # the host of an absolute target goes before the header (RFC 9112, section 3.2.2)
        host = self.headers.get("host", "")
        self.authority = host if named is None else named.decode("ascii")
        if not all(_HOST.fullmatch(each) for each in (host, self.authority)):
            raise RequestFault(400, "the host is malformed")
        self.path = _decode(path or b"/", "the path", _split)

    @property
    def is_read(self) -> bool:
        """Whether the request is a GET, or a HEAD: a GET whose answer is sent without its body."""
        return self.method in ("GET", "HEAD")

    def bearer(self) -> str | None:
        """The API key; None if no key was sent."""
        scheme, _, key = self.headers.get("authorization", "").partition(" ")
        return key.strip() if scheme.lower() == "bearer" and key.strip() else None

    def idempotency_key(self) -> str | None:
        """The key that repeats of a submit share (draft-ietf-httpapi-idempotency-key-header).

        Raises:
            RequestFault: the key is empty, or longer than 255 characters.
        """
        key = self.headers.get("idempotency-key")
        if key is not None and not 0 < len(key) <= 255:
            raise RequestFault(400, "Idempotency-Key takes 1 to 255 characters")
        return key

    def content_coding(self) -> Compression:
        """The coding of the body (RFC 9110, section 8.4).

        Raises:
            RequestFault: this server does not know the coding, or there are several.
        """
        named = self.headers.get("content-encoding", "").strip().lower() or "identity"
        if named not in _CODINGS:
            accepted = "gzip, deflate"
            raise RequestFault(
                415,
                f"the body has Content-Encoding {named!r}; this server takes {accepted}",
                {"Accept-Encoding": accepted},
            )
        return _CODINGS[named]

    def cookie(self, name: str) -> str:
        """The value of a cookie of this server; empty if there is none."""
        for part in self.headers.get("cookie", "").split(";"):
            found, _, value = part.strip().partition("=")
            if found == name:
                return value
        return ""

    def is_secure(self) -> bool:
        return bool(self.scope["scheme"] == "https")

    async def fields(
        self, known: frozenset[str], repeated: frozenset[str] = frozenset()
    ) -> dict[str, str]:
        """Read the fields of the query and, for POST, of the form.

        The values of a `repeated` field are joined by line breaks.

        Raises:
            RequestFault: a field is not `known`, comes twice, is badly encoded or too long.
        """
        pairs = _pairs(self.scope["query_string"])
        if self.method == "POST":
            pairs += _pairs(await self._read_form())
        found: dict[str, str] = {}
        for name, value in pairs:
            if name not in known:
                raise RequestFault(400, f"unknown parameter {name!r}")
            if name in found and name in repeated:
                value = f"{found[name]}\n{value}"
            elif name in found:
                raise RequestFault(400, f"parameter {name!r} is given twice")
            limit = _LONG_VALUE_BYTES.get(name, _VALUE_BYTES)
            if (size := len(value.encode())) > limit:
                raise RequestFault(
                    400, f"parameter {name!r} has {size} bytes; the limit is {limit}"
                )
            found[name] = value
        return found

    async def _read_form(self) -> bytes:
        if self.content_coding() is not Compression.NONE:
            raise RequestFault(415, "a form takes no Content-Encoding", {"Accept-Encoding": ""})
        form = bytearray()
        async for piece in self.stream():
            form += piece
            if len(form) > _FORM_BYTES:
                raise RequestFault(413, f"a form has at most {_FORM_BYTES} bytes")
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if form and kind != "application/x-www-form-urlencoded":
            raise RequestFault(415, "a POST body has to be application/x-www-form-urlencoded")
        return bytes(form)


def require(fields: dict[str, str], name: str) -> str:
    """Return a field's value; raise RequestFault if the field is missing."""
    if name not in fields:
        raise RequestFault(400, f"parameter {name!r} is missing")
    return fields[name]


def _split(path: str) -> tuple[str, ...]:
    return tuple(unquote(part, errors="strict") for part in path.split("/")[1:])


def _pairs(encoded: bytes) -> list[tuple[str, str]]:
    parse = partial(parse_qsl, keep_blank_values=True, errors="strict", max_num_fields=_FIELDS)
    try:
        return _decode(encoded, "a parameter", parse)
    except ValueError as error:
        raise RequestFault(400, f"more than {_FIELDS} parameters") from error


def _decode(raw: bytes, what: str, parse: Callable[[str], _T]) -> _T:
    try:
        text = raw.decode("ascii")
        if _BAD_PERCENT.search(text):
            raise RequestFault(400, f"{what} has a % without two hexadecimal digits")
        return parse(text)
    except UnicodeDecodeError as error:
        raise RequestFault(400, f"{what} is not UTF-8") from error
