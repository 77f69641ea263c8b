"""Text of strangers as text that stays on its line, in messages, logs and the lines CUPS reads."""

from __future__ import annotations


def one_line(text: str) -> str:
    """The text, with a space for each character that can not be printed: a line break, a control
    character, half of a surrogate pair."""
    return "".join(char if char.isprintable() else " " for char in text)
