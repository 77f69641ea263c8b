"""The paper, the tray and the type of media that a job asks for (PWG 5100.7). Pure."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cirrus_bridge.ipp.message import Attributes
from cirrus_bridge.ipp.values import Collection, OutOfBand, Value
from cirrus_bridge.ipp_server.job_template import MARGINS
from cirrus_bridge.ipp_server.media import MARGIN, UNITS_MM, AskedPaper, Media
from cirrus_bridge.ipp_server.tray_names import AUTO

_MOST_MARGIN = 10_000  # a page has two margins and something between them
_PLAIN = "stationery"  # Android asks for plain paper if nobody has chosen a type
_PAPER, _TRAY, _TYPE = "pagesize", "inputslot", "media-type"  # options


@dataclass(slots=True)
class AskedMedia:
    """The media that a job asks for.

    Attributes:
        paper: the paper, or else the default paper.
        margins: MARGINS, in hundredths of a millimeter.
        options: the options of `PrintJob`.
        unsupported: `media` and the members of `media-col` that the printer does not offer.
    """

    paper: AskedPaper
    margins: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MARGINS, MARGIN))
    options: dict[str, str] = field(default_factory=dict)
    unsupported: Attributes = field(default_factory=Attributes)

    @property
    def margins_mm(self) -> tuple[float, float, float, float]:
        """The left, bottom, right and top margin."""
        left, bottom, right, top = (
            self.margins[f"media-{side}-margin"] / UNITS_MM
            for side in ("left", "bottom", "right", "top")
        )
        return left, bottom, right, top


def read_media(attributes: Attributes, media: Media) -> AskedMedia:
    """Read media and media-col. Where both ask for the same, media wins, as in CUPS's options."""
    asked = AskedMedia(media.default_paper)
    if (values := attributes.get("media", ())) and not _read_name(values, media, asked):
        asked.unsupported["media"] = values
    if values := attributes.get("media-col", ()):
        left = _read_collection(values, media, asked)
        if left:
            asked.unsupported["media-col"] = left
    return asked


def _read_name(values: Sequence[Value], media: Media, asked: AskedMedia) -> bool:
    """Read the name of a paper, a tray or a type (RFC 8011, 5.2.11); whether it is known."""
    word = values[0]
    if len(values) != 1 or not isinstance(word, str):
        return False
    if paper := media.paper(word):
        _take_paper(paper, asked)
    elif source := media.source(word):
        _take_source(source, media, asked)
    elif word in media.types:
        _take_type(word, asked)
    else:
        return False
    return True


def _read_collection(values: Sequence[Value], media: Media, asked: AskedMedia) -> list[Value]:
    """Read a media-col, and return it with the members that the printer does not offer."""
    members = values[0]
    if len(values) != 1 or not isinstance(members, Collection):
        return list(values)
    left = Collection()
    for name, found in members.items():
        if found and not _read_member(name, found, media, asked):
            left[name] = found if name in _READERS else [OutOfBand.UNSUPPORTED]
    return [left] if left else []


def _read_member(name: str, values: Sequence[Value], media: Media, asked: AskedMedia) -> bool:
    """Read a member of media-col; whether the printer offers its value."""
    return name in _READERS and len(values) == 1 and _READERS[name](values[0], media, asked)


def _read_size(value: Value, media: Media, asked: AskedMedia) -> bool:
    if not isinstance(value, Collection):
        return False
    sides = [value.get(f"{side}-dimension", ()) for side in ("x", "y")]
    across, along = (side[0] if len(side) == 1 else None for side in sides)
    if not isinstance(across, int) or not isinstance(along, int):
        return False
    paper = media.paper_of_size(across, along)
    if paper and _PAPER not in asked.options:
        _take_paper(paper, asked)
    return paper is not None


def _read_size_name(value: Value, media: Media, asked: AskedMedia) -> bool:
    paper = media.paper(value) if isinstance(value, str) else None
    if paper and _PAPER not in asked.options:
        _take_paper(paper, asked)
    return paper is not None


def _read_source(value: Value, media: Media, asked: AskedMedia) -> bool:
    source = media.source(value) if isinstance(value, str) else None
    if source and _TRAY not in asked.options:
        _take_source(source, media, asked)
    return source is not None


def _read_type(value: Value, media: Media, asked: AskedMedia) -> bool:
    if not isinstance(value, str) or value not in (*media.types, _PLAIN):
        return False
    if value in media.types and _TYPE not in asked.options:
        _take_type(value, asked)
    return True


def _read_margin(side: str, value: Value, media: Media, asked: AskedMedia) -> bool:
    """Read a margin, for the place of an image on its paper. The device is not asked for a margin,
    and prints what it can of a page without margins."""
    if not isinstance(value, int) or not 0 <= value <= _MOST_MARGIN:
        return False
    asked.margins[side] = value
    return True


_READERS: Mapping[str, Callable[[Value, Media, AskedMedia], bool]] = {
    "media-size": _read_size,
    "media-size-name": _read_size_name,
    "media-source": _read_source,
    "media-type": _read_type,
    **{margin: functools.partial(_read_margin, margin) for margin in MARGINS},
}


def _take_paper(paper: AskedPaper, asked: AskedMedia) -> None:
    asked.paper = paper
    asked.options[_PAPER] = paper.name


def _take_source(source: str, media: Media, asked: AskedMedia) -> None:
    asked.options[_TRAY] = media.sources[source]


def _take_type(word: str, asked: AskedMedia) -> None:
    if word != AUTO:
        asked.options[_TYPE] = word
