"""Options of jobs that the API has no props for: finishings, output bin, print quality, media type.

Their values are IPP's keywords. In PPDs, they have the names that CUPS gives them when it makes a
PPD from IPP's attributes (cups/ppd-cache.c). So a CUPS without our driver sends the same names.
Jobs for devices without such options do not import this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class PpdChoice(NamedTuple):
    """A choice of an option in a PPD."""

    option: str
    choice: str


class Finishing(NamedTuple):
    """A finishing: its number in IPP, and its choice in PPDs."""

    number: int
    ppd: PpdChoice


def _row(
    first: int, option: str, keywords: Iterable[str], choices: Iterable[str]
) -> dict[str, Finishing]:
    """Finishings with numbers from `first`."""
    rows = enumerate(zip(keywords, choices, strict=True), first)
    return {keyword: Finishing(n, PpdChoice(option, choice)) for n, (keyword, choice) in rows}


def _at_sides(
    first: int, option: str, word: str, counts: Mapping[str, str]
) -> dict[str, Finishing]:
    """Finishings at each side: `WORD-dual-left`, DualPortrait …"""
    keywords = (f"{word}-{count}{side}" for count in counts for side in SIDES)
    choices = (f"{count}{side}" for count in counts.values() for side in SIDES.values())
    return _row(first, option, keywords, choices)


# where the page is portrait; CUPS says from which side of a portrait or landscape page
SIDES = {"left": "Portrait", "top": "Landscape", "right": "RevPortrait", "bottom": "RevLandscape"}
CORNERS = {
    "top-left": "SinglePortrait",
    "bottom-left": "SingleRevLandscape",
    "top-right": "SingleLandscape",
    "bottom-right": "SingleRevPortrait",
}
COUNTS = {"dual-": "Dual", "triple-": "Triple", "quad-": "Quad", "multiple-": "Multiple"}
_FOLDS = {
    "accordion": "Accordion",
    "double-gate": "DoubleGate",
    "gate": "Gate",
    "half": "Half",
    "half-z": "HalfZ",
    "left-gate": "LeftGate",
    "letter": "Letter",
    "parallel": "Parallel",
    "poster": "XFold",
    "right-gate": "RightGate",
    "z": "ZFold",
    "engineering-z": "EngineeringZ",
}
_STAPLE, _PUNCH, _FOLD = "StapleLocation", "PunchMedia", "FoldType"
# IPP's keywords (PWG 5100.1-2022, table 5)
FINISHINGS: Mapping[str, Finishing] = (
    _row(4, _STAPLE, ("staple",), ("SingleAuto",))
    | _row(5, _PUNCH, ("punch",), ("SingleAuto",))
    | _row(8, _STAPLE, ("saddle-stitch", "edge-stitch"), ("SaddleStitch", "EdgeStitchAuto"))
    | _row(10, _FOLD, ("fold",), ("Auto",))
    | _row(20, _STAPLE, (f"staple-{corner}" for corner in CORNERS), CORNERS.values())
    | _at_sides(24, _STAPLE, "edge-stitch", {"": "EdgeStitch"})
    | _at_sides(28, _STAPLE, "staple", dict(list(COUNTS.items())[:2]))
    | _row(70, _PUNCH, (f"punch-{corner}" for corner in CORNERS), CORNERS.values())
    | _at_sides(74, _PUNCH, "punch", COUNTS)
    | _row(90, _FOLD, (f"fold-{kind}" for kind in _FOLDS), _FOLDS.values())
)
_QUALITIES = {"draft": 3, "normal": 4, "high": 5}  # RFC 8011, 5.2.13


class Attribute(NamedTuple):
    """What IPP and our PPDs have for an attribute.

    Attributes:
        ppd_option: its option in PPDs; finishings have several.
        neutral: the value that asks nothing of the device.
        numbers: the known keywords, with their numbers in IPP; empty if any keyword will do.
    """

    ppd_option: str
    neutral: str
    numbers: Mapping[str, int] = {}


ATTRIBUTES: Mapping[str, Attribute] = {
    "finishings": Attribute("", "none", {word: each.number for word, each in FINISHINGS.items()}),
    "output-bin": Attribute("OutputBin", "auto"),
    "print-quality": Attribute("cupsPrintQuality", "normal", _QUALITIES),
    "media-type": Attribute("MediaType", "auto"),
}


def ppd_choice(attribute: str, keyword: str) -> PpdChoice:
    """The choice of a PPD for a value of an attribute: `face-up` is FaceUp."""
    if attribute == "finishings":
        return FINISHINGS[keyword].ppd
    return PpdChoice(ATTRIBUTES[attribute].ppd_option, ppd_word(keyword))


def ppd_word(keyword: str) -> str:
    """IPP's keyword as CUPS writes it in a PPD."""
    return "".join(word[:1].upper() + word[1:] for word in keyword.split("-"))
