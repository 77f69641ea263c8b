"""The papers, trays and types of media of a printer, by IPP's names, and back. Pure."""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from cirrus_bridge.base.device_options import ATTRIBUTES
from cirrus_bridge.base.media import (
    Paper,
    known_paper,
    paper_among,
    paper_of_size,
    self_describing_names,
)
from cirrus_bridge.drivers.capabilities import Capabilities
from cirrus_bridge.drivers.ppd import MARGIN_PT, default_paper, tray_keywords
from cirrus_bridge.ipp.values import Range
from cirrus_bridge.ipp_server.tray_names import AUTO, source_among, sources

UNITS_MM = 100  # IPP's sizes of media are in hundredths of a millimeter (PWG 5100.7)
MARGIN = round(MARGIN_PT * 2540 / 72)
# the custom sizes that drivers offer (drivers/ppd)
CUSTOM_ACROSS, CUSTOM_ALONG = Range(1270, 111760), Range(1270, 508000)


class OfferedPaper(NamedTuple):
    """A paper of a printer.

    Attributes:
        keyword: the name in IPP (PWG 5101.1).
        name: the name in PPDs, which the table of job props reads.
        across, along: the size, in hundredths of a millimeter.
    """

    keyword: str
    name: str
    across: int
    along: int


class AskedPaper(NamedTuple):
    """The paper that a job asks for: its name in PPDs, and its size in millimeters."""

    name: str
    width_mm: float
    height_mm: float


class Media:
    """The media of a device.

    Attributes:
        papers: the papers; the default paper comes first.
        words: the name in PPDs of each paper → the location's word.
        trays: the keyword in PPDs of each tray → the location's word. The first tray is automatic.
        sources: media-source of each tray → its keyword in PPDs.
        default_source: the tray of jobs that ask for none.
        types: media-type-supported.
    """

    def __init__(self, what: Capabilities) -> None:
        default = default_paper(what)
        papers = sorted(map(_offered, what.papers), key=lambda each: each.name != default)
        self.papers = tuple({each.keyword: each for each in papers}.values())
        words = {paper.name: word for paper, word in what.papers.items()}
        self.words = {each.name: words[each.name] for each in self.papers}
        self._by_name = {each.name: each for each in self.papers}
        own_trays = tray_keywords(what.trays)
        self.trays = {"Auto": "Auto"} | own_trays
        self.sources = {AUTO: "Auto"} | sources(own_trays)
        wanted = what.defaults.get("tray", "")
        default_tray = (key for key, tray in own_trays.items() if tray == wanted)
        default_keyword = next(default_tray, "Auto")
        self.default_source = next(
            name for name, keyword in self.sources.items() if keyword == default_keyword
        )
        neutral = ATTRIBUTES["media-type"].neutral
        self.types = tuple(dict.fromkeys((neutral, *what.options.props.get("media-type", {}))))

    @property
    def default_paper(self) -> AskedPaper:
        """The paper of jobs that ask for none."""
        return _asked(self.papers[0])

    def paper(self, word: str) -> AskedPaper | None:
        """The paper of any name, or of a size that the printer takes; None if there is none."""
        if found := next((each for each in self.papers if each.keyword == word), None):
            return _asked(found)
        if name := paper_among(word, self.words):
            return _asked(self._by_name[name])
        known = known_paper(word)
        return self.paper_of_size(*_size(known)) if known else None

    def paper_of_size(self, across: int, along: int) -> AskedPaper | None:
        """The paper of a size, in hundredths of a millimeter, or the custom size; None if the size
        is too small or too large. A paper that lies crosswise is the same paper."""
        for sides in ((across, along), (along, across)):
            if name := self._name_of_size(*sides):
                return _asked(self._by_name[name])
        if _is_within(across, CUSTOM_ACROSS) and _is_within(along, CUSTOM_ALONG):
            width_mm, height_mm = across / UNITS_MM, along / UNITS_MM
            return AskedPaper(paper_of_size(width_mm, height_mm), width_mm, height_mm)
        return None

    def source(self, word: str) -> str | None:
        """The media-source of a tray by any of its names; None if there is no such tray."""
        return source_among(word, self.sources, self.trays)

    def _name_of_size(self, across: int, along: int) -> str | None:
        return paper_among(paper_of_size(across / UNITS_MM, along / UNITS_MM), self.words)


def _offered(paper: Paper) -> OfferedPaper:
    across, along = _size(paper)
    standard = _standard_keywords().get(paper.name)
    return OfferedPaper(standard or custom_keyword(across, along), paper.name, across, along)


def custom_keyword(across: int, along: int, name: str = "") -> str:
    """The self-describing name of a size without a name: custom_62x29mm_62x29mm."""
    size = f"{across / UNITS_MM:g}x{along / UNITS_MM:g}mm"
    return f"custom_{name or re.sub('[^0-9a-z]', '-', size)}_{size}"


@functools.cache
def _standard_keywords() -> dict[str, str]:
    return self_describing_names()


def _size(paper: Paper) -> tuple[int, int]:
    return round(paper.width_pt * 2540 / 72), round(paper.height_pt * 2540 / 72)


def _asked(paper: OfferedPaper) -> AskedPaper:
    return AskedPaper(paper.name, paper.across / UNITS_MM, paper.along / UNITS_MM)


def _is_within(number: int, limits: Range) -> bool:
    return limits.lowest <= number <= limits.highest
