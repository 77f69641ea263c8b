"""What a device reads → what CUPS's filters make for it: the lines and codes of a PPD. Pure.

PDF is asked for wherever a device takes it: the file stays what it was, and all wishes travel as
props. In the other languages the filters write copies into the data (pstops, rastertohp) or repeat
the pages, which `cups/job` knows; so both sides and sizes are there as well, where the printer
reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_LAID_OUT = "application/vnd.cups-pdf"  # what pdftopdf makes


@dataclass(frozen=True, slots=True)
class PageLanguage:
    """One language, as a PPD tells CUPS of it.

    Attributes:
        command: its word in IEEE 1284 device ids (CMD).
        filters: values of cupsFilter2 (https://www.cups.org/doc/spec-ppd.html).
        codes: "OPTION CHOICE" → PostScript code for the filters.
        without: "OPTION CHOICE" that the filters get wrong.
        resolutions: the filters make pixels, of a size that can be chosen.
        attributes: further lines of the PPD.
        collates: the device sorts copies itself, if it can; else pdftopdf does.
        repeats: pdftopdf repeats the pages for each copy, since a later filter forgets the number.
    """

    command: str
    filters: tuple[str, ...]
    codes: Mapping[str, str] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    resolutions: bool = False
    attributes: tuple[str, ...] = ()
    collates: bool = False
    repeats: bool = False


_DUPLEX = {
    "Duplex None": "<</Duplex false>>setpagedevice",
    "Duplex DuplexNoTumble": "<</Duplex true/Tumble false>>setpagedevice",
    "Duplex DuplexTumble": "<</Duplex true/Tumble true>>setpagedevice",
}
_RESOLUTIONS = {
    f"Resolution {dpi}dpi": f"<</HWResolution[{dpi} {dpi}]>>setpagedevice" for dpi in (300, 600)
}

# by the API's word for the format; the first that a device takes is used
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
            "ColorModel RGB": "<</cupsColorSpace 19>>setpagedevice",
            "ColorModel Gray": "<</cupsColorSpace 18>>setpagedevice",
        },
        resolutions=True,
        repeats=True,  # gstopxl of cups-filters 1.28
    ),
    "pcl": PageLanguage(
        "PCL",
        ("application/vnd.cups-raster application/vnd.hp-pcl 0 rastertohp",),
        {
            **_DUPLEX,
            **_RESOLUTIONS,
            "ColorModel RGB": "<</cupsColorOrder 1/cupsColorSpace 4/cupsBitsPerColor 1"
            "/cupsCompression 2>>setpagedevice",
            "ColorModel Gray": "<</cupsColorOrder 0/cupsColorSpace 3/cupsBitsPerColor 1"
            "/cupsCompression 2>>setpagedevice",
        },
        # rastertohp of CUPS 2.4 binds all duplex pages at the long edge
        without=frozenset({"Duplex DuplexTumble"}),
        resolutions=True,
        attributes=("*cupsModelNumber: 0",),
    ),
    "txt": PageLanguage("TXT", ("text/plain text/plain 0 -",), collates=True),
}


def page_language(formats: Iterable[str]) -> PageLanguage | None:
    """The language in which to print to a device that takes `formats` (the API's words).

    None where CUPS has no filter for any of them. No formats at all are unknown ones: PDF then,
    which any location prints.
    """
    taken = set(formats)
    if not taken or "any" in taken:
        return LANGUAGES["pdf"]
    return next((found for name, found in LANGUAGES.items() if name in taken), None)
