"""The command cirrus-cloudlet: wiring only.

Every command works on a data folder, with or without a running server. If root runs it, it acts
as the owner of the folder. An error is one line on standard error with exit status 1. Wrong usage
has status 2, and so does an installation without the extra `cloudlet`.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from cirrus_cloudlet.cli.command import PARSER
from cirrus_cloudlet.cli.data_folder import open_folder
from cirrus_cloudlet.errors import Refusal, SettingsError
from cirrus_cloudlet.privileges import become_owner
from cirrus_cloudlet.storage.engine import DatabaseFault
from cirrus_cloudlet.storage.opening import choose_database


def run(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the arguments name, by default those of the process.

    Raises:
        SystemExit: the command failed or was wrong, or `--help` or `--version` was asked for.
    """
    try:
        # imported late: these modules need the extra `cloudlet`
        from cirrus_cloudlet.cli import (  # noqa: F401 - they add commands
            accounts,
            audit,
            client,
            inventory,
            jobs,
            keys,
            location_status,
            serve,
        )

        values = vars(PARSER.parse_args(arguments))
        perform = values.pop("run")
        with contextlib.suppress(BrokenPipeError):
            make = values.pop("begins", False) or values.get("parents", False)
            if not values.pop("asks", False):  # such a command makes its folder itself
                open_folder(values["data"], make=make)
                become_owner(values["data"])
                if database := values.pop("database", None):
                    choose_database(values["data"], database)
            perform(**values)
    except PermissionError as error:
        sys.exit(
            f"cirrus-cloudlet: {error.filename}: {error.strerror}. Run the command as root or as "
            "the owner of the data folder."
        )
    except (SettingsError, Refusal, DatabaseFault, OSError) as error:
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


if __name__ == "__main__":
    run()
