"""Names of companies, locations and devices, and the API's list of targets.

An id that passes here can be named in a target list and shown on one line. Nothing is looked up
here, and an id is never changed to make it fit.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from cirrus_cloudlet.errors import Refused


class Target(NamedTuple):
    """One device of a company, as a submit names it."""

    location: str
    device: str


def check_id(text: str, kind: str) -> str:
    """`text`, if it can be an id.

    Raises:
        Refused: it is empty, `.` or `..`, or holds `:`, `;` or a control character.
    """
    if text in ("", ".", ".."):
        raise Refused(f"{kind} id {text!r} can not be used")
    for character in text:
        if character in ":;" or unicodedata.category(character) in ("Cc", "Cs"):
            raise Refused(f"{kind} id {text!r} holds {character!r}, which no id can")
    return text


def parse_targets(text: str) -> list[Target]:
    """The targets of `LocID:DevID;LocID:DevID…`, in their order; one may be named twice.

    Raises:
        Refused: the list is empty, or an item is not two ids.
    """
    if not text:
        raise Refused("targets is empty")
    found = []
    for item in text.split(";"):
        parts = item.split(":")
        if len(parts) != 2:
            raise Refused(f"target {item!r} is not of the form LocID:DevID")
        found.append(Target(check_id(parts[0], "location"), check_id(parts[1], "device")))
    return found
