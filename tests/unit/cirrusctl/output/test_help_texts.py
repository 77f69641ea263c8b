"""The text of `cirrusctl --help` in each language."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import catalogs
from cirrus_bridge.cirrusctl.main import program
from cirrus_bridge.cirrusctl.output.help_texts import texts

COMMANDS = ("", "setup", "jobs")  # the catalogs are complete: test_catalogs.py
# one process for all commands, because imports take most of the time
SCRIPT = """
import sys
from cirrus_bridge.cirrusctl.main import main
for command in sys.argv[1:]:
    sys.argv = ["cirrusctl", *command.split(), "--help"]
    assert main() == 0
    print(end="\\0")
"""


def _help(language: str) -> list[str]:
    """The help of each command."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *COMMANDS],
        env={**os.environ, "LC_ALL": f"{language}.UTF-8", "LANGUAGE": "", "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    *texts, rest = done.stdout.split("\0")
    assert len(texts) == len(COMMANDS) and not rest
    return [" ".join(text.split()) for text in texts]


def _english() -> set[str]:
    """Texts that contain a word of English alone."""
    found = {" ".join(text.partition("\n\n")[0].split()) for text in texts(program())}
    return {*found, "Usage: ", "Options:", "Commands:", "Show this message", "[default: "}


def test_english() -> None:
    """Help is English if the language has no catalog."""
    english = _help("C")
    for said in english:
        assert said.startswith("Usage: cirrusctl")
        assert "-h, --help Show this message and exit." in said
    assert _help("nl_NL") == english


@pytest.mark.parametrize("language", sorted({path.parts[-3] for path in catalogs.paths()}))
def test_another_language(language: str) -> None:
    """No text of ours is English, not even the headings."""
    for said in _help(language):
        assert "cirrusctl" in said and "-h, --help" in said
        assert [text for text in _english() if text in said] == []
