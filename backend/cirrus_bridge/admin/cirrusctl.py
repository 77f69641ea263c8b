"""The program `cirrusctl`: its commands, and how it ends. Wiring only."""

from __future__ import annotations

import io
import sys
import traceback
from typing import Annotated, NoReturn

import typer

from cirrus_bridge import __version__
from cirrus_bridge.admin.commands import (
    apply,
    devices,
    doctor,
    explain,
    job,
    jobs,
    logs,
    queues,
    servers,
    setup,
    test,
)
from cirrus_bridge.admin.exit_status import ExitStatus, exit_status, help_text
from cirrus_bridge.admin.output import complain
from cirrus_bridge.errors import CirrusError
from cirrus_bridge.words import tr, translated

app = typer.Typer(
    name="cirrusctl",
    help="Set up, watch and explain printing by Cirrus Bridge.",
    epilog=help_text(),
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # it would show the values of variables, and so perhaps a key
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("setup")(setup.command)
app.command("apply")(apply.command)
app.command("servers")(servers.command)
app.command("devices")(devices.command)
app.command("queues")(queues.command)
app.command("jobs")(jobs.command)
app.command("job")(job.command)
app.command("test")(test.command)
app.command("logs")(logs.command)
app.command("doctor")(doctor.command)
app.command("explain")(explain.command)

FAULT = tr("cirrusctl failed in a way that it should not. (CB-900)")


def run() -> NoReturn:
    """Entry point of the program."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # titles are in any script, and so are our own texts, whatever the locale's charset has
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except CirrusError as error:
        complain(error, as_json="--json" in sys.argv)
        sys.exit(exit_status(error))
    except Exception:  # noqa: BLE001 - the last net: one line to search for beside the traceback
        sys.stderr.write(traceback.format_exc())
        sys.stderr.write(translated(FAULT) + "\n")
        sys.exit(ExitStatus.FAILED)
    sys.exit(ExitStatus.DONE)


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
