"""The texts of a PPD in one language, as libcups gives them to print dialogs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

# a process of its own, because libcups keeps its first language
_SHOW = """
import cups, json, sys
ppd = cups.PPD(sys.argv[1])
ppd.localize()
print(json.dumps({
    option.keyword: {"": option.text} | {each["choice"]: each["text"] for each in option.choices}
    for group in ppd.optionGroups for option in group.options
} | {"Cirrus": {"": group.text for group in ppd.optionGroups if group.name == "Cirrus"}}))
"""


_EXPLAIN = """
import cups, json, sys
ppd = cups.PPD(sys.argv[1])
print(json.dumps([ppd.localizeIPPReason(reason, "text") for reason in sys.argv[2:]]))
"""


def localized_options(ppd: Path, language: str) -> dict[str, dict[str, str]]:
    """The text of each choice by option and choice; the option's own text has the key ""."""
    shown: dict[str, dict[str, str]] = json.loads(_run(language, _SHOW, ppd))
    return shown


def localized_reasons(ppd: Path, language: str, *reasons: str) -> list[str | None]:
    """The texts of printer-state-reasons; None for a reason without a text."""
    texts: list[str | None] = json.loads(_run(language, _EXPLAIN, ppd, *reasons))
    return texts


def _run(language: str, program: str, *arguments: str | Path) -> bytes:
    words = dict.fromkeys(("LANG", "LC_ALL"), f"{language}.UTF-8")
    command: list[str | Path] = [sys.executable, "-c", program, *arguments]
    environ = {**os.environ, **words}
    return subprocess.run(command, env=environ, capture_output=True, check=True).stdout
