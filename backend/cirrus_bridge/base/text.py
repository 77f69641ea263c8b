"""Makes untrusted text safe for a line of a message, of a log, or for CUPS."""

from __future__ import annotations

import json
import unicodedata

# U+200C shapes Persian, U+200D Indic scripts and emoji (Unicode, 23.2); both only join neighbors
_JOINERS = "\u200c\u200d"
TEXT_BYTES = 1023  # RFC 8011, 5.1.2: text(MAX)


def one_line(text: str) -> str:
    """The text, with a space for each unprintable character (line breaks, control characters, lone
    surrogates). Format characters do not become spaces: joiners stay, and others (soft hyphens,
    byte order marks, bidi controls) are removed."""
    return "".join(
        char if _is_shown(char) else "" if unicodedata.category(char) == "Cf" else " "
        for char in text
    )


def escaped(text: str, *, but: str = "") -> str:
    """The text, with a JSON escape for each unprintable character except joiners and those in
    `but`. Terminals and readers of lines interpret such characters (C1, U+2028, bidi controls)."""
    return "".join(
        char if _is_shown(char) or char in but else json.dumps(char)[1:-1] for char in text
    )


def _is_shown(char: str) -> bool:
    return char.isprintable() or char in _JOINERS


def fitting(text: str, most_bytes: int = TEXT_BYTES) -> str:
    """The text on one line, cut to `most_bytes` of UTF-8 at a character."""
    return cut(one_line(text[: most_bytes + 1]), most_bytes)


def cut(text: str, most_bytes: int) -> str:
    """The text, cut to `most_bytes` of UTF-8 at a character. Lone surrogates become `?`."""
    data = text[: most_bytes + 1].encode("utf-8", "replace")  # a character has a byte or more
    if len(data) > most_bytes:
        mark = "…".encode()
        data = data[: most_bytes - len(mark)].decode("utf-8", "ignore").encode() + mark
    return data.decode()
