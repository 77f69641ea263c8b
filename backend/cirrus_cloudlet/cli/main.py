"""The command cirrus-cloudlet: wiring only.

Every command works on a data folder, whether or not a server is serving it. Errors go to
standard error as one line, with exit status 1; wrong usage and an installation without the extra
`cloudlet` have status 2.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import sys
from pathlib import Path

from cirrus_cloudlet import __version__
from cirrus_cloudlet.errors import Refused, SettingsError


def run() -> None:
    """Run the command that the arguments name."""
    try:
        _run()
    except ModuleNotFoundError as error:
        if (error.name or "cirrus_cloudlet").startswith("cirrus_cloudlet"):
            raise
        pip = Path(sys.executable).with_name("pip")
        print(
            f"cirrus-cloudlet: the Python package {error.name} is missing; in the folder of "
            f"Cirrus Bridge's sources, run: {pip} install '.[cloudlet]'",
            file=sys.stderr,
        )
        sys.exit(2)


def _run() -> None:
    arguments = _parser().parse_args()
    try:
        with contextlib.suppress(BrokenPipeError):
            _open_folder(arguments.data, make=arguments.begins)
            arguments.run(arguments)
    except (SettingsError, Refused) as error:
        sys.exit(f"cirrus-cloudlet: {error}")
    except OSError as error:
        sys.exit(f"cirrus-cloudlet: {error}")


def _parser() -> argparse.ArgumentParser:
    # imported late: what they need is there with the extra `cloudlet` only, and `run` says so
    from cirrus_cloudlet.cli import accounts, inventory, jobs, keys

    parser = argparse.ArgumentParser(
        prog="cirrus-cloudlet", description="A small real cloud of the print API, for one machine."
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
        help="where to serve it (%(default)s); beyond this machine only with a certificate",
    )
    serve.add_argument(
        "--tls-cert",
        type=Path,
        metavar="FILE",
        help="serve it by HTTPS with this certificate, in PEM, and those that it is signed by",
    )
    serve.add_argument("--tls-key", type=Path, metavar="FILE", help="the certificate's key, in PEM")
    serve.add_argument(
        "--no-announce", action="store_true", help="do not announce it on the network (DNS-SD)"
    )
    serve.set_defaults(run=_serve, begins=True)
    keys.add_commands(commands, data)
    accounts.add_commands(commands, data)
    inventory.add_commands(commands, data)
    jobs.add_commands(commands, data)
    return parser


def _serve(arguments: argparse.Namespace) -> None:
    # imported late: the other commands have no use for a web server
    from cirrus_cloudlet.inventory.file import InventoryFile
    from cirrus_cloudlet.server import Tls, serve

    if (arguments.tls_cert is None) != (arguments.tls_key is None):
        raise SettingsError("--tls-cert and --tls-key go together")
    tls = Tls(arguments.tls_cert, arguments.tls_key) if arguments.tls_cert else None
    if not InventoryFile(arguments.data).current().companies:
        print(
            f"cirrus-cloudlet: the cloud in {arguments.data} is empty; add a device: "
            f"{_first_command(arguments.data)}",
            file=sys.stderr,
        )
    serve(arguments.data, arguments.listen, tls, announce=not arguments.no_announce)


def _open_folder(folder: Path, *, make: bool) -> None:
    if folder.is_dir():
        return
    if not make and not folder.exists():  # a mistyped name is to be seen, not to be obeyed
        raise SettingsError(
            f"there is no folder {folder}; to begin a cloud there: {_first_command(folder)}"
        )
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError as error:
        raise SettingsError(f"{folder} is not a folder") from error
    os.chmod(folder, 0o700)  # noqa: PTH101 - whatever the umask


def _first_command(folder: Path) -> str:
    data = shlex.quote(str(folder))
    return f"cirrus-cloudlet device add --parents COMPANY/LOCATION/DEVICE --data {data}"


if __name__ == "__main__":
    run()
