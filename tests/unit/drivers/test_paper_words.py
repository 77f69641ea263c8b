"""Papers by the words of locations in several languages."""

from __future__ import annotations

import re

import pytest

from cirrus_bridge.drivers.paper_words import translated_paper
from described_devices import driver_of


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("Umschlag DL", "EnvDL"), ("C5-Umschlag", "EnvC5"), ("Briefumschlag C6", "EnvC6"),
        ("Umschlag Nr. 10", "Env10"), ("Umschlag Nr. 9", "Env9"), ("Umschlag B5", "ISOB5"),
        ("Umschlag Monarch", "EnvMonarch"), ("US-Brief", "Letter"),
        ("Enveloppe nº 10", "Env10"), ("Enveloppe n°10", "Env10"), ("Enveloppe C65", "EnvC65"),
        ("Enveloppe Monarque", "EnvMonarch"), ("Lettre US", "Letter"),
        ("Sobre DL", "EnvDL"), ("Sobre núm. 10", "Env10"), ("Busta C5", "EnvC5"),
        ("はがき", "Postcard"), ("ﾊｶﾞｷ", "Postcard"), ("往復はがき", "DoublePostcardRotated"),
        ("長形3号", "EnvChou3"), ("長形４号", "EnvChou4"), ("角形2号封筒", "EnvKaku2"),
        ("洋形4号", "EnvYou4"), ("封筒 C5", "EnvC5"), ("Ａ４", "A4"), ("リーガル", "Legal"),
        ("Japanese Envelope Chou #3", "EnvChou3"), ("Конверт C5", "EnvC5"),
        ("Umschlag", None), ("Umschlag 99", None), ("Formular 10", None), ("", None),
        ("A4 Übergröße", None),
    ],
)  # fmt: skip
def test_papers(word: str, name: str | None) -> None:
    """A paper whose words are in another language is found by its code."""
    paper = translated_paper(word)
    assert (paper.name if paper else None) == name


def test_driver_of_a_location_in_another_language() -> None:
    """The driver offers such a paper, and the location gets its own word for it."""
    text = driver_of("HP\td\t\t1\t1\t1\tA4,Umschlag DL,はがき").ppd()
    assert re.findall(r"(?m)^\*PageSize ([^/]*)/", text) == ["A4", "EnvDL", "Postcard"]
    assert '*cirrusPaper EnvDL: "Umschlag DL"' in text
    assert "*ja.PageSize Postcard/はがき: " in text


def test_plain_name_goes_before_its_variant() -> None:
    """A location that lists A4Rotated before A4 gets A4 as the size."""
    text = driver_of("HP\td\t\t1\t1\t1\tA4Rotated,A4").ppd()
    assert "cirrusPaper" not in text
