"""The option string parser against libcups itself, and on the forms that cupsd writes."""

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
    """Whatever the text, libcups and we read the same options."""
    assert parse_options(text) == _by_libcups(text)


def test_names_of_props_keep_their_case() -> None:
    """What CUPS does not know by any name is not known to ignore case."""
    text = "Cirrus-Prop-CostCenter=7 Cirrus-PropX=1 PageSize=A4"
    assert parse_options(text) == {
        "cirrus-prop-CostCenter": "7",
        "cirrus-propx": "1",
        "pagesize": "A4",
    }


def test_what_cupsd_writes() -> None:
    """Values, escaped spaces, collections, bare and negated booleans."""
    text = (
        "job-uuid=urn:uuid:1-2 media=A4,Tray1 document-name-supplied=B\\ C sides=one-sided "
        "nocollate fit-to-page number-up=1 media-col={media-size={x-dimension=21000}} note='a b'"
    )
    assert parse_options(text) == {
        "job-uuid": "urn:uuid:1-2",
        "media": "A4,Tray1",
        "document-name-supplied": "B C",
        "sides": "one-sided",
        "collate": "false",
        "fit-to-page": "true",
        "number-up": "1",
        "media-col": "{media-size={x-dimension=21000}}",
        "note": "a b",
    }
