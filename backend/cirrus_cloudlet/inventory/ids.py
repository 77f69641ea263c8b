"""Ids of companies, locations and devices, and the API's list of targets.

A valid id fits into a target list and on one line. No id is looked up or corrected here.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from cirrus_cloudlet.errors import Refusal


class Target(NamedTuple):
    """One device of a company, as a submit names it."""

    location: str
    device: str


def check_id(text: str, kind: str) -> str:
    """Return `text`, if it is a valid id.

    Raises:
        Refusal: the text is empty, `.` or `..`, or has `:`, `;` or a control character.
    """
    if text in ("", ".", ".."):
        raise Refusal(f"{kind} id {text!r} is not allowed")
    for character in text:
        if character in ":;" or unicodedata.category(character) in ("Cc", "Cs"):
            raise Refusal(f"{kind} id {text!r} holds {character!r}, which is not allowed")
    return text


def parse_targets(text: str) -> list[Target]:
    """Read the targets of `LocID:DevID;LocID:DevID…` in order; a target may come twice.

    Raises:
        Refusal: the list is empty, or an item is not two ids.
    """
    if not text:
        raise Refusal("targets is empty")
    found = []
    for item in text.split(";"):
        parts = item.split(":")
        if len(parts) != 2:
            raise Refusal(f"target {item!r} is not of the form LocID:DevID")
        found.append(Target(check_id(parts[0], "location"), check_id(parts[1], "device")))
    return found
