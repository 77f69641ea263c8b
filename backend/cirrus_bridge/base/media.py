"""Papers: the many names of a paper → its name in PPDs and printer drivers. Pure.

Self-describing names are defined by PWG 5101.1. Custom sizes in PPDs are Custom.WIDTHxHEIGHT with
an optional unit; the default is points (PPD 4.3, cupsMarkOptions(3)).
"""

from __future__ import annotations

import re
from typing import NamedTuple

# PWG 5101.1 self-describing name → the name in PPDs (PPD 4.3, appendix B; cups/pwg-media.c)
_PAPERS = {
    "iso_a3_297x420mm": "A3", "iso_a4_210x297mm": "A4", "iso_a5_148x210mm": "A5",
    "iso_a6_105x148mm": "A6", "iso_b5_176x250mm": "ISOB5", "jis_b4_257x364mm": "B4",
    "jis_b5_182x257mm": "B5", "na_letter_8.5x11in": "Letter", "na_legal_8.5x14in": "Legal",
    "na_ledger_11x17in": "Tabloid", "na_executive_7.25x10.5in": "Executive",
    "iso_dl_110x220mm": "EnvDL", "na_number-10_4.125x9.5in": "Env10", "iso_c5_162x229mm": "EnvC5",
}  # fmt: skip
_COMMON = len(_PAPERS)  # these papers are offered if a location reports none
_PAPERS |= {
    "iso_a0_841x1189mm": "A0", "iso_a1_594x841mm": "A1", "iso_a2_420x594mm": "A2",
    "iso_a7_74x105mm": "A7", "iso_a8_52x74mm": "A8", "iso_a9_37x52mm": "A9",
    "iso_a10_26x37mm": "A10", "iso_b0_1000x1414mm": "ISOB0", "iso_b1_707x1000mm": "ISOB1",
    "iso_b2_500x707mm": "ISOB2", "iso_b3_353x500mm": "ISOB3", "iso_b4_250x353mm": "ISOB4",
    "iso_b6_125x176mm": "ISOB6", "jis_b0_1030x1456mm": "B0", "jis_b1_728x1030mm": "B1",
    "jis_b2_515x728mm": "B2", "jis_b3_364x515mm": "B3", "jis_b6_128x182mm": "B6",
    "jis_b7_91x128mm": "B7", "iso_ra3_305x430mm": "RA3", "iso_ra4_215x305mm": "RA4",
    "iso_sra3_320x450mm": "SRA3", "iso_sra4_225x320mm": "SRA4", "iso_c4_229x324mm": "EnvC4",
    "iso_c6_114x162mm": "EnvC6", "iso_c6c5_114x229mm": "EnvC65",
    "na_invoice_5.5x8.5in": "Statement", "na_oficio_8.5x13.4in": "Oficio",
    "na_foolscap_8.5x13in": "FanFoldGermanLegal", "na_monarch_3.875x7.5in": "EnvMonarch",
    "na_number-9_3.875x8.875in": "Env9",
    "na_super-b_13x19in": "13x19", "na_arch-b_12x18in": "ARCHB", "na_index-4x6_4x6in": "4x6",
    "na_5x7_5x7in": "5x7", "jpn_hagaki_100x148mm": "Postcard",
    "jpn_oufuku_148x200mm": "DoublePostcardRotated", "jpn_chou3_120x235mm": "EnvChou3",
    "jpn_chou4_90x205mm": "EnvChou4", "jpn_kaku2_240x332mm": "EnvKaku2",
    "roc_16k_7.75x10.75in": "roc16k", "roc_8k_10.75x15.5in": "roc8k",
    "om_small-photo_100x150mm": "100x150mm", "om_folio_210x330mm": "Folio",
}  # fmt: skip
# names of drivers on Windows (DMPAPER_* in Microsoft's wingdi.h)
_ON_WINDOWS = {
    "us letter": "Letter", "us legal": "Legal", "11x17": "Tabloid", "ledger": "Tabloid",
    "b4 (jis)": "B4", "b5 (jis)": "B5", "b6 (jis)": "B6", "b4 (iso)": "ISOB4", "b5 (iso)": "ISOB5",
    "envelope #9": "Env9", "envelope #10": "Env10", "envelope dl": "EnvDL", "envelope c4": "EnvC4",
    "envelope c5": "EnvC5", "envelope c6": "EnvC6", "envelope monarch": "EnvMonarch",
    "envelope b5": "ISOB5", "japanese postcard": "Postcard", "16k 195x270 mm": "roc16k",
    "16k": "roc16k", "8k": "roc8k", "8.5x13": "FanFoldGermanLegal",
}  # fmt: skip
_ALIASES = (
    {name.split("_")[1]: paper for name, paper in _PAPERS.items()}
    | {name.lower(): name for name in _PAPERS.values()}
    | _ON_WINDOWS
)
_UNITS_MM = {"pt": 25.4 / 72, "in": 25.4, '"': 25.4, "ft": 304.8, "mm": 1.0, "cm": 10.0, "m": 1e3}
_SIZE = r"([0-9]+(?:\.[0-9]+)?)x([0-9]+(?:\.[0-9]+)?)"
_SELF_DESCRIBING = re.compile(rf"[a-z]+_[a-z0-9.-]+_{_SIZE}(mm|in)")
_CUSTOM = re.compile(rf"custom\.{_SIZE}(pt|in|ft|mm|cm|m)?", re.IGNORECASE)
_POINTS = re.compile(r"w([0-9]{2,5})h([0-9]{2,5})", re.IGNORECASE)  # custom sizes in PPDs
# drivers on Windows: "A4 (210 x 297 mm)", "Label 4 x 6 in", '4" x 6"'
_NUMBER = r"([0-9]{1,4}(?:\.[0-9]{1,3})?)"
_IN_WORDS = re.compile(
    rf"(?:.*[ (])?{_NUMBER} ?(mm|in|\"|) ?x ?{_NUMBER} ?(mm|in|\")\)?", re.IGNORECASE
)
_SERIES = re.compile(r"[AB](?:10|[0-9])", re.IGNORECASE)
# applications round to points, and some to whole millimeters
_TOLERANCE_MM = 1.5


