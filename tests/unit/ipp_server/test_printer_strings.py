"""Texts for a printer's keywords."""

from __future__ import annotations

import dataclasses
import re

from hypothesis import given

from cirrus_bridge.ipp_server.printer_attributes import description
from cirrus_bridge.ipp_server.printer_strings import printer_strings
from described_devices import texts
from offered_printers import FACTS, offered


def test_words_of_the_location() -> None:
    """Trays, and papers for which clients have no text."""
    printer = offered(
        'HP\td\tTray 1;Bac "manuel" (é);手差し\\\t1\t1\t1\tA4,Label 50 x 80 mm,62x29mm'
    )
    assert printer_strings(printer).splitlines() == [
        '"media-source.tray-1" = "Tray 1";',
        '"media-source.tray-2" = "Bac \\"manuel\\" (é)";',
        '"media-source.tray-3" = "手差し\\\\";',
        '"media.custom_50x80mm_50x80mm" = "Label 50 x 80 mm";',
        '"media.custom_62x29mm_62x29mm" = "62x29mm";',
    ]


@given(texts)
def test_any_word_stays_within_its_line(word: str) -> None:
    """No word ends a text or a line."""
    printer = offered(f"HP\td\t{word};x\t1\t1\t1\tA4,{word}")
    for line in printer_strings(printer).splitlines():
        assert re.fullmatch(r'"[a-z0-9._-]+" = "(?:[^"\\\n]|\\["\\])*";', line)


def test_the_uri() -> None:
    """The attributes are there if the service has such a file."""
    printer = offered("HP\td\tTray 1\t1\t1\t1\tA4")
    assert "printer-strings-uri" not in description(printer, FACTS)
    facts = dataclasses.replace(FACTS, strings_uri="http://localhost:8631/strings")
    said = description(printer, facts)
    assert said["printer-strings-uri"] == ["http://localhost:8631/strings"]
    assert "de" in said["printer-strings-languages-supported"]
