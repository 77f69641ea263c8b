"""The program `cirrusctl`: wires its commands and ends with an exit status."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import traceback
from importlib import import_module
from typing import Annotated, NoReturn

import typer

from cirrus_bridge.base.errors import CirrusError
from cirrus_bridge.base.translation import tr, translated
from cirrus_bridge.cirrusctl.output.command_line import mistake
from cirrus_bridge.cirrusctl.output.exit_status import MEANINGS, ExitStatus, exit_status
from cirrus_bridge.cirrusctl.output.help_texts import Command, Group, program_of, translate
from cirrus_bridge.cirrusctl.output.output import complain
from cirrus_bridge.version import __version__

# each is a module of `commands`, in the order of the help
COMMANDS = (
    *("setup", "apply", "servers", "devices", "queues", "printers"),
    *("jobs", "job", "test", "doctor", "explain"),
)
LOSSES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
FAULT = tr("Internal error in cirrusctl. (CB-900)")


def run() -> NoReturn:
    status = main()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)  # does not wait for threads that wait for a server


def program(*names: str) -> Group:
    """The program with these commands, or with all: to import all takes most of a start."""
    app = typer.Typer(
        name="cirrusctl",
        cls=Group,
        callback=_program,
        epilog=f"Exit status: {'; '.join(f'{each} {MEANINGS[each]}' for each in ExitStatus)}.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,  # they would show variables, and perhaps a key
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name in names or COMMANDS:
        module = import_module(f"cirrus_bridge.cirrusctl.commands.{name}")
        if hasattr(module, "app"):  # it has commands of its own
            app.add_typer(module.app, name=name)
        else:
            app.command(name, cls=Command)(module.command)
    return program_of(app)


def main() -> int:
    """Run the command of `sys.argv`, and return the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # titles and translations may have characters that the locale's charset lacks
        sys.stdout.reconfigure(errors="backslashreplace")
    word = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    cirrusctl = program(word) if word in COMMANDS else program()
    translate(cirrusctl)
    try:
        try:
            status = cirrusctl(standalone_mode=False)
        finally:
            sys.stdout.flush()  # here, where its failure is reported
    except SystemExit as end:  # of the completion of command lines
        return int(end.code or ExitStatus.DONE)
    except typer.Abort:
        sys.stderr.write(translated(tr("Aborted.")) + "\n")
        return ExitStatus.FAILED
    except typer.TyperException as error:
        return _refuse(error)
    except CirrusError as error:
        complain(error, as_json="--json" in sys.argv)
        return exit_status(error)
    except Exception as error:  # noqa: BLE001 - the last resort: one line to search for
        # errors of standard output have no file name
        if isinstance(error, OSError) and error.errno in LOSSES and error.filename is None:
            lost = tr("cirrusctl: Cannot write the output ({error}).", error=error.strerror)
            sys.stderr.write(translated(lost) + "\n")
        else:
            sys.stderr.write(traceback.format_exc())
            sys.stderr.write(translated(FAULT) + "\n")
        return ExitStatus.FAILED
    return int(status or ExitStatus.DONE)


def _refuse(error: typer.TyperException) -> int:
    """Say what is wrong with the command line. Without any word, its help says that."""
    if len(sys.argv) == 1:
        sys.stderr.write(error.format_message() + "\n")
        return ExitStatus.USAGE
    found = mistake(error)
    complain(found, as_json="--json" in sys.argv)
    return exit_status(found)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cirrus-bridge {__version__}")
        raise typer.Exit


def _program(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Set up, watch and explain printing by Cirrus Bridge."""
