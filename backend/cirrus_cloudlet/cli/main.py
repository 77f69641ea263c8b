"""The command cirrus-cloudlet: wiring only.

Every command works on a data folder, with or without a running server. If root runs it, it acts
as the owner of the folder. An error is one line on standard error with exit status 1. Wrong usage
has status 2, and so does an installation without the extra `cloudlet`.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from cirrus_cloudlet.cli.command import PARSER, argument, command
from cirrus_cloudlet.errors import Refusal, SettingsError
from cirrus_cloudlet.privileges import become_owner


def run(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the arguments name, by default those of the process.

    Raises:
        SystemExit: the command failed or was wrong, or `--help` or `--version` was asked for.
    """
    try:
        # imported late: these modules need the extra `cloudlet`
        from cirrus_cloudlet.cli import access, inventory, jobs  # noqa: F401 - they add commands

        values = vars(PARSER.parse_args(arguments))
        perform = values.pop("run")
        with contextlib.suppress(BrokenPipeError):
            make = values.pop("begins", False) or values.get("parents", False)
            _open_folder(values["data"], make=make)
            become_owner(values["data"])
            perform(**values)
    except PermissionError as error:
        sys.exit(
            f"cirrus-cloudlet: {error.filename}: {error.strerror}. Run the command as root or as "
            "the owner of the data folder."
        )
    except (SettingsError, Refusal, OSError) as error:
        sys.exit(f"cirrus-cloudlet: {error}")
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
    argument(
        "--allow-root",
        action="store_true",
        help="serve even as root, with root's rights for each command that a device runs",
    ),
    begins=True,
)
def _serve(
    data: Path,
    listen: str,
    tls_cert: Path | None,
    tls_key: Path | None,
    no_announce: bool,
    allow_root: bool,
) -> None:
    # imported late: the other commands do not need a web server
    from cirrus_cloudlet.inventory.file import InventoryFile
    from cirrus_cloudlet.server import serve

    if os.geteuid() == 0 and not allow_root:
        raise SettingsError(
            "serve does not run as root. Use the service (systemctl start cirrus-cloudlet), which"
            " serves /var/lib/cirrus-cloudlet, or give --allow-root."
        )
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
