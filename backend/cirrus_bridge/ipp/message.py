"""IPP messages ⇄ bytes (RFC 8010, 3): requests and responses, from either end. Pure.

CONTRIBUTING.md ("IPP of our own") says why this is not pycups.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from cirrus_bridge.ipp.values import (
    STRINGS,
    Charset,
    Collection,
    EnumValue,
    Language,
    Name,
    OutOfBand,
    Range,
    Resolution,
    String,
    Text,
    Value,
)

_HEAD_BYTES = 8
_LARGEST_VALUE_BYTES = 0xFFFF
_END, _LAST_DELIMITER = 0x03, 0x0F
_LAST_OUT_OF_BAND = 0x1F  # unknown, no-value …
_INTEGER, _BOOLEAN, _ENUM = 0x21, 0x22, 0x23
_OCTETS, _DATE_TIME, _RESOLUTION, _RANGE = 0x30, 0x31, 0x32, 0x33
_COLLECTION, _TEXT_WITH_LANGUAGE, _NAME_WITH_LANGUAGE, _END_COLLECTION = 0x34, 0x35, 0x36, 0x37
_MEMBER_NAME = 0x4A
_FIRST_STRING = 0x40
_DEEPEST = 8  # collections within collections; media-col needs two
_DATE = struct.Struct(">H6Bc2B")  # DateAndTime of RFC 2579; the sixth byte is tenths of a second


class Group(enum.IntEnum):
    """Delimiter tags (RFC 8010, 3.5.1)."""

    OPERATION = 0x01
    JOB = 0x02
    PRINTER = 0x04
    UNSUPPORTED = 0x05


class Operation(enum.IntEnum):
    """Operations of IPP (RFC 8011, 5.4.15; PWG 5100.11 and 5100.13) and of CUPS (cups/ipp.h)."""

    PRINT_JOB = 0x0002
    VALIDATE_JOB = 0x0004
    CREATE_JOB = 0x0005
    SEND_DOCUMENT = 0x0006
    CANCEL_JOB = 0x0008
    GET_JOB_ATTRIBUTES = 0x0009
    GET_JOBS = 0x000A
    GET_PRINTER_ATTRIBUTES = 0x000B
    HOLD_JOB = 0x000C
    RELEASE_JOB = 0x000D
    RESTART_JOB = 0x000E
    PAUSE_PRINTER = 0x0010
    SET_JOB_ATTRIBUTES = 0x0014
    GET_PRINTER_SUPPORTED_VALUES = 0x0015
    CANCEL_MY_JOBS = 0x0039
    CLOSE_JOB = 0x003B
    IDENTIFY_PRINTER = 0x003C
    CUPS_GET_DEFAULT = 0x4001
    CUPS_GET_PRINTERS = 0x4002
    CUPS_ADD_MODIFY_PRINTER = 0x4003
    CUPS_DELETE_PRINTER = 0x4004
    CUPS_MOVE_JOB = 0x400D
    CUPS_GET_PPD = 0x400F


class Status(enum.IntEnum):
    """Statuses of responses (RFC 8011, B.1; PWG 5100.13, 5100.11 and 5100.3)."""

    OK = 0x0000
    OK_IGNORED_OR_SUBSTITUTED = 0x0001
    BAD_REQUEST = 0x0400
    FORBIDDEN = 0x0401
    NOT_AUTHENTICATED = 0x0402
    NOT_AUTHORIZED = 0x0403
    NOT_POSSIBLE = 0x0404
    TIMEOUT = 0x0405
    NOT_FOUND = 0x0406
    GONE = 0x0407
    REQUEST_ENTITY_TOO_LARGE = 0x0408
    REQUEST_VALUE_TOO_LONG = 0x0409
    DOCUMENT_FORMAT_NOT_SUPPORTED = 0x040A
    ATTRIBUTES_OR_VALUES_NOT_SUPPORTED = 0x040B
    URI_SCHEME_NOT_SUPPORTED = 0x040C
    CHARSET_NOT_SUPPORTED = 0x040D
    CONFLICTING_ATTRIBUTES = 0x040E
    COMPRESSION_NOT_SUPPORTED = 0x040F
    COMPRESSION_ERROR = 0x0410
    DOCUMENT_FORMAT_ERROR = 0x0411
    INTERNAL_ERROR = 0x0500
    OPERATION_NOT_SUPPORTED = 0x0501
    SERVICE_UNAVAILABLE = 0x0502
    VERSION_NOT_SUPPORTED = 0x0503
    TEMPORARY_ERROR = 0x0505
    NOT_ACCEPTING_JOBS = 0x0506
    BUSY = 0x0507
    JOB_CANCELED = 0x0508
    MULTIPLE_JOBS_NOT_SUPPORTED = 0x0509


class JobState(enum.IntEnum):
    """A job's state (RFC 8011, 5.3.7)."""

    PENDING = 3
    PENDING_HELD = 4
    PROCESSING = 5
    PROCESSING_STOPPED = 6
    CANCELED = 7
    ABORTED = 8
    COMPLETED = 9

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self >= JobState.CANCELED


