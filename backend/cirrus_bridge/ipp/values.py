"""Values of IPP attributes. The class of a value is its syntax (RFC 8011, 5.1), and so its tag (RFC
8010, 3.5.2): `int` is an integer, `bool` a boolean, `bytes` an octetString, `datetime` a dateTime.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, NamedTuple, Union


class String(str):
    """A value that is written in letters; each syntax has a class of its own."""

    __slots__ = ()
    tag: ClassVar[int]


class Text(String):
    """A text for people, at most 1023 bytes."""

    __slots__ = ()
    tag = 0x41


class Name(String):
    """A name that a person has chosen, at most 255 bytes."""

    __slots__ = ()
    tag = 0x42


class Keyword(String):
    """A keyword of a standard."""

    __slots__ = ()
    tag = 0x44


class Uri(String):
    """A URI (RFC 3986)."""

    __slots__ = ()
    tag = 0x45


class UriScheme(String):
    """The scheme of a URI."""

    __slots__ = ()
    tag = 0x46


class Charset(String):
    """A charset, such as utf-8."""

    __slots__ = ()
    tag = 0x47


class Language(String):
    """A natural language (RFC 5646)."""

    __slots__ = ()
    tag = 0x48


class MimeType(String):
    """A MIME type (RFC 2046)."""

    __slots__ = ()
    tag = 0x49


STRINGS: dict[int, type[String]] = {
    each.tag: each for each in (Text, Name, Keyword, Uri, UriScheme, Charset, Language, MimeType)
}


class EnumValue(int):
    """A number that stands for a keyword, such as a job's state."""

    __slots__ = ()


class Range(NamedTuple):
    """A range of integers, with both ends."""

    lowest: int
    highest: int


class Resolution(NamedTuple):
    """A resolution across and along the feed, in dots per inch (units 3) or centimeter (4)."""

    across: int
    along: int
    units: int


class OutOfBand(enum.Enum):
    """What stands in place of a value (RFC 8010, 3.5.2)."""

    UNSUPPORTED = 0x10
    UNKNOWN = 0x12
    NO_VALUE = 0x13
    DELETE = 0x16  # remove the attribute (RFC 3380, 8.2)


class Collection(dict[str, Sequence["Value"]]):
    """A collection: member attributes by name."""


Value = Union[int, str, bytes, datetime, Range, Resolution, OutOfBand, Collection]  # noqa: UP007
