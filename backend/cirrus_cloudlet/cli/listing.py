"""What commands list: columns with headings for people, plain lines for programs.

rich, which cirrusctl uses, is not in the package of the embedded cloud.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Sequence

_GAP = 2


def write_list(rows: Iterable[Sequence[str]], *titles: str) -> None:
    """Write rows to standard output: a line each, its values divided by tabs. On a terminal they
    stand below each other, and below titles; and where there are none, that is said."""
    lines = [[_printable(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        for line in lines:
            print(*line, sep="\t")
        return
    if not lines:
        print("(none)")
        return
    lines.insert(0, [title.upper() for title in titles])
    widths = [max(map(_cells, column)) + _GAP for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (v + " " * (width - _cells(v)) for v, width in zip(line, widths, strict=True))
        print("".join(padded).rstrip())


def _printable(text: str) -> str:
    # a title is a stranger's text: it must not command the terminal, nor look like another job
    return "".join(character if character.isprintable() else "?" for character in text)


def _cells(text: str) -> int:
    """How wide a terminal shows it."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