class PrinterState(enum.IntEnum):
    """A printer's state (RFC 8011, 5.4.11)."""

    IDLE = 3
    PROCESSING = 4
    STOPPED = 5


class Attribute(NamedTuple):
    """An attribute to send, with at least one value."""

    name: str
    values: Sequence[Value]


class Attributes(dict[str, Sequence[Value]]):
    """The attributes of a group that was received, by name. An attribute with an out-of-band value
    (unknown, no-value …) has no values."""

    def text(self, name: str) -> str:
        """The first value of an attribute; empty if there is none."""
        return str(next(iter(self.get(name, ())), ""))

    def number(self, name: str) -> int | None:
        """The first number of an attribute; None if there is none."""
        return next((value for value in self.get(name, ()) if isinstance(value, int)), None)

    def flag(self, name: str) -> bool:
        """Whether an attribute is the boolean `true`."""
        return any(value is True for value in self.get(name, ()))

    def keywords(self, name: str) -> tuple[str, ...]:
        """The keywords of an attribute, without the placeholder `none`."""
        return tuple(str(value) for value in self.get(name, ()) if value != "none")


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was received.

    Attributes:
        code: the operation of a request, or the status of a response (RFC 8011, B.1).
        groups: the tag and the attributes of each group.
        data: the document of a request, or the file of a response; or empty.
    """

    code: int
    groups: tuple[tuple[int, Attributes], ...]
    data: bytes = b""
    version: tuple[int, int] = (2, 0)
    request_id: int = 1

    def all(self, group: Group) -> list[Attributes]:
        """The attributes of each group of a kind: one group for each job or printer."""
        return [attributes for tag, attributes in self.groups if tag == group]

    @property
    def status_message(self) -> str:
        """What a response says to people; may be empty."""
        return next((each.text("status-message") for each in self.all(Group.OPERATION)), "")


class MalformedMessage(ValueError):
    """Bytes that are not an IPP message."""


def encode(
    code: int,
    groups: Iterable[tuple[Group, Iterable[Attribute]]],
    *,
    language: str = "en",
    version: tuple[int, int] = (2, 0),
    request_id: int = 1,
) -> bytes:
    """Encode a message in UTF-8, without its data; `code` is as in `Message`. The first group gets
    the attributes for charset and language.

    Raises:
        struct.error: a value is too large for its syntax.
        TypeError: a value has no syntax, such as a plain `str`.
    """
    parts = [struct.pack(">BBHI", *version, code, request_id)]
    first = [
        Attribute("attributes-charset", [Charset("utf-8")]),
        Attribute("attributes-natural-language", [Language(language)]),
    ]
    for group, attributes in groups:
        parts.append(bytes([group]))
        for name, values in (*first, *attributes):
            parts += _encoded(name, values)
        first = []
    return b"".join([*parts, bytes([_END])])


def _encoded(name: str, values: Iterable[Value]) -> Iterator[bytes]:
    own_name = name.encode()
    for value in values:
        if isinstance(value, Collection):
            yield _item(_COLLECTION, own_name, b"")
            for member, members in value.items():
                yield _item(_MEMBER_NAME, b"", member.encode())
                yield from _encoded("", members)
            yield _item(_END_COLLECTION, b"", b"")
        else:
            tag, data = _tagged(value)
            yield _item(tag, own_name, data)
        own_name = b""  # further values of an attribute have no name


def _item(tag: int, name: bytes, value: bytes) -> bytes:
    return b"".join((bytes([tag]), _sized(name), _sized(value)))


def _sized(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


def _tagged(value: Value) -> tuple[int, bytes]:
    """The tag and the bytes of a value that is no collection."""
    match value:
        case bool():
            return _BOOLEAN, struct.pack(">?", value)
        case EnumValue():
            return _ENUM, struct.pack(">i", value)
        case int():
            return _INTEGER, struct.pack(">i", value)
        case String():
            return value.tag, value.encode()
        case bytes():
            return _OCTETS, value
        case Range():
            return _RANGE, struct.pack(">ii", *value)
        case Resolution():
            return _RESOLUTION, struct.pack(">iib", *value)
        case datetime():
            return _DATE_TIME, _date_bytes(value)
        case OutOfBand():
            return value.value, b""
    raise TypeError(f"a value without a syntax: {value!r}")


def _date_bytes(value: datetime) -> bytes:
    """The bytes of a time. Raises TypeError if the time has no zone."""
    offset = value.utcoffset()
    if offset is None:
        raise TypeError(f"a time without a zone: {value}")
    hours, minutes = divmod(abs(offset) // timedelta(minutes=1), 60)
    sign = b"-" if offset < timedelta(0) else b"+"
    tenths = value.microsecond // 100_000
    return _DATE.pack(*value.timetuple()[:6], tenths, sign, hours, minutes)


def decode(data: bytes) -> Message:
    """Decode a message. Raises MalformedMessage if the bytes are incomplete or not IPP."""
    try:
        return _Decoder(data).message()
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise MalformedMessage(f"not IPP, or not whole: {len(data)} bytes") from error


def attributes_end(data: bytes) -> int | None:
    """The position behind the attributes of a message, where its data begin; None if the attributes
    are not complete yet. Any bytes have an end, or none yet."""
    at = _HEAD_BYTES
    while at < len(data):
        tag = data[at]
        at += 1
        if tag == _END:
            return at
        if tag > _LAST_DELIMITER:
            for _ in ("name", "value"):
                if at + 2 > len(data):
                    return None
                at += 2 + int.from_bytes(data[at : at + 2])
    return None


class _Decoder:
    """Reads a message from its beginning. Its methods raise IndexError behind the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = _HEAD_BYTES

    def message(self) -> Message:
        major, minor, code, request_id = struct.unpack_from(">BBHI", self._data)
        groups: list[tuple[int, Attributes]] = []
        values: list[Value] | None = None
        while (tag := self._tag()) != _END:
            if tag <= _LAST_DELIMITER:
                groups.append((tag, Attributes()))
                values = None
                continue
            name, data = self._field(), self._field()
            if name and groups:
                # the last of equal names counts: cupsd sends its own job-media-progress before
                # the one that the backend has set
                values = groups[-1][1][name.decode()] = []
            if values is None:
                raise MalformedMessage("a value without an attribute")
            values += self._values(tag, data, 0)
        data = self._data[self._at :]
        return Message(code, tuple(groups), data, (major, minor), request_id)

    def _tag(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _field(self) -> bytes:
        field, self._at = _take(self._data, self._at)
        return field

    def _values(self, tag: int, data: bytes, depth: int) -> list[Value]:
        """The value of an item; none for an out-of-band value."""
        if tag == _COLLECTION:
            return [self._collection(depth + 1)]
        return [] if tag <= _LAST_OUT_OF_BAND else [_value(tag, data)]

    def _collection(self, depth: int) -> Collection:
        if depth > _DEEPEST:
            raise MalformedMessage("too many collections within collections")
        members, values = Collection(), None
        while (tag := self._tag()) != _END_COLLECTION:
            _, data = self._field(), self._field()
            if tag == _MEMBER_NAME:
                values = members[data.decode()] = list[Value]()
            elif values is None or tag <= _LAST_DELIMITER:
                raise MalformedMessage("a collection without an end")
            else:
                values += self._values(tag, data, depth)
        self._field(), self._field()
        return members


def _value(tag: int, data: bytes) -> Value:
    if read := _READERS.get(tag):
        return read(data)
    if tag < _FIRST_STRING:
        return data
    return STRINGS.get(tag, Text)(_string(data))


def _string(data: bytes) -> str:
    """The characters of a value. CUPS may cut a text in the middle of a character."""
    text = data.decode("utf-8", "replace")
    # U+FFFD has three bytes; what was received must fit into a message again
    is_larger = len(text.encode()) > _LARGEST_VALUE_BYTES
    return data.decode("utf-8", "ignore") if is_larger else text


def _without_language(data: bytes) -> str:
    """The text of a text or name with a language."""
    _, at = _take(data, 0)
    return _string(_take(data, at)[0])


def _number(data: bytes) -> int:
    number: int = struct.unpack(">i", data)[0]
    return number


def _date(data: bytes) -> datetime | bytes:
    """A time; the bytes as they are if there is no such time."""
    year, month, day, hour, minute, second, tenths, sign, *offset = _DATE.unpack(data)
    ahead = timedelta(hours=offset[0], minutes=offset[1])
    try:
        zone = timezone(-ahead if sign == b"-" else ahead)
        return datetime(year, month, day, hour, minute, second, tenths * 100_000, zone)
    except ValueError:
        return data


def _take(data: bytes, at: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from(">H", data, at)
    end = at + 2 + size
    if end > len(data):
        raise IndexError
    return data[at + 2 : end], end


_READERS: Mapping[int, Callable[[bytes], Value]] = {
    _INTEGER: _number,
    _ENUM: lambda data: EnumValue(_number(data)),
    _BOOLEAN: lambda data: data != b"\0",
    _DATE_TIME: _date,
    _RESOLUTION: lambda data: Resolution(*struct.unpack(">iib", data)),
    _RANGE: lambda data: Range(*struct.unpack(">ii", data)),
    _TEXT_WITH_LANGUAGE: lambda data: Text(_without_language(data)),
    _NAME_WITH_LANGUAGE: lambda data: Name(_without_language(data)),
}
