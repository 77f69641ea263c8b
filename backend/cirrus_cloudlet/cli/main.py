"""The command cirrus-cloudlet: wiring only.

Every command works on a data folder, with or without a running server. An error is one line on
standard error with exit status 1. Wrong usage has status 2, and so does an installation without
the extra `cloudlet`.
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
from pathlib import Path

from cirrus_cloudlet import __version__
from cirrus_cloudlet.cli.command import COMMANDS, argument, command
from cirrus_cloudlet.errors import Refusal, SettingsError

_NOUNS = {
    "key": "API keys",
    "account": "accounts for the web page",
    "company": "companies",
    "location": "locations of a company",
    "device": "output devices of a location",
    "job": "submitted jobs",
}


def run() -> None:
    """Run the command that the arguments name."""
    try:
        _run()
    except ModuleNotFoundError as error:
        if (error.name or "cirrus_cloudlet").startswith("cirrus_cloudlet"):
            raise
        pip = Path(sys.executable).with_name("pip")
        print(
            f"cirrus-cloudlet: the Python package {error.name} is missing; in the source folder "
            f"of Cirrus Bridge, run: {pip} install '.[cloudlet]'",
            file=sys.stderr,
        )
        sys.exit(2)


def _run() -> None:
    values = vars(_parser().parse_args())
    perform, data = COMMANDS[values.pop("command")].run, values["data"]
    try:
        with contextlib.suppress(BrokenPipeError):
            _open_folder(data, make=values.pop("begins", False) or values.get("parents", False))
            perform(**values)
    except (SettingsError, Refusal, OSError) as error:
        sys.exit(f"cirrus-cloudlet: {error}")


def _parser() -> argparse.ArgumentParser:
    # imported late: these modules need the extra `cloudlet`, and `run` reports if it is missing
    from cirrus_cloudlet.cli import access, inventory, jobs  # noqa: F401 - they add commands

    parser = argparse.ArgumentParser(
        prog="cirrus-cloudlet", description="A small cloud of the print API, for one machine."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument("--data", type=Path, required=True, metavar="DIR", help="the data folder")
    verbs = {"": parser.add_subparsers(required=True, metavar="COMMAND")}
    for name, each in COMMANDS.items():
        noun, _, verb = name.rpartition(" ")
        if noun not in verbs:
            group = verbs[""].add_parser(noun, help=_NOUNS[noun])
            verbs[noun] = group.add_subparsers(required=True, metavar="VERB")
        own = verbs[noun].add_parser(verb, parents=[data], help=each.help)
        own.set_defaults(command=name, **each.fixed)
        for names, settings in each.arguments:
            own.add_argument(*names, **settings)
    return parser


@command(
    "serve",
    "serve a data folder",
    argument(
        "--listen",
        default="127.0.0.1:27082",
        metavar="ADDRESS:PORT",
        help="serve at this address (%(default)s); other machines require a certificate",
    ),
    argument(
        "--tls-cert",
        type=Path,
        metavar="FILE",
        help="serve HTTPS with this certificate and its chain, in PEM",
    ),
    argument("--tls-key", type=Path, metavar="FILE", help="the certificate's key, in PEM"),
    argument("--no-announce", action="store_true", help="do not announce the server (DNS-SD)"),
    begins=True,
)
def _serve(
    data: Path, listen: str, tls_cert: Path | None, tls_key: Path | None, no_announce: bool
) -> None:
    # imported late: the other commands do not need a web server
    from cirrus_cloudlet.inventory.file import InventoryFile
    from cirrus_cloudlet.server import serve

    if (tls_cert is None) != (tls_key is None):
        raise SettingsError("give both --tls-cert and --tls-key")
    if not InventoryFile(data).current().companies:
        print(
            f"cirrus-cloudlet: the cloud in {data} is empty; to add a device, run: "
            f"{_first_command(data)}",
            file=sys.stderr,
        )
    serve(data, listen, tls_cert, tls_key, announce=not no_announce)


def _open_folder(folder: Path, *, make: bool) -> None:
    if folder.is_dir():
        return
    if not make and not folder.exists():  # a mistyped folder must not become a cloud
        raise SettingsError(
            f"there is no folder {folder}; to make a cloud there, run: {_first_command(folder)}"
        )
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError as error:
        raise SettingsError(f"{folder} is not a folder") from error
    folder.chmod(0o700)  # mkdir applies the umask


def _first_command(folder: Path) -> str:
    data = shlex.quote(str(folder))
    return f"cirrus-cloudlet device add --parents COMPANY/LOCATION/DEVICE --data {data}"


if __name__ == "__main__":
    run()
