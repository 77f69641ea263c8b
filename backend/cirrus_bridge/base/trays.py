"""Trays: the many names of a tray → the location's word. Pure.

CUPS derives IPP's media-source from a driver's keyword, and a driverless client derives a keyword
from the media-source (cups/ppd-cache.c): Tray-2 → tray-2 → Tray2, Upper-Tray → top → Top.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

# keywords that CUPS translates, and beginnings of such keywords
_SOURCES = {
    "cassette": "main", "roll": "mainroll", "phototray": "photo", "cdtray": "disc",
    "mp": "bypasstray", "mptray": "bypasstray", "default": "auto",
}  # fmt: skip
_BEGINNINGS = {
    "auto": "auto", "multipurpose": "bypasstray", "lower": "bottom", "middle": "middle",
    "side": "side", "upper": "top",
}  # fmt: skip


def media_source(name: str) -> str:
    """The letters and digits of the IPP keyword that CUPS derives from a tray's name.

    All names that CUPS and its clients have for one tray give the same result.
    """
    plain = _plain(name)
    if plain in _SOURCES:
        return _SOURCES[plain]
    return next((to for start, to in _BEGINNINGS.items() if plain.startswith(start)), plain)


def tray_word(asked: str, trays: Mapping[str, str]) -> str | None:
    """The location's word for the tray that a job asks for; None if the queue has no such tray.

    Args:
        asked: the driver's or the driverless client's keyword, IPP's media-source, or the
            location's word.
        trays: the queue's trays: the driver's keyword → the location's word.
    """
    known: dict[str, str] = {}
    for name, word in _names(trays):
        known.setdefault(name, word)
    return known.get(_plain(asked)) or known.get(media_source(asked))


def _names(trays: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Names of trays with their words. The names that come first are the more reliable ones."""
    yield from ((_plain(keyword), word) for keyword, word in trays.items())
    yield from ((_plain(word), word) for word in trays.values() if _plain(word))
    yield from ((media_source(keyword), word) for keyword, word in trays.items())


def _plain(name: str) -> str:
    return "".join(char for char in name.lower() if char.isalnum())
