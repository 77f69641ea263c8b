"""The abilities of a cloud device, and the page language in which CUPS prints to it. Pure.

The API's data is not trusted: a value of another type than documented counts as unknown. An unknown
ability is offered rather than withheld, because a location on Linux reports names alone.

PDF is preferred: the file stays as it is, and all options travel as props. In other languages, the
filters write copies into the data (pstops, rastertohp) or repeat the pages, which `cups/job` knows.
So duplex and page sizes are in the data as well.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cirrus_bridge.base.media import STANDARD_PAPERS, Paper, known_paper
from cirrus_bridge.base.model import NO_OPTIONS, DeviceOptions
from cirrus_bridge.drivers.paper_words import translated_paper

MOST_CHOICES = 500
_WORD_BYTES = 200  # leaves room for a keyword in a line of a PPD (255 bytes)
_PRINTERS = (0, 4, None)  # the API's types "printer" and "network printer"; unknown
_YES_NO = {"0": False, "1": True}
_LAID_OUT = "application/vnd.cups-pdf"  # the output of pdftopdf


@dataclass(frozen=True, slots=True)
class Capabilities:
    """A device's abilities.

    Attributes:
        trays: names as the location reports them.
        papers: the location's word for each paper; never empty.
        color, duplex, collate: False only if the location says so.
        bitmaps: whether the location converts PDF to bitmaps (it does on Windows).
        defaults: the device's default props, by name.
        options: what devices.toml declares.
    """

    trays: tuple[str, ...]
    papers: Mapping[Paper, str]
    color: bool
    duplex: bool
    collate: bool
    bitmaps: bool
    defaults: Mapping[str, str]
    options: DeviceOptions = NO_OPTIONS


@dataclass(frozen=True, slots=True)
class PageLanguage:
    """A page language in a PPD.

    Attributes:
        command: the word for CMD in IEEE 1284 device ids.
        filters: values of cupsFilter2 (https://www.cups.org/doc/spec-ppd.html). Empty
            for PostScript: only without such lines does CUPS run pstops so that it counts pages.
        codes: "OPTION CHOICE" → entries of the dictionary for setpagedevice, for the filters.
        without: "OPTION CHOICE" that the filters get wrong.
        attributes: more lines for the PPD.
        collates: whether a device that can collate does so; if not, a filter collates.
        copies_in_data: whether the filters write the number of copies, and how to collate them,
            into the data.
        repeats: whether pdftopdf repeats the pages for each copy, because a later filter loses the
            number of copies.
    """

    command: str
    filters: tuple[str, ...]
    codes: Mapping[str, str] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    attributes: tuple[str, ...] = ()
    collates: bool = False
    copies_in_data: bool = False
    repeats: bool = False


_DUPLEX = {
    "Duplex None": "/Duplex false",
    "Duplex DuplexNoTumble": "/Duplex true/Tumble false",
    "Duplex DuplexTumble": "/Duplex true/Tumble true",
}
_RESOLUTIONS = {f"Resolution {dpi}dpi": f"/HWResolution[{dpi} {dpi}]" for dpi in (300, 600)}

# by the API's name of the format; the first that the device accepts is used
LANGUAGES: Mapping[str, PageLanguage] = {
    "pdf": PageLanguage("PDF", (f"{_LAID_OUT} application/pdf 0 -",), collates=True),
    "ps": PageLanguage(
        "POSTSCRIPT",
        (),
        {**_DUPLEX, "Collate False": "/Collate false", "Collate True": "/Collate true"},
        # otherwise imagetopdf and pstops of cups-filters 1.28 both make collated copies
        collates=True,
        copies_in_data=True,
    ),
    "pcl6": PageLanguage(
        "PCLXL",
        (f"{_LAID_OUT} application/vnd.hp-pclxl 0 gstopxl",),
        {
            **_DUPLEX,
            **_RESOLUTIONS,
            "ColorModel RGB": "/cupsColorSpace 19",
            "ColorModel Gray": "/cupsColorSpace 18",
        },
        repeats=True,  # gstopxl of cups-filters 1.28
    ),
    "pcl": PageLanguage(
        "PCL",
        ("application/vnd.cups-raster application/vnd.hp-pcl 0 rastertohp",),
        {
            **_DUPLEX,
            **_RESOLUTIONS,
            "ColorModel RGB": "/cupsColorOrder 1/cupsColorSpace 4/cupsBitsPerColor 1"
            "/cupsCompression 2",
            "ColorModel Gray": "/cupsColorOrder 0/cupsColorSpace 3/cupsBitsPerColor 1"
            "/cupsCompression 2",
        },
        # rastertohp of CUPS 2.4 binds all duplex pages at the long edge
        without=frozenset({"Duplex DuplexTumble"}),
        attributes=("*cupsModelNumber: 0",),
        copies_in_data=True,
    ),
    "txt": PageLanguage("TXT", ("text/plain text/plain 0 -",), collates=True),
}


def formats(device: Mapping[str, Any]) -> frozenset[str]:
    """The formats that a device accepts, as the API names them (pdf, any); empty if unknown."""
    found = device.get("Formats")
    words = found if isinstance(found, list) else []
    return frozenset(word.lower() for word in words if isinstance(word, str))


def page_language(formats: Iterable[str]) -> PageLanguage | None:
    """The language for a device that accepts `formats` (the API's names).

    None if CUPS has no filter for any of the formats. If the formats are unknown (empty), the
    language is PDF, which every location prints.
    """
    taken = set(formats)
    if not taken or "any" in taken:
        return LANGUAGES["pdf"]
    return next((found for name, found in LANGUAGES.items() if name in taken), None)


def capabilities(
    location: Mapping[str, Any], device_id: str, options: DeviceOptions = NO_OPTIONS
) -> Capabilities:
    """The abilities of one device of a location, for which `options` are declared."""
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
        options=options,
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
        paper = known_paper(word) or translated_paper(word)
        if paper and (word == paper.name or paper.name not in found):
            found[paper.name] = (paper, word)
    return dict(itertools.islice(found.values(), MOST_CHOICES))


def _words(field: str) -> Iterable[str]:
    for word in re.split("[;,]", field):
        clean = "".join(char for char in word if char.isprintable()).strip()
        if clean and len(clean) <= 60 and len(clean.encode()) <= _WORD_BYTES:
            yield clean
