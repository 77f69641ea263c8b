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
from cirrus_cloudlet.errors import Refusal, SettingsError


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
    arguments = _parser().parse_args()
    try:
        with contextlib.suppress(BrokenPipeError):
            _open_folder(arguments.data, make=arguments.begins)
            arguments.run(arguments)
    except (SettingsError, Refusal) as error:
        sys.exit(f"cirrus-cloudlet: {error}")
    except OSError as error:
        sys.exit(f"cirrus-cloudlet: {error}")


def _parser() -> argparse.ArgumentParser:
    # imported late: these modules need the extra `cloudlet`, and `run` reports if it is missing
    from cirrus_cloudlet.cli import accounts, inventory, jobs, keys

    parser = argparse.ArgumentParser(
        prog="cirrus-cloudlet", description="A small cloud of the print API, for one machine."
    )
    parser.set_defaults(begins=False)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument("--data", type=Path, required=True, metavar="DIR", help="the data folder")

    serve = commands.add_parser("serve", parents=[data], help="serve a data folder")
    serve.add_argument(
        "--listen",
        default="127.0.0.1:27082",
        metavar="ADDRESS:PORT",
        help="serve at this address (%(default)s); other machines require a certificate",
    )
    serve.add_argument(
        "--tls-cert",
        type=Path,
        metavar="FILE",
        help="serve HTTPS with this certificate and its chain, in PEM",
    )
    serve.add_argument("--tls-key", type=Path, metavar="FILE", help="the certificate's key, in PEM")
    serve.add_argument(
        "--no-announce", action="store_true", help="do not announce the server (DNS-SD)"
    )
    serve.set_defaults(run=_serve, begins=True)
    keys.add_commands(commands, data)
    accounts.add_commands(commands, data)
    inventory.add_commands(commands, data)
    jobs.add_commands(commands, data)
    return parser


def _serve(arguments: argparse.Namespace) -> None:
    # imported late: the other commands do not need a web server
    from cirrus_cloudlet.inventory.file import InventoryFile
    from cirrus_cloudlet.server import Tls, serve

    if (arguments.tls_cert is None) != (arguments.tls_key is None):
        raise SettingsError("give both --tls-cert and --tls-key")
    tls = Tls(arguments.tls_cert, arguments.tls_key) if arguments.tls_cert else None
    if not InventoryFile(arguments.data).current().companies:
        print(
            f"cirrus-cloudlet: the cloud in {arguments.data} is empty; to add a device, run: "
            f"{_first_command(arguments.data)}",
            file=sys.stderr,
        )
    serve(arguments.data, arguments.listen, tls, announce=not arguments.no_announce)


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
