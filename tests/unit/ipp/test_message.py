"""IPP messages: encoding and decoding agree, and malformed bytes do no harm."""

from __future__ import annotations

import contextlib
import struct
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirrus_bridge.ipp.message import Attribute, Group, MalformedMessage, decode, encode
from cirrus_bridge.ipp.values import (
    STRINGS,
    Collection,
    EnumValue,
    OutOfBand,
    Range,
    Resolution,
    Value,
)

INT = st.integers(-(2**31), 2**31 - 1)
LETTERS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
NAME = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=30)
ZONE = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIME = st.datetimes(timezones=ZONE).map(lambda time: time.replace(microsecond=0, fold=0))
STRING = st.builds(lambda syntax, text: syntax(text), st.sampled_from([*STRINGS.values()]), LETTERS)
SIMPLE = st.one_of(
    *(INT, st.booleans(), st.builds(EnumValue, INT), STRING, st.binary(max_size=50), TIME),
    *(st.builds(Range, INT, INT), st.builds(Resolution, INT, INT, st.sampled_from([3, 4]))),
)


def _collections(values: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    members = st.dictionaries(NAME, st.lists(values, min_size=1, max_size=3), max_size=3)
    return members.map(Collection)


VALUE = st.recursive(SIMPLE, _collections, max_leaves=5)
GROUP = st.dictionaries(NAME, st.lists(VALUE, min_size=1, max_size=3), max_size=5)


@given(st.lists(GROUP, min_size=1, max_size=3), st.integers(1, 2**31 - 1))
def test_there_and_back(groups: list[dict[str, list[Value]]], request_id: int) -> None:
    """Each value survives encoding and decoding, with its class, also in collections."""
    sent = [(Group.JOB, [Attribute(*each) for each in group.items()]) for group in groups]
    data = encode(
        *(0x000A, [(Group.OPERATION, []), *sent]),
        language="ja",
        version=(1, 1),
        request_id=request_id,
    )
    found = decode(data + b"document")
    assert (found.code, found.version, found.request_id) == (0x000A, (1, 1), request_id)
    assert found.data == b"document"
    assert found.all(Group.OPERATION) == [
        {"attributes-charset": ["utf-8"], "attributes-natural-language": ["ja"]}
    ]
    assert found.all(Group.JOB) == groups
    assert _classes(found.all(Group.JOB)) == _classes(groups)


def _classes(found: object) -> object:
    """The classes of values: equal values may have different ones, as 1 and True."""
    if isinstance(found, dict):
        return {name: _classes(values) for name, values in found.items()}
    return [_classes(each) for each in found] if isinstance(found, list) else type(found)


def test_a_value_without_a_syntax() -> None:
    """A plain text could be a keyword, a name or a text, and a time needs a zone."""
    for value in ("plain", datetime(2026, 1, 1)):
        with pytest.raises(TypeError):
            encode(0, [(Group.JOB, [Attribute("x", [value])])])


def test_out_of_band_values() -> None:
    """An attribute with an out-of-band value is there, and has no value."""
    for value in OutOfBand:
        data = encode(0, [(Group.OPERATION, []), (Group.JOB, [Attribute("x", [value])])])
        assert bytes([value.value]) + b"\0\1x\0\0" in data
        assert decode(data).all(Group.JOB) == [{"x": []}]


def test_collections_within_collections() -> None:
    """A client cannot fill the stack."""
    data = b"\x02\0\0\0\0\0\0\1\1" + item(0x34, "x", b"")
    data += (item(0x4A, "", b"x") + item(0x34, "", b"")) * 100_000
    with pytest.raises(MalformedMessage):
        decode(data)


def item(tag: int, name: str, value: bytes) -> bytes:
    """An encoded value."""
    return (
        struct.pack(">BH", tag, len(name)) + name.encode() + struct.pack(">H", len(value)) + value
    )


def test_kinds_of_values_that_are_not_sent() -> None:
    """No value, texts with a language, nested collections, a range, and text cut by CUPS are
    decoded."""
    data = (
        b"\x02\0\x04\x06\0\0\0\x01\x01"
        + item(0x41, "status-message", b"gone")
        + b"\x02"
        + item(0x13, "time", b"")
        + item(0x35, "text", b"\0\2de\0\2ja")
        + item(0x34, "media-col", b"")
        + item(0x4A, "", b"size")
        + item(0x34, "", b"")
        + item(0x4A, "", b"x")
        + item(0x21, "", b"\0\0\0\1")
        + item(0x37, "", b"")
        + item(0x37, "", b"")
        + item(0x33, "range", b"\0\0\0\1\0\0\0\2")
        + item(0x41, "cut", "é".encode()[:1])
        + item(0x21, "twice", b"\0\0\0\1")
        + item(0x21, "twice", b"\0\0\0\2")
        + b"\3"
    )
    answer = decode(data)
    assert (answer.code, answer.status_message) == (0x0406, "gone")
    assert answer.all(Group.JOB) == [
        {
            "time": [],
            "text": ["ja"],
            "media-col": [Collection(size=[Collection(x=[1])])],
            "range": [Range(1, 2)],
            "cut": ["\ufffd"],
            "twice": [2],
        }
    ]
    for end in range(len(data)):
        with pytest.raises(MalformedMessage):
            decode(data[:end])


@given(st.binary(max_size=100))
def test_noise(noise: bytes) -> None:
    """Random bytes are an answer or MalformedMessage."""
    for data in (noise, b"\x02\0\0\0\0\0\0\1\1" + noise):
        with contextlib.suppress(MalformedMessage):
            decode(data)
