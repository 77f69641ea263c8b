"""Tables as lines of text, for terminals and for programs that read lines. Pure.

For a terminal, empty columns are left out, titles are shortened, and free text has its own line
below the row, as have columns for which the terminal is too narrow. Otherwise nothing is shortened,
and each row is one line.

rich.table is not used: it cannot leave out columns on a narrow terminal or put free text below a
row, so it replaces only 4 lines. It takes 0.65 ms a row instead of 0.09 ms, and a location may have
10,000 devices (rich 15.0).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple, TypeAlias

from rich.cells import cell_len
from rich.text import Text

from cirrus_bridge.base.text import escaped
from cirrus_bridge.base.translation import tr, translated

Row: TypeAlias = Mapping[str, Any]
GAP = "  "
BAR_WIDTH = 10
LEAST_WIDTH = 16  # least width of a shortened column, in cells
# pieces that stay together, so that no line begins with a full stop
_PIECE = re.compile(r"[\u2e80-\uffef][\u3001\u3002]*|[^\u2e80-\uffef]+[\u3001\u3002]*")
MOST_NAMES = 10  # names that an empty list's text shows


class Shape(enum.Enum):
    """The way in which a column is drawn, and saves space."""

    PLAIN = enum.auto()
    PERCENTAGE = enum.auto()
    SHORTENED = enum.auto()
    LEFT_OUT = enum.auto()  # on a narrow terminal
    NOTE = enum.auto()  # free text, below its row


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        key: the key of its values in rows.
        style: gives a value's style of rich.
    """

    key: str
    title: str
    style: Callable[[Any], str] | None = None
    shape: Shape = Shape.PLAIN


def table(
    rows: Sequence[Row], columns: Sequence[Column], width: int | None, today: date
) -> list[Text]:
    """The lines of a table.

    Args:
        width: the terminal's width in cells; None without a terminal.
        today: a terminal shows the times of this day without the date.
    """
    if width is None:
        return list(_lines(rows, columns, {}, None))
    rows = [{key: _short(value, today) for key, value in row.items()} for row in rows]
    used = [
        column
        for column in columns
        if any(row.get(column.key) not in (None, "", [], ()) for row in rows)
    ]
    least = {column.key: _least(rows, column) for column in used}
    across, below = _across(used, least, width)
    widest = LEAST_WIDTH + max(0, width - _total(across, least))
    most = {column.key: widest for column in across if column.shape is Shape.SHORTENED}
    lines: list[Text] = []
    for line, row in zip(_lines(rows, across, most, width), [None, *rows], strict=True):
        lines.append(line)
        for column in below if row is not None else ():
            text = _cell(column, (row or {}).get(column.key), None).plain
            style = column.style(row[column.key]) if row and text and column.style else ""
            lines += [
                Text(each, style=style or ("dim" if column.shape is Shape.NOTE else ""))
                for each in wrapped(_labeled(column, text), width, GAP * 2)
            ]
    return lines


def _across(
    used: Sequence[Column], least: Mapping[str, int], width: int
) -> tuple[list[Column], list[Column]]:
    """The columns that stand side by side, and those below each row: free text, and whatever is
    too wide. So no line is longer than the terminal, which would break it within a word."""
    across = [column for column in used if column.shape is not Shape.NOTE]
    notes = [column for column in used if column.shape is Shape.NOTE]
    for column in reversed(across):
        if column.shape is Shape.LEFT_OUT and _total(across, least) > width:
            across = [each for each in across if each is not column]
    moved: list[Column] = []
    while len(across) > 1 and _total(across, least) > width:
        column = max(across[1:], key=lambda each: least[each.key])
        across.remove(column)
        moved.append(column)
    return across, [*(column for column in used if column in moved), *notes]


def _total(columns: Sequence[Column], least: Mapping[str, int]) -> int:
    return sum(least[column.key] for column in columns) + len(GAP) * (len(columns) - 1)


