"""The output of cirrusctl, text for people or JSON for programs (`--json`).

Commands hand over rows or documents, and this module decides their looks. Titles and server texts
may contain control characters, which are written as escapes. Without a terminal, the output has no
colors, and nothing is shortened.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, NamedTuple, TypeAlias

import typer
from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from cirrus_bridge.base.errors import CirrusError, UsageError
from cirrus_bridge.base.translation import Words, joined, tr, translated
from cirrus_bridge.cirrusctl.output.table import Column, Row, shown, table, wrapped

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Write JSON instead of text.")]


class Snapshot(NamedTuple):
    """A list at one moment, as for `Output.rows`; `note` is a line for people above the rows."""

    rows: Sequence[Row]
    document: object
    none: str
    note: str = ""


class Output:
    """Standard output as text or JSON. Remarks go to standard error.

    JSON is one document; for events and watched lists, it is one document on each line.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self._console = Console(highlight=False, markup=False, emoji=False)

    def rows(
        self, rows: Sequence[Row], columns: Sequence[Column], *, none: str, document: object = None
    ) -> None:
        """Write a list.

        Args:
            columns: the columns that people see. JSON has all keys of the rows.
            none: the text for people if there are no rows; nothing is written if it is empty.
            document: replaces the rows in JSON.
        """
        if self.as_json:
            _write_json(rows if document is None else document, indent=2)
        else:
            for line in self._list(rows, columns, none):
                self._console.print(line, soft_wrap=True)

    def document(self, document: object, text: str) -> None:
        """Write a document for JSON, or its `text` for people."""
        if self.as_json:
            _write_json(document, indent=2)
        else:
            for line in translated(text).splitlines():
                self.line(line)

    def event(self, event: Row, text: str) -> None:
        if self.as_json:
            _write_json(event)
        else:
            self.line(text)

    def watch(self, snapshots: Iterable[Snapshot], columns: Sequence[Column]) -> None:
        """Write a changing list: a terminal is redrawn, other outputs get all snapshots."""
        if self.as_json:
            for snapshot in snapshots:
                _write_json(snapshot.document)
        elif self._console.is_terminal:
            with Live(console=self._console, auto_refresh=False, screen=True) as live:
                for rows, _, none, note in snapshots:
                    # the note is above the list, which may be longer than the screen
                    lines = [_text(note)] if note else []
                    live.update(Group(*lines, *self._list(rows, columns, none)), refresh=True)
        else:
            for rows, _, none, note in snapshots:
                self.rows(rows, columns, none=none)
                self.line(note)

    def line(self, text: str) -> None:
        """Write a line for people, also with --json."""
        width = self._console.width if self._console.is_terminal else None
        for line in _fitting(shown(translated(text)), width):
            self._console.print(Text(line), soft_wrap=True)

    def remark(self, text: str) -> None:
        _write_remark(text)

    def _list(self, rows: Sequence[Row], columns: Sequence[Column], none: str) -> list[Text]:
        if not rows:
            return [_text(none)] if none else []
        width = self._console.width if self._console.is_terminal else None
        return table(rows, columns, width, date.today())


def with_code(error: CirrusError) -> Words:
    """An error's text and code, for people."""
    return joined(" ", filter(None, (error.text, error.code and f"({error.code})")))


def problem(error: CirrusError) -> dict[str, str]:
    """An error for JSON: `message` is the whole text, `do` only the next step."""
    return {"code": error.code, "message": str(error), "do": str(error.hint)}


def complain(error: CirrusError, *, as_json: bool) -> None:
    if as_json:
        _write_json({"error": problem(error) | {"detail": error.detail}})
        return
    lines: list[str] = [joined(" ", ("cirrusctl:", with_code(error)))]
    if error.detail:
        lines.append(f"  ({error.detail})")
    if error.code:
        lines.append(tr("More on this: cirrusctl explain {code}", code=error.code))
    if os.geteuid() != 0 and not isinstance(error, UsageError):
        lines.append(
            tr("Run this command as root if it reads keys or the journal, or changes CUPS.")
        )
    _write_remark(joined("\n", lines))


def _write_remark(text: str) -> None:
    width = shutil.get_terminal_size().columns if sys.stderr.isatty() else None
    for line in shown(translated(text)).split("\n"):
        sys.stderr.write("\n".join(_fitting(line, width)) + "\n")
    sys.stderr.flush()


def _fitting(line: str, width: int | None) -> list[str]:
    """A line as lines that fit a terminal, with the rest indented; unchanged without a terminal."""
    if width is None or cell_len(line) <= width:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    return list(wrapped(line.lstrip(), width, indent))


def _text(text: str) -> Text:
    return Text(shown(translated(text)))


def _write_json(document: object, indent: int | None = None) -> None:
    # JSON allows U+009B, a control character of terminals, and lone surrogates, which are not UTF-8
    is_ascii = not sys.stdout.encoding.lower().startswith("utf")
    text = json.dumps(_jsonable(document), ensure_ascii=is_ascii, indent=indent)
    sys.stdout.write(shown(text) + "\n")
    sys.stdout.flush()


def _jsonable(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case enum.Enum():
            return value.name.lower()
        case Mapping():
            return {str(key): _jsonable(each) for key, each in value.items()}
        case str() | int() | float() | None:
            return value
        case Iterable():
            return list(map(_jsonable, value))
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return _jsonable(dataclasses.asdict(value))
        case _:
            return str(value)
