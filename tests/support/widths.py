"""The output of cirrusctl in a terminal of a chosen width."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import pexpect

from print_site import BACKEND

WIDTHS = (60, 80, 120, 200)
LONG = "Multifunktionsdrucker-Verwaltungsgebaeude-Erdgeschoss-Nord"
CJK = "会議室の大型プリンター、三階東側（総務部）"


def lines_at(environ: Mapping[str, str], width: int, *words: str) -> list[str]:
    """The lines of a command's output in a terminal of this width, without colors."""
    outer = {name: text for name, text in os.environ.items() if name != "COLUMNS"}
    program = pexpect.spawn(
        str(BACKEND.with_name("cirrusctl")),
        list(words),
        env={
            **outer,
            **environ,
            "TERM": "xterm",
            "NO_COLOR": "1",
            "LC_ALL": "C.UTF-8",
        },
        encoding="utf-8",
        timeout=120,
        dimensions=(60, width),
    )
    program.expect(pexpect.EOF)
    program.close()
    text = re.sub(r"\x1b\[[\d;]*m", "", str(program.before))  # bold
    return [line.rstrip() for line in text.splitlines()]


def is_broken(word: str, whole: set[str]) -> bool:
    """Whether a word is only a part of a word. Words of scripts without spaces have parts, and
    times and bars are written differently for people."""
    if not word.isascii() or re.fullmatch(r"[\d:.,%-]+", word) or word.endswith(":"):
        return False
    return word not in whole
