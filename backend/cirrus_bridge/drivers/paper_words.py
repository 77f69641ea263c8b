"""Names that locations give to papers in languages other than English. Pure.

A driver on Windows names papers in the language of its system, often without their size. Codes such
as C5 and DL are the same in every language. So only the words around them need a translation.
"""

from __future__ import annotations

import re
import unicodedata

from cirrus_bridge.base.media import Paper, known_paper

_ENVELOPE = re.compile(
    # longer words first
    "briefumschlag|umschlag|enveloppe|envelope|envelop|konvolutt|kuvert|couvert|sobre|busta|koperta"
    "|kirjekuori|obálka|boríték|конверт|封筒|信封|봉투"
)
_WORDS = {
    "はがき": "Postcard", "ハガキ": "Postcard", "葉書": "Postcard", "郵便はがき": "Postcard",
    "郵便ハガキ": "Postcard", "官製はがき": "Postcard", "官製ハガキ": "Postcard",
    "往復はがき": "DoublePostcardRotated", "往復ハガキ": "DoublePostcardRotated",
    "レター": "Letter", "リーガル": "Legal", "タブロイド": "Tabloid", "エグゼクティブ": "Executive",
    "usbrief": "Letter", "lettre": "Letter", "lettreus": "Letter", "carta": "Letter",
    "légal": "Legal", "légalus": "Legal", "exécutive": "Executive", "ejecutivo": "Executive",
    "tabloïd": "Tabloid", "tabloide": "Tabloid",
}  # fmt: skip
_JAPANESE = re.compile("(長|角|洋)形?([0-9]+)号?")
_ROMAN = {"長": "Chou", "角": "Kaku", "洋": "You"}
_NO_MEANING = {
    "n", "no", "nr", "num", "núm", "nro", "número", "numéro", "numero", "号", "japanese", "japan",
}  # fmt: skip
_OF_ENVELOPES = {"monarque": "monarch", "monarca": "monarch", "italien": "italian"}


def translated_paper(word: str) -> Paper | None:
    """The paper that a location's word names in its language; None if the size is unknown."""
    text = unicodedata.normalize("NFKC", word).casefold()
    rest = _ENVELOPE.sub(" ", text)
    parts = [part for part in re.findall(r"[^\W_]+", rest) if part not in _NO_MEANING]
    code = "".join(_OF_ENVELOPES.get(part, part) for part in parts)
    if japanese := _JAPANESE.fullmatch(code):
        return known_paper(f"Env{_ROMAN[japanese[1]]}{japanese[2]}")
    if rest != text:
        return known_paper(f"env{code}") or known_paper(f"envelope {code}")
    return known_paper(_WORDS.get(code, code))
