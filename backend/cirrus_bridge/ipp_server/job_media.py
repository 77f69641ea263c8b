"""The paper, the tray and the type of media that a job asks for (PWG 5100.7). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cirrus_bridge.ipp.message import Attributes
from cirrus_bridge.ipp.values import Collection, OutOfBand, Value
from cirrus_bridge.ipp_server.job_template import MARGINS
from cirrus_bridge.ipp_server.media import AskedPaper, Media
from cirrus_bridge.ipp_server.tray_names import AUTO

_PAPER, _TRAY, _TYPE = "pagesize", "inputslot", "media-type"  # options


@dataclass(slots=True)
class AskedMedia:
    """What a job asks for.

    Attributes:
        paper: the paper, or else the default paper.
        options: the options of `PrintJob`.
        unsupported: `media` and the members of `media-col` that the printer does not offer.
    """

    paper: AskedPaper
    options: dict[str, str] = field(default_factory=dict)
    unsupported: Attributes = field(default_factory=Attributes)


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
    if not isinstance(value, str) or value not in media.types:
        return False
    if _TYPE not in asked.options:
        _take_type(value, asked)
    return True


def _read_margin(value: Value, media: Media, asked: AskedMedia) -> bool:
    """Take any margin. Margins tell clients where they may print; the device is not asked for a
    margin, and prints what it can of a page without margins."""
    return isinstance(value, int) and value >= 0


_READERS = {
    "media-size": _read_size,
    "media-size-name": _read_size_name,
    "media-source": _read_source,
    "media-type": _read_type,
    **dict.fromkeys(MARGINS, _read_margin),
}


def _take_paper(paper: AskedPaper, asked: AskedMedia) -> None:
    asked.paper = paper
    asked.options[_PAPER] = paper.name


def _take_source(source: str, media: Media, asked: AskedMedia) -> None:
    asked.options[_TRAY] = media.sources[source]


def _take_type(word: str, asked: AskedMedia) -> None:
    if word != AUTO:
        asked.options[_TYPE] = word
