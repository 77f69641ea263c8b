"""Text that strangers wrote, made safe for one line."""

from __future__ import annotations

import pytest

from cirrus_bridge.base.text import escaped, one_line

JOINED = ["می\u200cخواهم", "क्\u200dष", "👩\u200d🔬 ❤️\u200d🔥.pdf"]


@pytest.mark.parametrize("text", JOINED)
def test_joiners_stay(text: str) -> None:
    """Persian and Indic words and emoji keep the characters that shape them."""
    assert one_line(text) == text
    assert escaped(text) == text


@pytest.mark.parametrize(
    "character",
    ["\ufeff", "\u200b", "\u00ad", "\u2060", "\u180e", "\u200e", "\u200f", "\u061c", "\U000e0061"]
    + [chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))],
)
def test_invisible_characters_are_no_spaces(character: str) -> None:
    """A title with a byte order mark, soft hyphens or bidi controls has its words unchanged, and
    cannot reorder the line around it."""
    assert one_line(f"{character}Re{character}port{character}") == "Report"
    assert character not in escaped(character)


@pytest.mark.parametrize("character", ["\n", "\x1b", "\x9b", "\u2028", "\u2029", "\xa0", "\ud800"])
def test_other_unprintable_characters_are_spaces(character: str) -> None:
    """Line breaks, control characters, other spaces and lone surrogates do not join two words."""
    assert one_line(f"a{character}b") == "a b"
