"""The command line's parser. Each module of commands adds its own when it is imported."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from cirrus_cloudlet.version import __version__

_Run = TypeVar("_Run", bound=Callable[..., None])
_Argument = tuple[Sequence[str], Mapping[str, Any]]

LISTEN = "127.0.0.1:27082"  # the address at which `serve` listens

PARSER = argparse.ArgumentParser(
    prog="cirrus-cloudlet", description="A small cloud of the print API, for one machine."
)
PARSER.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
_DATA = argparse.ArgumentParser(add_help=False)
_DATA.add_argument("--data", type=Path, required=True, metavar="DIR", help="the data folder")
_DATA.add_argument(
    "--database",
    metavar="ADDRESS",
    help="keep the folder's jobs and keys in PostgreSQL: postgresql://USER@HOST/DATABASE"
    " (default: the folder's own database; the folder remembers the address)",
)
_VERBS = {"": PARSER.add_subparsers(required=True, metavar="COMMAND")}
_NOUNS = {
    "key": "API keys",
    "account": "accounts for the web page",
    "company": "companies",
    "location": "locations of a company",
    "device": "output devices of a location",
    "job": "submitted jobs",
    "audit": "who changed what",
}


def command(
    name: str,
    help_text: str,
    *arguments: _Argument,
    default_data: Path | None = None,
    **fixed: Any,
) -> Callable[[_Run], _Run]:
    """Add the decorated function as a command, such as `key add`.

    The function gets the values of the command's arguments, and `fixed` values, as keywords.

    Args:
        default_data: the data folder if the command line names none.
    """
    noun, _, verb = name.rpartition(" ")
    if noun not in _VERBS:
        group = _VERBS[""].add_parser(noun, help=_NOUNS[noun])
        _VERBS[noun] = group.add_subparsers(required=True, metavar="VERB")
    parents = [] if default_data else [_DATA]
    parser = _VERBS[noun].add_parser(verb, parents=parents, help=help_text)
    if default_data:
        parser.add_argument(
            "--data",
            type=Path,
            default=default_data,
            metavar="DIR",
            help="the data folder (%(default)s)",
        )
    for names, settings in arguments:
        parser.add_argument(*names, **settings)

    def add(run: _Run) -> _Run:
        parser.set_defaults(run=run, **fixed)
        return run

    return add


def argument(*names: str, **settings: Any) -> _Argument:
    """Take the parameters of `ArgumentParser.add_argument` for a command's argument."""
    return names, settings
