"""Makes untrusted text safe for a line of a message, of a log, or for CUPS."""

from __future__ import annotations

import json


def one_line(text: str) -> str:
    """The text, with a space for each unprintable character (line breaks, control characters, lone
    surrogates)."""
    return "".join(char if char.isprintable() else " " for char in text)


def escaped(text: str, *, but: str = "") -> str:
    """The text, with a JSON escape for each unprintable character except those in `but`.

    Terminals and readers of lines interpret such characters (C1, U+2028, bidi controls).
    """
    return "".join(
        char if char.isprintable() or char in but else json.dumps(char)[1:-1] for char in text
    )
