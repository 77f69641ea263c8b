"""Keywords of trays that clients know."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirrus_bridge.drivers.ppd import tray_keywords
from cirrus_bridge.ipp_server.tray_names import source_among, sources


def _names(*words: str) -> list[str]:
    return list(sources(tray_keywords(words)))


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["Tray 1", "Tray 2"], ["tray-1", "tray-2"]),
        (["1", "2"], ["tray-1", "tray-2"]),
        (["Fach 2", "トレイ１", "Cassette 3"], ["tray-2", "tray-1", "tray-3"]),
        (["2", "Tray 2"], ["tray-1", "tray-2"]),
        (["Upper Tray", "Lower Tray", "Multipurpose Tray"], ["top", "bottom", "by-pass-tray"]),
        (["Upper", "Top"], ["tray-1", "top"]),
        (["Manual Feed", "Envelope Feeder", "Roll"], ["manual", "envelope", "main-roll"]),
        (["Roll 2", "Main"], ["roll-2", "main"]),
        (["Bac manuel (é)", "手差しトレイ"], ["tray-1", "tray-2"]),
        (["Auto", "Auto Select"], ["tray-1", "tray-2"]),
        (["Tray 21", "x"], ["tray-1", "tray-2"]),
    ],
)
def test_standard_names(words: list[str], names: list[str]) -> None:
    """What the word says, if there is a keyword for it, or else the next free tray-N."""
    assert _names(*words) == names


@given(
    st.lists(st.text(max_size=8) | st.sampled_from(["1", "Tray 2", "Upper", "Roll"]), unique=True)
)
def test_each_tray_has_one_name(words: list[str]) -> None:
    """No two trays share a name, and each name, also as CUPS writes it, is its tray's."""
    trays = tray_keywords(words)
    known = sources(trays)
    assert list(known.values()) == list(trays)
    for name in known:
        in_cups = "".join(word[:1].upper() + word[1:] for word in name.split("-"))
        assert source_among(name, known, trays) == name
        assert source_among(in_cups, known, trays) == name


def test_a_word_of_the_location() -> None:
    """The location's own word names its tray too; an unknown word names none."""
    trays = tray_keywords(["Paper deck", "Tray 2"])
    known = sources(trays)
    assert source_among("Paper deck", known, trays) == "tray-1"
    assert source_among("Tray 9", known, trays) is None
