"""The parser of option strings against libcups."""

from __future__ import annotations

import ctypes

from hypothesis import given, settings
from hypothesis import strategies as st

from cirrus_bridge.cups.options import parse_options

LIBCUPS = ctypes.CDLL("libcups.so.2")


class _Option(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("value", ctypes.c_char_p))


def _by_libcups(text: str) -> dict[str, str]:
    options = ctypes.POINTER(_Option)()
    count = LIBCUPS.cupsParseOptions(text.encode(), 0, ctypes.byref(options))
    found = {
        options[i].name.decode().lower(): options[i].value.decode("utf-8", "replace")
        for i in range(count)
    }
    LIBCUPS.cupsFreeOptions(count, options)
    return found


@settings(max_examples=2000)
@given(st.text(alphabet="abno ={}'\"\\,\tß", max_size=24))
def test_same_as_libcups(text: str) -> None:
    """The parser reads the same options as libcups from any text."""
    assert parse_options(text) == _by_libcups(text)
