"""IPP messages ⇄ bytes (RFC 8010, 3). Pure.

CONTRIBUTING.md ("IPP of our own") says why this is not pycups.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

# values of other kinds (dateTime, resolution, range …) stay bytes; a collection is empty
Value = int | bool | str | bytes

_END = 0x03
_LAST_DELIMITER = 0x0F
_LAST_OUT_OF_BAND = 0x1F  # unknown, no-value …
_COLLECTION, _END_COLLECTION = 0x34, 0x37
_FIRST_TEXT = 0x40
_TEXT_WITH_LANGUAGE, _NAME_WITH_LANGUAGE = 0x35, 0x36


class Group(enum.IntEnum):
    """Delimiter tags (RFC 8010, 3.5.1)."""

    OPERATION = 0x01
    JOB = 0x02
    PRINTER = 0x04


class Operation(enum.IntEnum):
    """Operations of IPP (RFC 8011, 5.4.15) and of CUPS (cups/ipp.h)."""

    PRINT_JOB = 0x0002
    GET_JOB_ATTRIBUTES = 0x0009
    GET_JOBS = 0x000A
    GET_PRINTER_ATTRIBUTES = 0x000B
    RELEASE_JOB = 0x000D
    RESTART_JOB = 0x000E
    PAUSE_PRINTER = 0x0010
    SET_JOB_ATTRIBUTES = 0x0014
    CUPS_GET_PRINTERS = 0x4002
    CUPS_ADD_MODIFY_PRINTER = 0x4003
    CUPS_DELETE_PRINTER = 0x4004
    CUPS_MOVE_JOB = 0x400D
    CUPS_GET_PPD = 0x400F


class Tag(enum.IntEnum):
    """Value tags in requests (RFC 8010, 3.5.2)."""

    DELETE = 0x16  # out of band: remove the attribute (RFC 3380, 8.2)
    INTEGER = 0x21
    BOOLEAN = 0x22
    ENUM = 0x23
    TEXT = 0x41
    NAME = 0x42
    KEYWORD = 0x44
    URI = 0x45
    CHARSET = 0x47
    LANGUAGE = 0x48
    MIME_TYPE = 0x49


class Attribute(NamedTuple):
    """An attribute of a request, with at least one value."""

    tag: Tag
    name: str
    values: Sequence[int | bool | str]


class Attributes(dict[str, Sequence[Value]]):
    """The attributes of a group in an answer, by name."""

    def text(self, name: str) -> str:
        """The first value of an attribute; empty if there is none."""
        return str(next(iter(self.get(name, ())), ""))

    def number(self, name: str) -> int | None:
        """The first number of an attribute; None if there is none."""
        return next((value for value in self.get(name, ()) if isinstance(value, int)), None)

    def keywords(self, name: str) -> tuple[str, ...]:
        """The keywords of an attribute, without the placeholder `none`."""
        return tuple(str(value) for value in self.get(name, ()) if value != "none")


@dataclass(frozen=True, slots=True)
class Response:
    """A decoded answer: status code (RFC 8011, B.1), the tag and attributes of each group, and the
    file of the answer, or empty."""

    status: int
    groups: tuple[tuple[int, Attributes], ...]
    data: bytes = b""

    def all(self, group: Group) -> list[Attributes]:
        """The attributes of each group of a kind: one group for each job or printer."""
        return [attributes for tag, attributes in self.groups if tag == group]

    @property
    def message(self) -> str:
        """The status message for people; may be empty."""
        return next((each.text("status-message") for each in self.all(Group.OPERATION)), "")


class MalformedMessage(ValueError):
    """Bytes that are not an IPP message."""


def encode(
    operation: int, groups: Iterable[tuple[Group, Sequence[Attribute]]], *, language: str = "en"
) -> bytes:
    """Encode a request of IPP 2.0 in UTF-8; adds the attributes for charset and language.

    Raises struct.error if a value is too large for its kind.
    """
    parts = [struct.pack(">BBHI", 2, 0, operation, 1)]
    first = [
        Attribute(Tag.CHARSET, "attributes-charset", ["utf-8"]),
        Attribute(Tag.LANGUAGE, "attributes-natural-language", [language]),
    ]
    for group, attributes in groups:
        parts.append(bytes([group]))
        for tag, name, values in (*first, *attributes):
            for number, value in enumerate(values):
                # further values of an attribute have no name
                own_name = b"" if number else name.encode()
                parts += (bytes([tag]), _sized(own_name), _sized(_bytes(value)))
        first = []
    return b"".join([*parts, bytes([_END])])


def decode(data: bytes) -> Response:
    """Decode an answer. Raises MalformedMessage if the bytes are incomplete or not IPP."""
    try:
        return _decode(data)
    except (struct.error, LookupError, UnicodeDecodeError) as error:
        raise MalformedMessage(f"not IPP, or not whole: {len(data)} bytes") from error


def _decode(data: bytes) -> Response:
    _, status, _ = struct.unpack_from(">HHI", data)
    at, depth, name = 8, 0, ""
    groups: list[tuple[int, dict[str, list[Value]]]] = []
    while (tag := data[at]) != _END:
        at += 1
        if tag <= _LAST_DELIMITER:
            groups.append((tag, {}))
            continue
        own_name, at = _take(data, at)
        value, at = _take(data, at)
        if tag == _END_COLLECTION:
            depth -= 1
        elif depth == 0:
            if own_name:
                # the last of equal names counts: cupsd sends its own job-media-progress before
                # the one that the backend has set
                name = own_name.decode()
                groups[-1][1][name] = []
            values = groups[-1][1][name]
            if tag > _LAST_OUT_OF_BAND and tag != _COLLECTION:
                values.append(_value(tag, value))
        if tag == _COLLECTION:
            depth += 1
    found = tuple((tag, Attributes(values)) for tag, values in groups)
    return Response(status, found, data[at + 1 :])


def _value(tag: int, data: bytes) -> Value:
    if tag in (Tag.INTEGER, Tag.ENUM):
        number: int = struct.unpack(">i", data)[0]
        return number
    if tag == Tag.BOOLEAN:
        return data != b"\0"
    if tag in (_TEXT_WITH_LANGUAGE, _NAME_WITH_LANGUAGE):
        _, at = _take(data, 0)
        return _take(data, at)[0].decode("utf-8", "replace")
    # CUPS may cut a text in the middle of a character
    return data.decode("utf-8", "replace") if tag >= _FIRST_TEXT else data


def _take(data: bytes, at: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from(">H", data, at)
    end = at + 2 + size
    if end > len(data):
        raise IndexError
    return data[at + 2 : end], end


def _sized(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


def _bytes(value: int | bool | str) -> bytes:
    if isinstance(value, str):
        return value.encode()
    return struct.pack(">?" if isinstance(value, bool) else ">i", value)
