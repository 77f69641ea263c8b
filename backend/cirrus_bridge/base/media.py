"""Papers: the many names of a paper → its name in PPDs and printer drivers. Pure.

Self-describing names are defined by PWG 5101.1, and older names by RFC 2911, appendix C. Custom
sizes in PPDs are Custom.WIDTHxHEIGHT with an optional unit; the default is points (PPD 4.3,
cupsMarkOptions(3)). CUPS calls all other sizes by their inches, if these are multiples of ¼ inch,
or else by their millimeters (cups/pwg-media.c): 2.25x1.25, 62x29mm.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
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
# Papers that CUPS also has names for. A driverless client of a shared queue uses these names.
_RARE_PAPERS = {
    "na_personal_3.625x6.5in": "EnvPersonal", "na_a2_4.375x5.75in": "EnvA2",
    "na_number-11_4.5x10.375in": "Env11", "na_number-12_4.75x11in": "Env12",
    "na_number-14_5x11.5in": "Env14", "na_quarto_8.5x10.83in": "Quarto",
    "na_fanfold-eur_8.5x12in": "FanFoldGerman", "na_letter-plus_8.5x12.69in": "LetterPlus",
    "na_super-a_8.94x14in": "SuperA", "na_arch-a_9x12in": "ARCHA",
    "na_letter-extra_9.5x12in": "LetterExtra", "na_legal-extra_9.5x15in": "LegalExtra",
    "na_fanfold-us_11x14.875in": "11x14.875", "na_b-plus_12x19.17in": "SuperB",
    "na_c_17x22in": "AnsiC", "na_arch-c_18x24in": "ARCHC", "na_d_22x34in": "AnsiD",
    "na_arch-d_24x36in": "ARCHD", "na_e_34x44in": "AnsiE", "na_arch-e_36x48in": "ARCHE",
    "na_f_44x68in": "AnsiF", "iso_a5-extra_174x235mm": "A5Extra", "iso_a4-tab_225x297mm": "A4Tab",
    "iso_a4-extra_235.5x322.3mm": "A4Extra", "iso_a4x3_297x630mm": "A4x3",
    "iso_a4x4_297x841mm": "A4x4", "iso_a4x5_297x1051mm": "A4x5", "iso_a4x6_297x1261mm": "A4x6",
    "iso_a4x7_297x1471mm": "A4x7", "iso_a4x8_297x1682mm": "A4x8", "iso_a4x9_297x1892mm": "A4x9",
    "iso_a3-extra_322x445mm": "A3Extra", "iso_a3x3_420x891mm": "A3x3",
    "iso_a3x4_420x1189mm": "A3x4", "iso_a3x6_420x1783mm": "A3x6", "iso_a3x7_420x2080mm": "A3x7",
    "iso_a2x3_594x1261mm": "A2x3", "iso_a2x4_594x1682mm": "A2x4", "iso_a2x5_594x2102mm": "A2x5",
    "iso_a1x3_841x1783mm": "A1x3", "iso_a1x4_841x2378mm": "A1x4", "iso_a0x3_1189x2523mm": "A0x3",
    "iso_b10_31x44mm": "ISOB10", "iso_b9_44x62mm": "ISOB9", "iso_b8_62x88mm": "ISOB8",
    "iso_b7_88x125mm": "ISOB7", "iso_b5-extra_201x276mm": "ISOB5Extra", "iso_c10_28x40mm": "EnvC10",
    "iso_c9_40x57mm": "EnvC9", "iso_c8_57x81mm": "EnvC8", "iso_c7_81x114mm": "EnvC7",
    "iso_c7c6_81x162mm": "EnvC76", "iso_c3_324x458mm": "EnvC3", "iso_c2_458x648mm": "EnvC2",
    "iso_c1_648x917mm": "EnvC1", "iso_c0_917x1297mm": "EnvC0", "iso_ra2_430x610mm": "RA2",
    "iso_sra2_450x640mm": "SRA2", "iso_ra1_610x860mm": "RA1", "iso_sra1_640x900mm": "SRA1",
    "iso_ra0_860x1220mm": "RA0", "iso_sra0_900x1280mm": "SRA0", "jis_b10_32x45mm": "B10",
    "jis_b9_45x64mm": "B9", "jis_b8_64x91mm": "B8", "jpn_kaku1_270x382mm": "EnvKaku1",
    "jpn_kaku3_216x277mm": "EnvKaku3", "jpn_kaku4_197x267mm": "EnvKaku4",
    "jpn_kaku5_190x240mm": "EnvKaku5", "jpn_kaku7_142x205mm": "EnvKaku7",
    "jpn_kaku8_119x197mm": "EnvKaku8", "jpn_you4_105x235mm": "EnvYou4",
    "jpn_you6_98x190mm": "EnvYou6", "jpn_chou40_90x225mm": "EnvChou40",
    "jpn_kahu_240x322.1mm": "240x322mm", "prc_32k_97x151mm": "PRC32K", "prc_1_102x165mm": "EnvPRC1",
    "prc_2_102x176mm": "EnvPRC2", "prc_4_110x208mm": "EnvPRC4", "prc_8_120x309mm": "EnvPRC8",
    "prc_16k_146x215mm": "PRC16K", "prc_7_160x230mm": "EnvPRC7",
    "om_italian_110x230mm": "EnvItalian", "om_folio-sp_215x315mm": "FolioSP",
    "om_invite_220x220mm": "EnvInvite",
}  # fmt: skip
# names of drivers on Windows (DMPAPER_* in Microsoft's wingdi.h)
_ON_WINDOWS = {
    "us letter": "Letter", "us legal": "Legal", "11x17": "Tabloid", "ledger": "Tabloid",
    "b4 (jis)": "B4", "b5 (jis)": "B5", "b6 (jis)": "B6", "b4 (iso)": "ISOB4", "b5 (iso)": "ISOB5",
    "envelope #9": "Env9", "envelope #10": "Env10", "envelope dl": "EnvDL", "envelope c4": "EnvC4",
    "envelope c5": "EnvC5", "envelope c6": "EnvC6", "envelope monarch": "EnvMonarch",
    "envelope b4": "ISOB4", "envelope b5": "ISOB5", "envelope b6": "ISOB6",
    "japanese postcard": "Postcard", "16k 195x270 mm": "roc16k",
    "16k": "roc16k", "8k": "roc8k", "8.5x13": "FanFoldGermanLegal",
}  # fmt: skip
_OLD_NAMES = dict.fromkeys(("iso-designated", "iso-designated-long"), "EnvDL")
_ALIASES = (
    {
        alias.lower(): paper
        for name, paper in (_RARE_PAPERS | _PAPERS).items()
        for alias in (name.rpartition("_")[0].replace("_", "-"), name.split("_")[1], paper)
        if len(alias) > 1 and not alias.isdigit()
    }
    | {name.lower(): name for name in _PAPERS.values()}
    | _OLD_NAMES
    | _ON_WINDOWS
)
# The same sheet: PPD 4.3, appendix B (LetterSmall, A4Rotated, A4.Transverse), CUPS (A4.Borderless),
# and RFC 2911, appendix C (iso-a4-white, na-number-10-envelope).
_VARIANT = re.compile(
    r"(.+?)(?:small|rotated|-(?:white|colored|transparent|envelope))?(?:\.[a-z].*)?"
)
_UNITS_MM = {"pt": 25.4 / 72, "in": 25.4, '"': 25.4, "ft": 304.8, "mm": 1.0, "cm": 10.0, "m": 1e3}
_SIZE = r"([0-9]+(?:\.[0-9]+)?)x([0-9]+(?:\.[0-9]+)?)"
_SELF_DESCRIBING = re.compile(rf"[a-z]+_[a-z0-9.-]+_{_SIZE}(mm|in)")
_CUSTOM = re.compile(rf"custom\.{_SIZE}(pt|in|ft|mm|cm|m)?", re.IGNORECASE)
_POINTS = re.compile(r"w([0-9]{2,5})h([0-9]{2,5})", re.IGNORECASE)  # custom sizes in PPDs
_IN_CUPS = re.compile(rf"{_SIZE}(mm)?")
# drivers on Windows: "A4 (210 x 297 mm)", "Label 4 x 6 in", '4" x 6"'
_NUMBER = r"([0-9]{1,4}(?:\.[0-9]{1,3})?)"
_IN_WORDS = re.compile(
    rf"(?:.*[ (])?{_NUMBER} ?(mm|in|\"|) ?x ?{_NUMBER} ?(mm|in|\")\)?", re.IGNORECASE
)
_SERIES = re.compile(r"[AB](?:10|[0-9])", re.IGNORECASE)
# Applications round to points, and some to whole millimeters. Rare papers are too close to labels
# and to each other for this, so CUPS's own tolerance applies to them.
_TOLERANCE_MM = 1.5
_TOLERANCE_OF_CUPS_MM = 0.5


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
        _standard_name(word)
        or _SELF_DESCRIBING.fullmatch(word)
        or _IN_CUPS.fullmatch(word)
        or _POINTS.fullmatch(word)
        or word.lower().startswith("custom")
    )


def paper(word: str) -> str:
    """The name of a paper in PPDs. A size that is not a standard size stays as it is."""
    if name := _standard_name(word):
        return name
    size_mm = _size_mm(word)
    return (size_mm and _standard(*size_mm)) or word


def paper_among(asked: str, names: Iterable[str]) -> str | None:
    """The PPD name, among these, of the paper asked for; None if it is not among them.

    A size has several names, because CUPS and a PPD may use different units. Each name matches.
    """
    known = {name.lower(): name for name in names}
    of_size = known_paper(asked)
    for name in (asked, paper(asked), of_size.name if of_size else asked):
        if name.lower() in known:
            return known[name.lower()]
    size_mm = _named_size_mm(asked)
    sizes = {name: size for name in known.values() if (size := _named_size_mm(name))}
    return _nearest(size_mm, sizes, _TOLERANCE_OF_CUPS_MM) if size_mm else None


def paper_word(asked: str, papers: Mapping[str, str]) -> str | None:
    """The location's word for the paper that a job asks for; None if the queue has no such paper.

    Args:
        asked: any name of the paper, or the location's word.
        papers: the queue's papers: name in PPDs → the location's word.
    """
    if name := paper_among(asked, papers):
        return papers[name]
    return next((word for word in papers.values() if word.lower() == asked.lower()), None)


def paper_of_size(width_mm: float, height_mm: float) -> str:
    """The name of the standard paper of this size, or else a custom size."""
    return _standard(width_mm, height_mm) or f"Custom.{width_mm:g}x{height_mm:g}mm"


def shown_as(name: str, word: str) -> str:
    """The text for people, of a paper's name in PPDs and its location's word: keywords are
    avoided."""
    return name if _SELF_DESCRIBING.fullmatch(word) else word


def self_describing_names() -> dict[str, str]:
    """The names of standard papers in IPP (PWG 5101.1), by their names in PPDs."""
    return {paper: name for name, paper in (_RARE_PAPERS | _PAPERS).items()}


def _standard_name(word: str) -> str | None:
    """The name in PPDs of a standard paper by its name, not by its size."""
    lower = word.lower()
    for name in (word, lower):
        if found := _PAPERS.get(name) or _RARE_PAPERS.get(name) or _ALIASES.get(name):
            return found
    if _SERIES.fullmatch(word):
        return word.upper()
    variant = _VARIANT.fullmatch(lower)
    return _ALIASES.get(variant[1]) if variant else None


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


def _named_size_mm(name: str) -> tuple[float, float] | None:
    """The size that a PPD name of a paper stands for. In a location's words, numbers alone may have
    any unit, but in CUPS's names they are inches."""
    if size_mm := _SIZES_MM.get(name) or _size_mm(name):
        return size_mm
    inches = _IN_CUPS.fullmatch(name)
    return (float(inches[1]) * 25.4, float(inches[2]) * 25.4) if inches else None


