"""Dialogs show what a queue's state reasons mean, in the reader's language, through libcups."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cirrus_bridge.drivers.ppd_strings import LANGUAGES, REASONS, words_in
from described_devices import WINDOWS, driver_of
from localized import localized_reasons
from paths import REPO


@pytest.fixture(scope="module")
def generic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generic driver, compiled as cups-driverd(8) does."""
    folder = tmp_path_factory.mktemp("ppd")
    command: list[str | Path] = [
        "ppdc",
        "-d",
        folder,
        "-l",
        ",".join(("en", *LANGUAGES)),
        "cirrus-bridge.drv",
    ]
    subprocess.run(command, cwd=REPO / "ppd", check=True, capture_output=True)
    return folder / "cirrus-generic-pdf.ppd"


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_each_reason_has_a_text(generic: Path, tmp_path: Path, language: str) -> None:
    """Each of our reasons has the same text in generic and generated drivers, and no two languages
    share a text."""
    generated = tmp_path / "made.ppd"
    generated.write_text(driver_of(WINDOWS).ppd())
    wanted = [words_in(language)[f"cupsIPPReason {reason}"] for reason in REASONS]
    assert language == "en" or not set(wanted) & set(words_in("en").values())
    for driver in (generic, generated):
        assert localized_reasons(driver, language, *REASONS) == wanted
        assert localized_reasons(driver, language, "cirrus-delivery-unknown-report") == [None]
