"""The options of a PPD in one language, as libcups gives them to print dialogs."""

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


def localized_options(ppd: Path, language: str) -> dict[str, dict[str, str]]:
    """The text of each choice by option and choice; the option's own text has the key ""."""
    words = dict.fromkeys(("LANG", "LC_ALL"), f"{language}.UTF-8")
    command: list[str | Path] = [sys.executable, "-c", _SHOW, ppd]
    done = subprocess.run(command, env={**os.environ, **words}, capture_output=True, check=True)
    shown: dict[str, dict[str, str]] = json.loads(done.stdout)
    return shown
