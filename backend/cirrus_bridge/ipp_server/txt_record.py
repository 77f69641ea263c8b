"""The name and the TXT record of a printer in DNS-SD. Pure.

The keys are those of Apple's Bonjour Printing Specification (1.2.1, section 9.2) and of
PWG 5100.14 (4.2.1 and 4.2.3).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cirrus_bridge.base.media import Paper
from cirrus_bridge.base.text import cut, one_line
from cirrus_bridge.drivers.offered_printers import OfferedPrinter

LABEL_BYTES = 63  # of one part of a DNS name (RFC 1035, 2.3.4)
_STRING_BYTES = 255  # of one string of a TXT record (RFC 1035, 3.3)
_POINTS_PER_INCH = 72
# Clients that look at a record briefly want to see these formats (Bonjour Printing, 9.2.6).
_FIRST_FORMATS = ("application/pdf", "image/urf", "image/pwg-raster", "image/jpeg")
# the largest paper: name → width and height in inches (Bonjour Printing, 9.4)
_PAPER_CLASSES = {
    "<legal-A4": (8.2, 11.6),
    "legal-A4": (8.6, 14.1),
    "tabloid-A3": (11.8, 17.1),
    "isoC-A2": (17.1, 23.5),
}
_LARGEST_CLASS = ">isoC-A2"
_PHOTO_IN = (5.1, 7.1)
_POSTCARD_IN = (4.2, 6.1)
_LABEL_IN = 3.5
_LARGE_IN = (11.8, 17.1)


@dataclass(frozen=True, slots=True)
class AnnouncedPrinter:
    """The content of a printer's announcement.

    Attributes:
        printer: the printer.
        formats: the MIME types that the printer accepts (document-format-supported).
        urf: the printer's urf-supported, if it accepts image/urf.
        more_info_path: the path of the printer's page.
        sign_in: whether clients must sign in.
    """

    printer: OfferedPrinter
    formats: tuple[str, ...]
    urf: tuple[str, ...] = ()
    more_info_path: str = "/"
    sign_in: bool = False


def instance_name(text: str) -> str:
    """The text as the name of a service: one label, in the form that RFC 6763, 4.1.1 asks for.

    python-zeroconf takes each dot for the end of a label, so dots are replaced. Between digits, a
    comma stands for the dot.
    """
    text = re.sub(r"(?<=\d)\.(?=\d)", ",", unicodedata.normalize("NFC", one_line(text)))
    words = text.replace(".", " ").split()
    return cut(" ".join(words), LABEL_BYTES) or "Printer"


def other_name(name: str, number: int) -> str:
    """The name for a printer whose name is taken: "Laser (2)" (RFC 6762, appendix D)."""
    mark = f" ({number})"
    return cut(name, LABEL_BYTES - len(mark)) + mark


def txt_record(announced: AnnouncedPrinter, origin: str, *, tls: bool) -> dict[str, str]:
    """The strings of the TXT record; each is short enough.

    Args:
        origin: scheme, host and port of the printer's page, such as `https://host.local:8632`.
        tls: whether the record belongs to a service with TLS.
    """
    strings = {"txtvers": "1", "qtotal": "1", **_strings(announced, origin, tls)}
    return {key: value for key, value in strings.items() if value}


def _strings(announced: AnnouncedPrinter, origin: str, tls: bool) -> dict[str, str]:
    printer, able = announced.printer, announced.printer.capabilities
    maker, _, model = printer.make_and_model.partition(" ")
    finishings = able.options.props.get("finishings", {})
    admin_url = origin + announced.more_info_path
    shown = {
        "ty": printer.make_and_model,
        "note": printer.location,
        "product": f"({printer.make_and_model})",
        "usb_MFG": maker,
        "usb_MDL": model or maker,
    }
    return {
        "rp": printer.path.removeprefix("/"),
        "pdl": _joined("pdl", _by_importance(announced.formats)),
        **{key: cut(one_line(text), _room(key)) for key, text in shown.items()},
        "adminurl": admin_url if len(admin_url.encode()) <= _room("adminurl") else "",
        "UUID": printer.uuid.removeprefix("urn:uuid:"),
        "priority": "40" if tls else "50",  # the lower one is preferred
        "TLS": "1.2" if tls else "",
        "air": "username,password" if announced.sign_in else "",
        "Color": _said(able.color),
        "Duplex": _said(able.duplex),
        "Copies": _said(True),
        "Collate": _said(able.collate),
        "Staple": _said(any(word.startswith("staple") for word in finishings)),
        "Punch": _said(any(word.startswith("punch") for word in finishings)),
        "PaperMax": _largest(able.papers),
        "kind": _joined("kind", _kinds(able.papers)),
        "URF": _joined("URF", announced.urf),
        "mopria-certified": "1.3",  # Mopria's clients look for a number
        "Scan": _said(False),
        "Fax": _said(False),
    }


def _said(yes: bool) -> str:
    return "T" if yes else "F"


def _room(key: str) -> int:
    return _STRING_BYTES - len(f"{key}=")


def _joined(key: str, words: Iterable[str]) -> str:
    """As many of the words as fit, whole."""
    text = ""
    for word in words:
        longer = f"{text},{word}" if text else word
        if len(longer.encode()) > _room(key):
            break
        text = longer
    return text


def _by_importance(formats: Iterable[str]) -> list[str]:
    known = {name: at for at, name in enumerate(_FIRST_FORMATS)}
    return sorted(formats, key=lambda name: known.get(name, len(known)))


def _inches(paper: Paper) -> tuple[float, float]:
    sides = sorted((paper.width_pt / _POINTS_PER_INCH, paper.height_pt / _POINTS_PER_INCH))
    return sides[0], sides[1]


def _fits(sides: tuple[float, float], most: tuple[float, float]) -> bool:
    return sides[0] <= most[0] and sides[1] <= most[1]


def _largest(papers: Iterable[Paper]) -> str:
    sizes = [_inches(paper) for paper in papers]
    for name, most in _PAPER_CLASSES.items():
        if all(_fits(sides, most) for sides in sizes):
            return name
    return _LARGEST_CLASS


def _kinds(papers: Iterable[Paper]) -> Iterator[str]:
    """The kinds of media for documents (PWG 5100.14, 4.2.3.4)."""
    papers = list(papers)
    sheets = [_inches(paper) for paper in papers if not paper.is_envelope]
    if any(not _fits(sides, _PHOTO_IN) for sides in sheets):
        yield "document"
    if any(paper.is_envelope for paper in papers):
        yield "envelope"
    if any(not _fits(sides, _LARGE_IN) for sides in sheets):
        yield "large-format"
    small = [sides for sides in sheets if _fits(sides, _PHOTO_IN)]
    if any(not _fits(sides, _POSTCARD_IN) for sides in small):
        yield "photo"
    if any(_fits(sides, _POSTCARD_IN) and sides[0] > _LABEL_IN for sides in small):
        yield "postcard"
    if any(sides[0] <= _LABEL_IN for sides in small):
        yield "label"
