"""Texts for people, in English and in other languages."""

from __future__ import annotations

from pathlib import Path

import pytest

from cirrus_bridge.base import translation as words
from cirrus_bridge.base.errors import Refused
from cirrus_bridge.base.translation import changed, joined, tr, translated, trn


def german(one: str, many: str, count: int) -> str:
    """A catalog with good and bad translations."""
    return {
        "Delivered at {place}": "Zugestellt an {place}",
        "refused": "verweigert",
        "{why}. Go on.": "Weiter. {why}!",
        "{count} job": "{count} Auftrag" if count == 1 else "{count} Aufträge",
        "Unknown {a}": "Fremd {b}",
        "Missing {a}": "Fehlt",
        "Broken {a}": "Kaputt {a",
        "Number {a}": "Nummer {a:d}",
        "Attribute {a}": "Attribut {a.b}",
        "Position {a}": "Stelle {}",
    }.get(one, many if many and count != 1 else one)


def test_is_english_as_text() -> None:
    """As a str, a text is in English, for logs."""
    text = tr("Delivered at {place}", place="Paris")
    assert text == "Delivered at Paris"
    assert type(str(text)) is str


def test_says_itself_with_a_catalog() -> None:
    """Texts in fields are translated as well; other values stay as they are."""
    inner = tr("Delivered at {place}", place="{place}")
    assert inner.say(german) == "Zugestellt an {place}"
    assert tr("{why}. Go on.", why=tr("refused")).say(german) == "Weiter. verweigert!"
    assert tr("{why}. Go on.", why="refused").say(german) == "Weiter. refused!"


def test_counts() -> None:
    """Each language has its own plural forms."""
    one, two = (trn("{count} job", "{count} jobs", count) for count in (1, 2))
    assert (one, two) == ("1 job", "2 jobs")
    assert (one.say(german), two.say(german)) == ("1 Auftrag", "2 Aufträge")


def test_texts_put_together() -> None:
    """All parts of a combined text are translated, and changes apply in each language."""
    text = joined("; ", [tr("refused"), "Laser1", tr("Delivered at {place}", place="a\nb")])
    assert text == "refused; Laser1; Delivered at a\nb"
    clean = changed(text, lambda said: said.replace("\n", " ").upper())
    assert clean == "REFUSED; LASER1; DELIVERED AT A B"
    assert isinstance(clean, words.Words)
    assert clean.say(german) == "VERWEIGERT; LASER1; ZUGESTELLT AN A B"


@pytest.mark.parametrize(
    "kind", ["Unknown", "Missing", "Broken", "Number", "Attribute", "Position"]
)
def test_a_broken_translation_is_not_used(kind: str) -> None:
    """A broken translation is replaced by the English text."""
    assert tr(f"{kind} {{a}}", a="x").say(german) == f"{kind} x"


def test_an_error_keeps_its_words() -> None:
    """`str(error)` is in English; as a field of another text, an error is translated."""
    error = Refused(tr("Delivered at {place}", place="a\nb"))
    assert str(error) == "Delivered at a b"
    outer = tr("{why}. Go on.", why=error)
    assert outer == "Delivered at a b. Go on."
    assert outer.say(german) == "Weiter. Zugestellt an a b!"
    assert tr("{why}. Go on.", why=OSError(2, "gone")) == "[Errno 2] gone. Go on."


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "de_AT.UTF-8"}, "de"),
        ({"LANG": "de.UTF8"}, "de"),  # as cupsd has it
        ({"LANG": "de_DE@euro"}, "de"),
        ({"LANG": "de_DE.UTF-8", "LC_MESSAGES": "fr_FR.UTF-8"}, "fr"),
        ({"LC_MESSAGES": "fr_FR.UTF-8", "LC_ALL": "es_ES.UTF-8"}, "es"),
        ({"LC_ALL": "es_ES.UTF-8", "LANGUAGE": "tlh:ja:de"}, "ja"),
        ({"LANG": "de_DE.UTF-8", "LANGUAGE": "en_GB:de"}, "en"),
        ({"LANG": "tlh"}, "en"),
        ({"LANG": "../../../../tmp/x"}, "en"),
    ],
)
def test_the_language_of_the_process(
    environ: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gettext's variables decide, in gettext's order."""
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    said = translated(tr("Received at {location}", location="Paris"))
    assert said == translated(tr("Received at {location}", location="Paris"), language)
    assert (said == "Received at Paris") == (language == "en")


@pytest.mark.parametrize("language", ["de", "de-at", "de_CH"])
def test_the_language_of_a_job(language: str) -> None:
    """A job's natural language (IPP) is used, not the process's language."""
    assert translated(tr("Received at {location}", location="P"), language) == (
        "Am Standort P empfangen"
    )


def test_a_job_names_no_file(tmp_path: Path) -> None:
    """A job's natural language cannot name a file elsewhere."""
    assert translated(tr("Received at {location}", location="P"), f"../{tmp_path}") == (
        "Received at P"
    )


@pytest.mark.parametrize("keep_bytes", [0, 500, 3000])
def test_a_damaged_catalog(
    keep_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a damaged catalog, texts are in English, and jobs are printed."""
    name = "de/LC_MESSAGES/cirrus-bridge.mo"
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_bytes((words.FOLDER / name).read_bytes()[:keep_bytes])
    monkeypatch.setattr(words, "FOLDER", tmp_path)
    for cached in (words._catalog, words.translations):
        cached.cache_clear()
    said = translated(tr("Received at {location}", location="P"), "de")
    for cached in (words._catalog, words.translations):
        cached.cache_clear()
    assert said == "Received at P"
