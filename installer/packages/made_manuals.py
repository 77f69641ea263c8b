"""Fill the manual pages with what the programs say, and generate shell completions of cirrusctl.

The texts are those of `cirrusctl --help` and of the error codes. The pages are in scdoc(5).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from string import Template

from typer import Context
from typer.core import TyperCommand, TyperGroup

from cirrus_bridge.cirrusctl import main
from cirrus_bridge.cirrusctl.commands.explain import THE_JOB
from cirrus_bridge.cirrusctl.output.codes import explanations

# shell → its file below build/cirrus-bridge/completions, where nfpm expects it
COMPLETIONS = {"bash": "cirrusctl", "zsh": "_cirrusctl", "fish": "cirrusctl.fish"}
_COMMON_OPTIONS = ("--json", "--help")
_STATUS = re.compile(r"(\d) (.+?)(?:; (?=\d )|\.?$)")  # in the program's epilog
_TYPE = re.compile(r" <\w+>$")  # typer adds it to the name of an argument
_LITERAL = str.maketrans({letter: f"\\{letter}" for letter in "\\*_`#<>[]|~"})


def manual(page: Path) -> str:
    """The text of a manual page. Parts of a template (`.in`) come from the programs."""
    if page.suffix != ".in":
        return page.read_text()
    program = main.program()
    parts = {
        "description": [_text(program.help)],
        "commands": _commands(program),
        "statuses": _table(_STATUS.findall(program.epilog or "")),
        "codes": _codes(),
    }
    lines = {name: "\n".join(part).rstrip("\n") for name, part in parts.items()}
    return Template(page.read_text()).substitute(lines)


def completions() -> Mapping[str, bytes]:
    """The text of each file of COMPLETIONS."""
    program = Path(sys.executable).with_name("cirrusctl")
    return {
        file: subprocess.run(
            [program],
            env={**os.environ, "_CIRRUSCTL_COMPLETE": f"source_{shell}"},
            capture_output=True,
            check=True,
        ).stdout
        for shell, file in COMPLETIONS.items()
    }


def _codes() -> Iterator[str]:
    for each in explanations().values():
        do = f"To do: {each.do}." if each.do else ""
        title = f"*{each.code}* ({each.exit_code}): {_text(each.what)}"
        parts = (each.more, do, f"{THE_JOB[each.job]}.")
        yield from (title, f"\t{_text(' '.join(filter(None, parts)))}", "")


def _commands(program: TyperGroup, outer: Context | None = None) -> Iterator[str]:
    outer = outer or Context(program, info_name="cirrusctl")
    for command in program.commands.values():
        if not isinstance(command, TyperCommand | TyperGroup):
            continue
        yield from (f"## {outer.command_path} {command.name}", "")
        for paragraph in (command.help or "").split("\n\n"):
            yield from (_text(paragraph), "")
        context = Context(command, info_name=command.name, parent=outer)
        records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
        yield from _table(
            (_TYPE.sub("", record[0]), record[1])
            for record in records
            if record and record[0] not in _COMMON_OPTIONS
        )
        if isinstance(command, TyperGroup):
            yield from _commands(command, context)


def _table(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Render terms and their texts as a table, with an empty line after it."""
    marks = ("|[", ":<")
    for term, text in rows:
        yield from (f"{marks[0]} *{_text(term)}*", f"{marks[1]} {_text(text)}")
        marks = ("| ", ": ")
    yield ""


def _text(text: str | None) -> str:
    return " ".join((text or "").split()).translate(_LITERAL)
