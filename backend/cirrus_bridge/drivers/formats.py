"""Page languages: the PPD lines and codes by which CUPS's filters print to a device. Pure.

PDF is preferred: the file stays as it is, and all options travel as props. In other languages, the
filters write copies into the data (pstops, rastertohp) or repeat the pages, which `cups/job` knows.
So duplex and page sizes are in the data as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_LAID_OUT = "application/vnd.cups-pdf"  # the output of pdftopdf


@dataclass(frozen=True, slots=True)
class PageLanguage:
    """A page language in a PPD.

    Attributes:
        command: the word for CMD in IEEE 1284 device ids.
        filters: values of cupsFilter2 (https://www.cups.org/doc/spec-ppd.html).
        codes: "OPTION CHOICE" → entries of the dictionary for setpagedevice, for the filters.
        without: "OPTION CHOICE" that the filters get wrong.
        attributes: more lines for the PPD.
        collates: whether a device that can collate does so; if not, pdftopdf collates.
        repeats: whether pdftopdf repeats the pages for each copy, because a later filter loses the
            number of copies.
    """

    command: str
    filters: tuple[str, ...]
    codes: Mapping[str, str] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    attributes: tuple[str, ...] = ()
    collates: bool = False
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
        (
            f"{_LAID_OUT} application/postscript 0 pdftops",
            "application/vnd.cups-postscript application/postscript 0 -",
        ),
        _DUPLEX,
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
    ),
    "txt": PageLanguage("TXT", ("text/plain text/plain 0 -",), collates=True),
}


def page_language(formats: Iterable[str]) -> PageLanguage | None:
    """The language for a device that accepts `formats` (the API's names).

    None if CUPS has no filter for any of the formats. If the formats are unknown (empty), the
    language is PDF, which every location prints.
    """
    taken = set(formats)
    if not taken or "any" in taken:
        return LANGUAGES["pdf"]
    return next((found for name, found in LANGUAGES.items() if name in taken), None)