class Paper(NamedTuple):
    """A paper by its name in PPDs, and its size in points (1/72 inch)."""

    name: str
    width_pt: float
    height_pt: float

    @property
    def is_envelope(self) -> bool:
        """Whether the paper is an envelope, which most printers print on one side only."""
        return self.name.startswith("Env")


def is_paper(word: str) -> bool:
    """Whether a word names a paper in general, and not only in one printer's driver."""
    return bool(
        word.lower() in _ALIASES
        or _SERIES.fullmatch(word)
        or _SELF_DESCRIBING.fullmatch(word)
        or word.lower().startswith("custom")
    )


def paper(word: str) -> str:
    """The name of a paper in PPDs. A size that is not a standard size stays as it is."""
    if word in _PAPERS:
        return _PAPERS[word]
    if word.lower() in _ALIASES:
        return _ALIASES[word.lower()]
    if _SERIES.fullmatch(word):
        return word.upper()
    size_mm = _size_mm(word)
    return (size_mm and _standard(*size_mm)) or word


def paper_of_size(width_mm: float, height_mm: float) -> str:
    """The name of the standard paper of this size, or else a custom size."""
    return _standard(width_mm, height_mm) or f"Custom.{width_mm:g}x{height_mm:g}mm"


def shown_as(name: str, word: str) -> str:
    """The text for people, of a paper's name in PPDs and its location's word: keywords and sizes in
    points are avoided."""
    return name if _SELF_DESCRIBING.fullmatch(word) and not _POINTS.fullmatch(name) else word


def _size_mm(name: str) -> tuple[float, float] | None:
    if match := _SELF_DESCRIBING.fullmatch(name) or _CUSTOM.fullmatch(name):
        width, height, unit = match[1], match[2], match[3] or "pt"
    elif match := _POINTS.fullmatch(name):
        width, height, unit = match[1], match[2], "pt"
    elif (match := _IN_WORDS.fullmatch(name)) and match[2].lower() in ("", match[4].lower()):
        width, height, unit = match[1], match[3], match[4]
    else:
        return None
    unit_mm = _UNITS_MM[unit.lower()]
    return float(width) * unit_mm, float(height) * unit_mm


def _standard(width_mm: float, height_mm: float) -> str | None:
    for known, (width, height) in _SIZES_MM.items():
        if max(abs(width - width_mm), abs(height - height_mm)) <= _TOLERANCE_MM:
            return known
    return None


def known_paper(word: str) -> Paper | None:
    """The paper that a word names; None if its size is unknown."""
    name = paper(word)
    size_mm = _SIZES_MM.get(name) or _size_mm(word)
    if size_mm is None or not all(10 <= side_mm <= 5000 for side_mm in size_mm):
        return None
    width_pt, height_pt = (round(side_mm / 25.4 * 72, 2) for side_mm in size_mm)
    if name not in _SIZES_MM:
        name = f"w{width_pt:.0f}h{height_pt:.0f}"
    return Paper(name, width_pt, height_pt)


_SIZES_MM = {paper: size for name, paper in _PAPERS.items() if (size := _size_mm(name))}
STANDARD_PAPERS: tuple[Paper, ...] = tuple(filter(None, map(known_paper, list(_PAPERS)[:_COMMON])))
