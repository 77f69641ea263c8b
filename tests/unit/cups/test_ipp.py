"""IPP messages: encoding and decoding agree, and malformed bytes do no harm."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirrus_bridge.cups.ipp import Attribute, Group, MalformedMessage, Tag, decode, encode

INT = st.integers(-(2**31), 2**31 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
NAME = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=30)
ATTRIBUTE = st.one_of(
    st.tuples(st.sampled_from([Tag.INTEGER, Tag.ENUM]), NAME, st.lists(INT, min_size=1)),
    st.tuples(st.just(Tag.BOOLEAN), NAME, st.lists(st.booleans(), min_size=1)),
    st.tuples(st.sampled_from([Tag.TEXT, Tag.KEYWORD]), NAME, st.lists(TEXT, min_size=1)),
)


@given(st.lists(st.lists(ATTRIBUTE, unique_by=lambda a: a[1]), min_size=1, max_size=3))
def test_there_and_back(groups: list[list[tuple[Tag, str, list[int]]]]) -> None:
    """Every kind of value, in every group, survives encoding and decoding."""
    sent = [(Group.JOB, [Attribute(*attribute) for attribute in group]) for group in groups]
    answer = decode(encode(0x000A, [(Group.OPERATION, []), *sent]))
    assert answer.status == 0x000A
    assert answer.all(Group.OPERATION) == [
        {"attributes-charset": ["utf-8"], "attributes-natural-language": ["en"]}
    ]
    assert answer.all(Group.JOB) == [{name: values for _, name, values in g} for g in groups]


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
    assert (answer.status, answer.message) == (0x0406, "gone")
    assert answer.all(Group.JOB) == [
        {
            "time": [],
            "text": ["ja"],
            "media-col": [],
            "range": [b"\0\0\0\1\0\0\0\2"],
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
