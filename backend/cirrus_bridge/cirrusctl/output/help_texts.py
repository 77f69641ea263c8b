"""The help of `cirrusctl` in the language of the process, with the words that typer adds.

The texts are the docstrings of commands and the `help` of options. The catalogs get them from this
module. `command_line` translates typer's complaints about a wrong command line.
"""

from __future__ import annotations

import contextlib
import gettext
from collections.abc import Iterator
from typing import Any, cast

from typer import Context, Typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from cirrus_bridge.base.translation import DOMAINS, FOLDER, marked, tr, translated, verbatim
from cirrus_bridge.cirrusctl.mistakes import WrongAnswer, with_guess

_TYPERS_OPTIONS = ("help", "install_completion", "show_completion")
_TYPERS_WORDS = (
    marked("Arguments"),
    marked("Options"),
    marked("Commands"),
    marked("default: {default}"),
    marked("required"),
    marked("Install completion for the current shell."),
    marked("Show completion for the current shell, to copy it or customize the installation."),
    marked("Show this message and exit."),
)


def _format_usage(command: Any, ctx: Any, formatter: Any) -> None:
    """Write the line that begins with `Usage:`."""
    pieces = " ".join(command.collect_usage_pieces(ctx))
    formatter.write_usage(ctx.command_path, pieces, translated(tr("Usage: ")))


class Command(TyperCommand):
    format_usage = _format_usage


class Group(TyperGroup):
    format_usage = _format_usage

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command; an unknown one gets a guess in the reader's language."""
        name = args[0]
        if not name.startswith("-") and name not in self.commands and not ctx.resilient_parsing:
            text = tr("There is no command {name}.", name=name)
            hint = tr("Try: {command} --help", command=ctx.command_path)
            raise WrongAnswer(text, with_guess(name, self.commands, hint))
        return super().resolve_command(ctx, args)


def program_of(app: Typer) -> Group:
    """The program with its commands. Its texts are English until `translate`."""
    return cast(Group, get_command(app))


def texts(program: Group) -> Iterator[str]:
    """Our own texts in the program's help; some texts come repeatedly."""
    for place, name in _places(program):
        if place.name not in _TYPERS_OPTIONS:
            yield getattr(place, name)


def translate(program: Group) -> None:
    """Translate the program's help and typer's words into the language of the process."""
    for place, name in _places(program):
        setattr(place, name, translated(verbatim(getattr(place, name))))
    domain = DOMAINS[-1]
    gettext.bindtextdomain(domain, str(FOLDER))
    with contextlib.suppress(Exception):  # a damaged catalog
        gettext.dgettext(domain, "Usage: ")
        gettext.textdomain(domain)


def _places(program: Group) -> Iterator[tuple[Any, str]]:
    """The commands and options that have texts, and the names of their attributes."""
    above = Context(program, **program.context_settings)
    for command in _commands(program):
        options = command.get_params(Context(command, parent=above))
        found = [(command, "help"), (command, "epilog"), *((each, "help") for each in options)]
        yield from (place for place in found if getattr(*place, None))


def _commands(command: Any) -> Iterator[Any]:
    """A command, and the commands below it."""
    yield command
    for each in getattr(command, "commands", {}).values():
        yield from _commands(each)
