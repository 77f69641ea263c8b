"""Papers: the many ways to ask for one → the name that PPDs and printer drivers use. Pure.

Self-describing names are those of PWG 5101.1; PPD custom sizes are Custom.WIDTHxHEIGHT with an
optional unit, points without (PPD 4.3, cupsMarkOptions(3)).
"""

from __future__ import annotations

import re
from typing import NamedTuple

# PWG 5101.1 self-describing name → the name in PPDs
_PAPERS = {
    "iso_a3_297x420mm": "A3", "iso_a4_210x297mm": "A4", "iso_a5_148x210mm": "A5",
    "iso_a6_105x148mm": "A6", "iso_b5_176x250mm": "ISOB5", "jis_b4_257x364mm": "B4",
    "jis_b5_182x257mm": "B5", "na_letter_8.5x11in": "Letter", "na_legal_8.5x14in": "Legal",
    "na_ledger_11x17in": "Tabloid", "na_executive_7.25x10.5in": "Executive",
    "iso_dl_110x220mm": "EnvDL", "na_number-10_4.125x9.5in": "Env10", "iso_c5_162x229mm": "EnvC5",
}  # fmt: skip
_ALIASES = {name.lower(): name for name in _PAPERS.values()} | {
    name.split("_")[1]: paper for name, paper in _PAPERS.items()
}
_UNITS_MM = {
    "": 25.4 / 72,
    "pt": 25.4 / 72,
    "in": 25.4,
    "ft": 304.8,
    "mm": 1.0,
    "cm": 10.0,
    "m": 1e3,
}
_SIZE = r"([0-9]+(?:\.[0-9]+)?)x([0-9]+(?:\.[0-9]+)?)"
_SELF_DESCRIBING = re.compile(rf"[a-z]+_[a-z0-9.-]+_{_SIZE}(mm|in)")
_CUSTOM = re.compile(rf"custom\.{_SIZE}(pt|in|ft|mm|cm|m)?", re.IGNORECASE)
_SERIES = re.compile(r"[AB](?:10|[0-9])", re.IGNORECASE)
# applications round to points, and some to whole millimetres
_TOLERANCE_MM = 1.5


class Paper(NamedTuple):
    """A paper by its name in PPDs, and its size in points (1/72 inch)."""

    name: str
    width_pt: float
    height_pt: float


def is_paper(word: str) -> bool:
    """Whether a word says a paper to everybody, and not only to one printer's driver."""
    return bool(
        word.lower() in _ALIASES
        or _SERIES.fullmatch(word)
        or _SELF_DESCRIBING.fullmatch(word)
        or word.lower().startswith("custom")
    )


def paper(word: str) -> str:
    """The name of a paper; sizes that are a standard paper's get its name, others stay."""
    if word in _PAPERS:
        return _PAPERS[word]
    if word.lower() in _ALIASES:
        return _ALIASES[word.lower()]
    if _SERIES.fullmatch(word):
        return word.upper()
    size_mm = _size_mm(word)
    return (size_mm and _standard(*size_mm)) or word


def paper_of_size(width_mm: float, height_mm: float) -> str:
    """The name of the standard paper of this size, or else a PPD custom size."""
    return _standard(width_mm, height_mm) or f"Custom.{width_mm:g}x{height_mm:g}mm"


def _size_mm(name: str) -> tuple[float, float] | None:
    match = _SELF_DESCRIBING.fullmatch(name) or _CUSTOM.fullmatch(name)
    if match is None:
        return None
    unit_mm = _UNITS_MM[(match[3] or "").lower()]
    return float(match[1]) * unit_mm, float(match[2]) * unit_mm


def _standard(width_mm: float, height_mm: float) -> str | None:
    for name, known in _PAPERS.items():
        size_mm = _size_mm(name)
        if (
            size_mm
            and max(abs(size_mm[0] - width_mm), abs(size_mm[1] - height_mm)) <= _TOLERANCE_MM
        ):
            return known
    return None


def known_paper(word: str) -> Paper | None:
    """The paper that a word means, if it says or everybody knows how large that is."""
    name = paper(word)
    for self_describing, known in _PAPERS.items():
        if known == name:
            return _paper(known, self_describing)
    return _paper(name, name) if _size_mm(word) else None


def _paper(name: str, self_describing: str) -> Paper | None:
    size_mm = _size_mm(self_describing)
    if size_mm is None or not all(10 <= side_mm <= 5000 for side_mm in size_mm):
        return None
    if name == self_describing:
        name = "w{:.0f}h{:.0f}".format(*(side_mm / 25.4 * 72 for side_mm in size_mm))
    return Paper(name, *(round(side_mm / 25.4 * 72, 2) for side_mm in size_mm))


STANDARD_PAPERS: tuple[Paper, ...] = tuple(filter(None, map(known_paper, _PAPERS)))
