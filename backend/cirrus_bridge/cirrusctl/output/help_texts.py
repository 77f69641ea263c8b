"""The help of `cirrusctl` in the language of the process: its commands and options, and the words
that typer adds to them.

The texts are where typer looks for them, docstrings and `help` of options; the catalogs have them
from here. What typer says of a wrong command line is English for the most part.
"""

from __future__ import annotations

import contextlib
import gettext
from collections.abc import Iterator
from typing import Any, Protocol

from typer import Context, Typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from cirrus_bridge.base.translation import DOMAINS, FOLDER, marked, tr, translated, verbatim

_USAGE = "Usage: "
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
    marked("Aborted!"),
    marked("Missing command."),
    marked("No such command {name!r}."),
)


class _Place(Protocol):
    @property
    def name(self) -> str | None: ...


class Command(TyperCommand):
    """A command of the program."""

    def get_usage(self, *context: Any) -> str:
        """How it is called, in a line."""
        return _with_usage(super().get_usage(*context))

    def get_help(self, *context: Any) -> str:
        """All that is said of it."""
        return _with_usage(super().get_help(*context))


class Group(TyperGroup):
    """The program."""

    def get_usage(self, *context: Any) -> str:
        """How it is called, in a line."""
        return _with_usage(super().get_usage(*context))

    def get_help(self, *context: Any) -> str:
        """All that is said of it."""
        return _with_usage(super().get_help(*context))


def _with_usage(text: str) -> str:
    return text.replace(_USAGE, translated(tr("Usage: ")), 1)


def program_of(app: Typer) -> Group:
    """The program with its commands; its texts are English."""
    program = get_command(app)
    if not isinstance(program, Group):
        raise TypeError("it has no commands")
    return program


def texts(program: Group) -> Iterator[str]:
    """Our own texts of the program's help, some more than once."""
    for place, name in _places(program):
        if place.name not in _TYPERS_OPTIONS:
            yield getattr(place, name)


def translate(program: Group) -> None:
    """Have the program's help, and typer, speak the language of the process."""
    for place, name in _places(program):
        setattr(place, name, translated(verbatim(getattr(place, name))))
    domain = DOMAINS[-1]
    gettext.bindtextdomain(domain, str(FOLDER))
    with contextlib.suppress(Exception):  # a file that is damaged
        gettext.dgettext(domain, _USAGE)
        gettext.textdomain(domain)


def _places(program: Group) -> Iterator[tuple[_Place, str]]:
    """Where texts are: in which attribute of what."""
    above = Context(program, **program.context_settings)
    for command in (program, *program.commands.values()):
        found: list[tuple[_Place, str]] = [(command, "help"), (command, "epilog")]
        found += ((each, "help") for each in command.get_params(Context(command, parent=above)))
        yield from (place for place in found if getattr(*place, None))
