"""Text of strangers as text that stays on its line, in messages, logs and the lines CUPS reads."""

from __future__ import annotations

import json


def one_line(text: str) -> str:
    """The text, with a space for each character that can not be printed: a line break, a control
    character, half of a surrogate pair."""
    return "".join(char if char.isprintable() else " " for char in text)


def escaped(text: str, *, but: str = "") -> str:
    """The text, with JSON's escape sequence for each character that can not be printed, less those
    of `but`: C1, U+2028, bidi and others that terminals and readers of lines take for more."""
    return "".join(
        char if char.isprintable() or char in but else json.dumps(char)[1:-1] for char in text
    )
