"""The help of `cirrusctl` in the language of the process, with the words that typer adds.

The texts are the docstrings of commands and the `help` of options. The catalogs get them from this
module. Most of typer's complaints about a wrong command line stay English.
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


class _TextHolder(Protocol):
    @property
    def name(self) -> str | None: ...


class Command(TyperCommand):
    """A command with translated help."""

    def get_usage(self, *context: Any) -> str:
        """The line that begins with `Usage:`."""
        return _with_usage(super().get_usage(*context))

    def get_help(self, *context: Any) -> str:
        """The whole help text."""
        return _with_usage(super().get_help(*context))


class Group(TyperGroup):
    """The program, with translated help."""

    def get_usage(self, *context: Any) -> str:
        """The line that begins with `Usage:`."""
        return _with_usage(super().get_usage(*context))

    def get_help(self, *context: Any) -> str:
        """The whole help text."""
        return _with_usage(super().get_help(*context))


def _with_usage(text: str) -> str:
    return text.replace(_USAGE, translated(tr("Usage: ")), 1)


def program_of(app: Typer) -> Group:
    """The program with its commands. Its texts are English until `translate`."""
    program = get_command(app)
    if not isinstance(program, Group):
        raise TypeError("the app has no commands")
    return program


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
        gettext.dgettext(domain, _USAGE)
        gettext.textdomain(domain)


def _places(program: Group) -> Iterator[tuple[_TextHolder, str]]:
    """The objects that have texts, and the names of their attributes."""
    above = Context(program, **program.context_settings)
    for command in (program, *program.commands.values()):
        found: list[tuple[_TextHolder, str]] = [(command, "help"), (command, "epilog")]
        found += ((each, "help") for each in command.get_params(Context(command, parent=above)))
        yield from (place for place in found if getattr(*place, None))
