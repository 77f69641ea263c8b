"""What `cirrusctl --help` says, in each language."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import catalogs
from cirrus_bridge.cirrusctl.main import app
from cirrus_bridge.cirrusctl.output.help_texts import program_of, texts

COMMANDS = ("", "setup", "jobs")  # the catalogs are complete: test_catalogs.py


def _help(command: str, language: str) -> str:
    done = subprocess.run(
        [Path(sys.executable).with_name("cirrusctl"), *command.split(), "--help"],
        env={**os.environ, "LC_ALL": f"{language}.UTF-8", "LANGUAGE": "", "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    return " ".join(done.stdout.split())


def _english() -> set[str]:
    """Texts with a word in them that is English alone."""
    found = {" ".join(text.partition("\n\n")[0].split()) for text in texts(program_of(app))}
    return {*found, "Usage: ", "Options:", "Commands:", "Show this message", "[default: "}


@pytest.mark.parametrize("command", COMMANDS)
def test_english(command: str) -> None:
    """Where there is no catalog for the language."""
    said = _help(command, "C")
    assert said.startswith("Usage: cirrusctl")
    assert "-h, --help Show this message and exit." in said
    assert _help(command, "nl_NL") == said


@pytest.mark.parametrize("language", sorted({path.parts[-3] for path in catalogs.paths()}))
@pytest.mark.parametrize("command", COMMANDS)
def test_another_language(command: str, language: str) -> None:
    """Nothing of ours is English, nor the headings."""
    said = _help(command, language)
    assert "cirrusctl" in said and "-h, --help" in said
    assert [text for text in _english() if text in said] == []
