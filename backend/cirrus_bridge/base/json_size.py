"""The size of JSON from elsewhere, before it becomes objects, which take more memory."""

from __future__ import annotations

import re

DEEPEST = 16
_STRING = rb'(?s)"[^"\\]*+(?:\\.[^"\\]*+)*+"?'  # compiled for large answers only
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_BRACES = bytes.maketrans(b"[]", b"{}")


def is_small(data: bytes, most_values: int) -> bool:
    """Whether JSON has at most `most_values` values and DEEPEST levels."""
    opened = data.count(b"[") + data.count(b"{")
    if opened <= DEEPEST and opened + data.count(b",") <= most_values:
        return True
    outside = re.sub(_STRING, b"", data)
    if outside.count(b",") + outside.count(b"[") + outside.count(b"{") > most_values:
        return False
    nested = outside.translate(_BRACES, _NO_BRACKETS)
    for _ in range(DEEPEST):
        nested = nested.replace(b"{}", b"")  # the innermost level
    return b"{}" not in nested and nested.count(b"{") <= DEEPEST
