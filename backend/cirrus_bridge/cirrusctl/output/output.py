"""What cirrusctl writes: text for people, or JSON for programs (`--json`), both from one value.

A command hands over rows or facts with their names; how they look is decided here alone. Text of
strangers (titles, the words of servers) may hold control characters: they are shown as escapes and
never reach a terminal. Where the output is no terminal there is no colour, and nothing is cut.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, NamedTuple, TypeAlias

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from cirrus_bridge.base.errors import CirrusError
from cirrus_bridge.base.translation import Words, joined, tr, translated
from cirrus_bridge.cirrusctl.output.table import Column, Row, shown, table

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Write JSON instead of text.")]


class Snapshot(NamedTuple):
    """A list at one moment: rows for people, a document for JSON, what to say if there are no rows,
    and what to say beside them."""

    rows: Sequence[Row]
    document: object
    none: str
    note: str = ""


class Output:
    """Standard output in one of its two forms; remarks go to standard error.

    JSON is one document, or, from what goes on for a while, one document a line.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self._console = Console(highlight=False, markup=False, emoji=False)

    def rows(
        self, rows: Sequence[Row], columns: Sequence[Column], *, none: str, document: object = None
    ) -> None:
        """A list. People get the columns, or, if there are no rows, the text `none`; JSON has all
        that the rows have, or the `document` in their place."""
        if self.as_json:
            self._json(rows if document is None else document)
        elif not rows:
            self.line(none)
        else:
            width = self._console.width if self._console.is_terminal else None
            for line in table(rows, columns, width, date.today()):
                self._console.print(line, soft_wrap=True)

    def document(self, document: object, text: str) -> None:
        """Something with a form of its own: `text` is what people get."""
        if self.as_json:
            self._json(document)
        else:
            for line in translated(text).splitlines():
                self.line(line)

    def event(self, event: Row, text: str) -> None:
        """One of several things that happen one after the other, at once."""
        if self.as_json:
            sys.stdout.write(_json_text(event) + "\n")
            sys.stdout.flush()
        else:
            self.line(text)

    def watch(self, looks: Iterable[Snapshot], columns: Sequence[Column]) -> None:
        """A list that changes: redrawn at its place on a terminal, else one after the other."""
        if self.as_json:
            for look in looks:
                sys.stdout.write(_json_text(look.document) + "\n")
                sys.stdout.flush()
        elif self._console.is_terminal:
            with Live(console=self._console, auto_refresh=False, screen=True) as live:
                for rows, _, none, note in looks:
                    lines = (
                        table(rows, columns, self._console.width, date.today())
                        if rows
                        else [Text(shown(translated(none)))]
                    )
                    # above, as a list may be longer than the screen
                    lines = [*([Text(shown(translated(note)))] if note else []), *lines]
                    live.update(Group(*lines), refresh=True)
        else:
            for rows, _, none, note in looks:
                self.rows(rows, columns, none=none)
                self.line(note)

    def line(self, text: str) -> None:
        """A line for people, whatever the form of the rest."""
        self._console.print(Text(shown(translated(text))), soft_wrap=True)

    def remark(self, text: str) -> None:
        """What people should know beside the result."""
        sys.stderr.write(f"{shown(translated(text))}\n")
        sys.stderr.flush()

    def _json(self, document: object) -> None:
        sys.stdout.write(_json_text(document, indent=2) + "\n")


def with_code(error: CirrusError) -> Words:
    """An error for people."""
    return joined(" ", filter(None, (error.text, error.code and f"({error.code})")))


def problem(error: CirrusError) -> dict[str, str]:
    """An error in JSON: `message` is all of it, `do` the part that says what to do."""
    return {"code": error.code, "message": str(error), "do": str(error.hint)}


def complain(error: CirrusError, *, as_json: bool) -> None:
    """The last word of a command that could not be done."""
    if as_json:
        said = problem(error) | {"detail": error.detail}
        sys.stdout.write(_json_text({"error": said}) + "\n")
        return
    lines = [joined(" ", ("cirrusctl:", with_code(error)))]
    if error.detail:
        lines.append(joined("", (f"  ({error.detail})",)))
    if error.code:
        lines.append(tr("More on this: cirrusctl explain {code}", code=error.code))
    if os.geteuid() != 0:
        lines.append(
            tr("Run this command as root if it reads keys or the journal, or changes CUPS.")
        )
    sys.stderr.write(shown(translated(joined("\n", lines))) + "\n")


def _json_text(document: object, indent: int | None = None) -> str:
    # JSON lets through what some terminals obey (U+009B), and halves of pairs, which are no UTF-8
    is_ascii = not sys.stdout.encoding.lower().startswith("utf")  # what else it has is not known
    return shown(json.dumps(_jsonable(document), ensure_ascii=is_ascii, indent=indent))


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
