"""The table of the commands. Each module of commands adds its own when it is imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

_Run = TypeVar("_Run", bound=Callable[..., None])
Argument = tuple[Sequence[str], Mapping[str, Any]]


class Command(NamedTuple):
    """A command; `run` takes the values of its arguments, and `fixed` values, as keywords."""

    run: Callable[..., None]
    help: str
    arguments: Sequence[Argument]
    fixed: Mapping[str, Any]


COMMANDS: dict[str, Command] = {}  # by their names, such as `key add`


def command(
    name: str, help_text: str, *arguments: Argument, **fixed: Any
) -> Callable[[_Run], _Run]:
    """Add the decorated function to the commands."""

    def add(run: _Run) -> _Run:
        COMMANDS[name] = Command(run, help_text, arguments, fixed)
        return run

    return add


def argument(*names: str, **settings: Any) -> Argument:
    """Take the parameters of `ArgumentParser.add_argument` for a command's argument."""
    return names, settings
