"""Job properties: lists of name=value pairs, and the values that known names take.

An unknown name may have any value, as the API document says. A list is accepted or refused as a
whole; no value is corrected.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from cirrus_cloudlet.errors import Refusal

_RANGES = {
    "collate": (1, 1),
    "color": (1, 2),
    "copies": (1, 99),
    "duplex": (1, 3),
    "orientation": (1, 2),
    "priority": (1, 99),
    "scale": (0, 2),
}
# who printed the job: as cirrus-bridge sends it (RFC 8011, 5.3.6), and as a client of IPP does
USER_PROP = "job-originating-user-name"
_USER_PROPS = (USER_PROP, "requesting-user-name")
_CHOICES = {"bmp": ("300", "600")}


def parse_props(text: str, *, semicolons: bool) -> dict[str, str]:
    """Read a list of pairs, delimited by line feeds and, with `semicolons`, by semicolons too.

    `\\r\\n` counts as a line feed, and one delimiter may follow the last pair.

    Raises:
        Refusal: an item is not a pair, a name comes twice, or a value is not allowed.
    """
    items = re.split(r"\r?\n|;" if semicolons else r"\r?\n", text)
    if items[-1] == "":
        items.pop()
    found: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise Refusal(f"props: {item!r} is not a name=value pair")
        if name in found:
            raise Refusal(f"props: {name!r} is given twice")
        found[name] = value
    check_props(found)
    return found


def user_of(props: Mapping[str, str]) -> str:
    """The user that a job's properties name as its owner; empty if they name none."""
    return next((props[name] for name in _USER_PROPS if props.get(name)), "")


def check_props(props: Mapping[str, str]) -> None:
    """Raise Refusal if a known name has a wrong value, or a pair has a control character."""
    for name, value in props.items():
        # a line break would turn one pair into two when the list is written out again
        if any(unicodedata.category(character) == "Cc" for character in name + value):
            raise Refusal(f"props: {name!r} holds a control character")
        if name in _RANGES:
            low, high = _RANGES[name]
            if not re.fullmatch(r"[0-9]{1,3}", value) or not low <= int(value) <= high:
                wanted = str(low) if low == high else f"{low} to {high}"
                raise Refusal(f"props: {name}={value!r}, but {name} takes {wanted}")
        elif name in _CHOICES and value not in _CHOICES[name]:
            raise Refusal(
                f"props: {name}={value!r}, but {name} takes {' or '.join(_CHOICES[name])}"
            )
