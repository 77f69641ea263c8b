"""Wrong answers of a server, and right answers changed on the way."""

from __future__ import annotations

import re

_CONTENT_TYPE = re.compile(rb"(?i)(content-type: )[^\r\n]*")
_HEAD = b"HTTP/1.1 "


def answer(status: str, text: str, *headers: str) -> bytes:
    """A whole answer after which the connection ends."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(text)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", text]).encode()


WEB_PAGE = answer("200 OK", "<html>Sign in</html>", "Content-Type: text/html")
OTHER_JOB = answer(
    "200 OK",
    '{"Name": "Salaries", "Size": 4711, "State": 2}',
    "Content-Type: application/json",
)


def mislabeled(data: bytes) -> bytes:
    """The answer, labeled as HTML."""
    return _CONTENT_TYPE.sub(rb"\1text/html", data) if data.startswith(_HEAD) else data


def with_interim(data: bytes) -> bytes:
    """The answer after interim answers (RFC 9110, 15.2; RFC 2518, 10.1; RFC 8297)."""
    interim = b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    return interim + data if data.startswith(_HEAD) else data
