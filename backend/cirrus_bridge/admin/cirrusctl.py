"""The program `cirrusctl`: its commands, and how it ends. Wiring only."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

from cirrus_bridge import __version__
from cirrus_bridge.admin.commands import apply, explain
from cirrus_bridge.admin.exit_status import exit_status, help_text
from cirrus_bridge.admin.output import complain
from cirrus_bridge.errors import CirrusError

app = typer.Typer(
    name="cirrusctl",
    help="Set up, watch and explain printing by Cirrus Bridge.",
    epilog=help_text(),
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # it would show the values of variables, and so perhaps a key
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("apply")(apply.command)
app.command("explain")(explain.command)


def run() -> NoReturn:
    """Entry point of the program."""
    try:
        app()
    except CirrusError as error:
        complain(error, as_json="--json" in sys.argv)
        sys.exit(exit_status(error))
    sys.exit(0)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cirrus-bridge {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Set up, watch and explain printing by Cirrus Bridge."""