def _labeled(column: Column, text: str) -> str:
    """A value below its row; free text needs no title."""
    if not text or column.shape is Shape.NOTE:
        return text
    return f"{translated(column.title)}: {text}"


def cell(value: Any) -> str:
    """A value as one line of text for people."""
    match value:
        case None:
            text = ""
        case bool():
            text = translated(tr("yes") if value else tr("no"))
        case datetime():
            text = f"{value:%Y-%m-%d %H:%M:%S}"
        case list() | tuple():
            text = ", ".join(map(cell, value))
        case str():
            text = translated(value)
        case _:
            text = str(value)
    return " ".join(shown(text).split("\n"))


def some(names: Iterable[str], most: int = MOST_NAMES) -> str:
    """The first names without repetitions, and the number of further names."""
    known = list(dict.fromkeys(names))
    first = ", ".join(known[:most])
    more = len(known) - most
    return tr("{names} and {count} more", names=first, count=more) if more > 0 else first


def shown(text: str) -> str:
    """Text with control characters as escapes. Line breaks stay."""
    return escaped(text, but="\n")


def _lines(
    rows: Sequence[Row], columns: Sequence[Column], most: Mapping[str, int], width: int | None
) -> Iterator[Text]:
    """The title line and a line for each row; `most` has the widths of shortened columns."""
    titles = [Text(translated(column.title), style="bold") for column in columns]
    cells = [[_cell(column, row.get(column.key), width) for column in columns] for row in rows]
    for line in (titles, *cells):
        for text, column in zip(line, columns, strict=True):
            if column.key in most:
                _shorten(text, most[column.key])
    widths = [max(text.cell_len for text in texts) for texts in zip(titles, *cells, strict=True)]
    for line in (titles, *cells):
        for text, widest in zip(line, widths, strict=True):
            text.pad_right(widest - text.cell_len)
        joined = Text(GAP).join(line)
        joined.rstrip()
        yield joined


def _cell(column: Column, value: Any, width: int | None) -> Text:
    if width is None:
        mark = " %" if column.shape is Shape.PERCENTAGE and value is not None else ""
        return Text(cell(value) + mark)
    if column.shape is Shape.PERCENTAGE and value is not None:
        full = round(value * BAR_WIDTH / 100)
        return Text.assemble(("━" * full, "green"), ("─" * (BAR_WIDTH - full), "dim"))
    return Text(cell(value), style=column.style(value) if column.style else "")


def _short(value: Any, today: date) -> Any:
    if not isinstance(value, datetime):
        return value
    return f"{value:%H:%M:%S}" if value.date() == today else f"{value:%Y-%m-%d %H:%M}"


def _least(rows: Sequence[Row], column: Column) -> int:
    """The least width of a column in cells."""
    cells = (_cell(column, row.get(column.key), 0).cell_len for row in rows)
    whole = max([cell_len(translated(column.title)), *cells])
    return min(whole, LEAST_WIDTH) if column.shape is Shape.SHORTENED else whole


def _shorten(text: Text, most: int) -> None:
    """Shorten a text to `most` cells, if possible at the end of a word."""
    if text.cell_len <= most:
        return
    text.truncate(most - 1)
    end = text.plain.rfind(" ")
    if end * 2 >= len(text.plain):
        text.right_crop(len(text.plain) - end)
    text.append("\N{HORIZONTAL ELLIPSIS}")


def wrapped(text: str, width: int, indent: str = "") -> Iterator[str]:
    """Wrap free text at spaces, or between letters of scripts without spaces."""
    room = max(width, 2 * LEAST_WIDTH)
    line = indent
    for word in text.split(" "):
        pieces = _PIECE.findall(word) or [word]
        pieces[-1] += " "
        for piece in pieces:
            if cell_len(line) + cell_len(piece.rstrip()) > room and line.strip():
                yield line.rstrip()
                line = indent
            line += piece
    if line.strip():
        yield line.rstrip()
