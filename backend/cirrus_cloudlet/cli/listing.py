"""Lists on standard output: a table for people, lines with tabs for programs.

The package of the embedded cloud does not contain rich, which cirrusctl uses.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Sequence

_GAP = 2
_JOINERS = "\u200c\u200d"  # of letters in Persian and Indic scripts, and of emoji


def write_list(rows: Iterable[Sequence[str]], *titles: str) -> None:
    """Write a table with `titles`, or "(none)", to a terminal; write lines with tabs elsewhere."""
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


def tell(text: str) -> None:
    """Tell a person what was done by a command that prints a secret. A script gets only that."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr)


def _printable(text: str) -> str:
    # a stranger's title may contain escape sequences for the terminal, or a line break
    return "".join(c if c.isprintable() or c in _JOINERS else "?" for c in text)


def _cells(text: str) -> int:
    """The width of a text on a terminal, in cells (UAX #11)."""
    return sum(
        0
        if unicodedata.combining(c) or c in _JOINERS
        else 2
        if unicodedata.east_asian_width(c) in "WF"
        else 1
        for c in text
    )
