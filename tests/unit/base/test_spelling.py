"""Guesses for misspelled names."""

from __future__ import annotations

import pytest

from cirrus_bridge.base.spelling import did_you_mean, similar
from cirrus_bridge.base.translation import translated

KNOWN = ("Laser1", "laser2", "Folder", "Großdrucker")


@pytest.mark.parametrize(
    ("name", "guesses"),
    [
        ("lasre1", ["Laser1", "laser2"]),
        ("FOLDER", ["Folder"]),  # case alone is a likely mistake, too
        ("grossdrucker", ["Großdrucker"]),
        ("plotter", []),
        ("", []),
        ("Laser1", ["laser2"]),  # not the name itself, which does not help
    ],
)
def test_similar(name: str, guesses: list[str]) -> None:
    """The most similar names come first; a name that is like none gets no guess."""
    assert similar(name, KNOWN) == guesses


def test_sentence() -> None:
    """The guess is a sentence in the reader's language, or nothing."""
    assert translated(did_you_mean("foldr", KNOWN), "de") == "Meinten Sie Folder?"
    assert did_you_mean("plotter", KNOWN) == ""
