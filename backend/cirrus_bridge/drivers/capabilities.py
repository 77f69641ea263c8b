"""The abilities of a cloud device, read from the API's JSON. Pure.

The API's data is not trusted: a value of another type than documented counts as unknown. An unknown
ability is offered rather than withheld, because a location on Linux reports names alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cirrus_bridge.base.media import STANDARD_PAPERS, Paper, known_paper

MOST_CHOICES = 500
_WORD_BYTES = 200  # leaves room for a keyword in a line of a PPD (255 bytes)
_PRINTERS = (0, 4, None)  # the API's types "printer" and "network printer"; unknown
_YES_NO = {"0": False, "1": True}


@dataclass(frozen=True, slots=True)
class Capabilities:
    """A device's abilities.

    Attributes:
        trays: names as the location reports them.
        papers: the location's word for each paper; never empty.
        color, duplex, collate: False only if the location says so.
        bitmaps: whether the location converts PDF to bitmaps (it does on Windows).
        defaults: the device's default props, by name.
    """

    trays: tuple[str, ...]
    papers: Mapping[Paper, str]
    color: bool
    duplex: bool
    collate: bool
    bitmaps: bool
    defaults: Mapping[str, str]


def formats(device: Mapping[str, Any]) -> frozenset[str]:
    """The formats that a device accepts, as the API names them (pdf, any); empty if unknown."""
    found = device.get("Formats")
    words = found if isinstance(found, list) else []
    return frozenset(word.lower() for word in words if isinstance(word, str))


def capabilities(location: Mapping[str, Any], device_id: str) -> Capabilities:
    """The abilities of one device of a location."""
    device = location["Devices"][device_id]
    fields = _printer_line(location.get("Printers"), device, device_id)
    _, _, trays, color, collate, duplex, sizes, *_ = (*fields, *[""] * 7)
    defaults = device.get("DefaultProps")
    return Capabilities(
        trays=tuple(dict.fromkeys(_words(trays)))[:MOST_CHOICES],
        papers=_papers(sizes) or {paper: paper.name for paper in STANDARD_PAPERS},
        color=_YES_NO.get(color, True),
        duplex=_YES_NO.get(duplex, True),
        collate=_YES_NO.get(collate, True),
        bitmaps=location.get("IsWindows") is True,
        defaults={
            str(name).lower(): str(value)
            for name, value in (defaults.items() if isinstance(defaults, dict) else ())
            if isinstance(value, str | int)
        },
    )


def _printer_line(lines: object, device: Mapping[str, Any], device_id: str) -> list[str]:
    """The tab-separated fields of the printer that is the device's target.

    If the target is not a printer but a file or a command, the printer of the same name counts.
    """
    found: dict[str, list[str]] = {}
    for line in lines if isinstance(lines, list) else ():
        if isinstance(line, str):
            fields = [field.strip() for field in line.split("\t")]
            found.setdefault(fields[0], fields)
    names = [device.get("Target")]
    if device.get("Type") not in _PRINTERS:
        names += [device.get("Name"), device_id]
    known = (found[name] for name in names if name and isinstance(name, str) and name in found)
    return ["" if field.lower() == "n/a" else field for field in next(known, [])]


def _papers(field: str) -> dict[Paper, str]:
    found: dict[str, tuple[Paper, str]] = {}
    for word in _words(field):
        paper = known_paper(word)
        if paper and len(found) < MOST_CHOICES:
            found.setdefault(paper.name, (paper, word))
    return dict(found.values())


def _words(field: str) -> Iterable[str]:
    for word in re.split("[;,]", field):
        clean = "".join(char for char in word if char.isprintable()).strip()
        if clean and len(clean) <= 60 and len(clean.encode()) <= _WORD_BYTES:
            yield clean