def _standard(width_mm: float, height_mm: float) -> str | None:
    size_mm = width_mm, height_mm
    return _nearest(size_mm, _SIZES_MM, _TOLERANCE_OF_CUPS_MM) or _nearest(
        size_mm, _USUAL_SIZES_MM, _TOLERANCE_MM
    )


def _nearest(
    wanted_mm: tuple[float, float], sizes_mm: Mapping[str, tuple[float, float]], tolerance_mm: float
) -> str | None:
    """The name of the size that is nearest to the wanted one, within the tolerance."""

    def distance(name: str) -> float:
        return max(abs(a - b) for a, b in zip(wanted_mm, sizes_mm[name], strict=True))

    found = min(sizes_mm, key=distance, default=None)
    return found if found and distance(found) <= tolerance_mm else None


def known_paper(word: str) -> Paper | None:
    """The paper that a word names; None if its size is unknown."""
    name = paper(word)
    size_mm = _SIZES_MM.get(name) or _size_mm(word)
    if size_mm is None or not all(10 <= side_mm <= 5000 for side_mm in size_mm):
        return None
    width_pt, height_pt = (round(side_mm / 25.4 * 72, 2) for side_mm in size_mm)
    if name not in _SIZES_MM:
        name = _name_in_cups(width_pt, height_pt)
    return Paper(name, width_pt, height_pt)


def _name_in_cups(width_pt: float, height_pt: float) -> str:
    """CUPS's name in PPDs for a size that has no name (_pwgMediaNearSize)."""
    sides = [int(side_pt * 2540 / 72 + 0.5) for side_pt in (width_pt, height_pt)]  # in 0.01 mm
    if all(side % 635 == 0 for side in sides):
        return "x".join(f"{side / 2540:g}" for side in sides)
    return "x".join(f"{side / 100:g}" for side in sides) + "mm"


_USUAL_SIZES_MM = {paper: size for name, paper in _PAPERS.items() if (size := _size_mm(name))}
_SIZES_MM = _USUAL_SIZES_MM | {
    paper: size for name, paper in _RARE_PAPERS.items() if (size := _size_mm(name))
}
STANDARD_PAPERS: tuple[Paper, ...] = tuple(filter(None, map(known_paper, list(_PAPERS)[:_COMMON])))
