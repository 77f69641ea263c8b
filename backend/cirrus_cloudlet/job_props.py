"""Job properties: lists of name=value pairs, and which values the known names take.

Names that are not in the table pass with any value, as the API allows. A list is taken whole or
refused whole; a value is never corrected.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from cirrus_cloudlet.errors import Refused

_RANGES = {
    "collate": (1, 1),
    "color": (1, 2),
    "copies": (1, 99),
    "duplex": (1, 3),
    "orientation": (1, 2),
    "priority": (1, 99),
    "scale": (0, 2),
}
_CHOICES = {"bmp": ("300", "600")}


def parse_props(text: str, *, semicolons: bool) -> dict[str, str]:
    """The pairs of a list that line feeds (and, if asked, semicolons) delimit.

    `\\r\\n` counts as a line feed, and one delimiter may follow the last pair.

    Raises:
        Refused: an item is no pair, a name comes twice, or a value is not one of its name's.
    """
    items = re.split(r"\r?\n|;" if semicolons else r"\r?\n", text)
    if items[-1] == "":
        items.pop()
    found: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise Refused(f"props: {item!r} is not a name=value pair")
        if name in found:
            raise Refused(f"props: {name!r} is given twice")
        found[name] = value
    check_props(found)
    return found


def check_props(props: Mapping[str, str]) -> None:
    """Let through what a job may be submitted with.

    Raises:
        Refused: a known name has a value it can not take, or there are control characters.
    """
    for name, value in props.items():
        # line breaks would turn one pair into two wherever the list is written out again
        if any(unicodedata.category(character) == "Cc" for character in name + value):
            raise Refused(f"props: {name!r} holds a control character")
        if name in _RANGES:
            low, high = _RANGES[name]
            if not re.fullmatch(r"[0-9]{1,3}", value) or not low <= int(value) <= high:
                wanted = str(low) if low == high else f"{low} to {high}"
                raise Refused(f"props: {name}={value!r}, but {name} takes {wanted}")
        elif name in _CHOICES and value not in _CHOICES[name]:
            raise Refused(
                f"props: {name}={value!r}, but {name} takes {' or '.join(_CHOICES[name])}"
            )
