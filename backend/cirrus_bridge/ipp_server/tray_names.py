"""The media-source of each tray of a device, and back. Pure.

CUPS offers only keywords of its own list (cups/ppd-cache.c, sources), and other clients have texts
for these only. Windows refuses a name such as `1` (OpenPrinting/cups#859). So each tray gets a
keyword of the standard (PWG 5101.1, 6.3): `Upper Tray` is top, `2` and `Fach 2` are tray-2, and any
other tray is the tray-N that is free.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping

from cirrus_bridge.base.trays import media_source, tray_word

AUTO = "auto"
_MOST_TRAYS, _MOST_ROLLS = 20, 10
_STANDARD = {
    keyword.replace("-", ""): keyword
    for keyword in (
        "main", "alternate", "large-capacity", "manual", "envelope", "disc", "photo", "hagaki",
        "main-roll", "alternate-roll", "top", "middle", "bottom", "side", "left", "right",
        "center", "rear", "by-pass-tray",
        *(f"tray-{number}" for number in range(1, _MOST_TRAYS + 1)),
        *(f"roll-{number}" for number in range(1, _MOST_ROLLS + 1)),
    )
}  # fmt: skip
_BEGINNINGS = {
    "manual": "manual", "envelope": "envelope", "bypass": "by-pass-tray", "photo": "photo",
    "largecapacity": "large-capacity", "rear": "rear", "highcapacity": "large-capacity",
}  # fmt: skip


def sources(trays: Mapping[str, str]) -> dict[str, str]:
    """The trays by media-source.

    Args:
        trays: the keyword in PPDs of each tray → the location's word.

    Returns:
        media-source → the keyword in PPDs, in the order of the trays.
    """
    found: dict[str, str] = {}  # the keyword in PPDs → media-source
    rules: Iterable[Callable[[str], str]] = (_exact, _numbered, _similar)
    for rule in rules:
        for keyword, word in trays.items():
            name = "" if keyword in found else rule(word)
            if name and name not in found.values():
                found[keyword] = name
    taken = set(found.values())
    free = (name for n in itertools.count(1) if (name := f"tray-{n}") not in taken)
    return {found.get(keyword) or next(free): keyword for keyword in trays}


def source_among(word: str, known: Mapping[str, str], trays: Mapping[str, str]) -> str | None:
    """The media-source of a tray by any of its names; None if there is no such tray.

    CUPS makes `Tray2` of `tray-2` for its own choices.

    Args:
        known: the trays by media-source, as `sources` returns them.
        trays: as for `sources`.
    """
    if word in known:
        return word
    if found := tray_word(word, {name: name for name in known}):
        return found
    found = tray_word(word, {keyword: keyword for keyword in trays}) or tray_word(word, trays)
    return next(
        (name for name, keyword in known.items() if found in (keyword, trays[keyword])), None
    )


def _plain(word: str) -> str:
    text = unicodedata.normalize("NFKC", word).casefold()
    return "".join(char for char in text if char.isalnum())


def _exact(word: str) -> str:
    return _STANDARD.get(_plain(word), "")


def _numbered(word: str) -> str:
    number = re.fullmatch("[^0-9]*([1-9][0-9]?)", _plain(word))
    return _STANDARD.get(f"tray{number[1]}", "") if number else ""


def _similar(word: str) -> str:
    plain = _plain(word)
    begun = (to for start, to in _BEGINNINGS.items() if plain.startswith(start))
    return _STANDARD.get(media_source(word)) or next(begun, "")
