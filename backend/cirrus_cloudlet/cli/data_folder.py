"""The data folder of a command: it exists, or is made."""

from __future__ import annotations

import shlex
from pathlib import Path

from cirrus_cloudlet.errors import SettingsError


def open_folder(folder: Path, *, make: bool) -> None:
    """Check that there is a data folder; with `make`, make a missing one, for its owner alone.

    Raises:
        SettingsError: there is no folder, or the path is not a folder.
    """
    if folder.is_dir():
        return
    if not make and not folder.exists():  # a mistyped folder must not become a cloud
        raise SettingsError(
            f"there is no folder {folder}; to make a cloud there, run: {first_command(folder)}"
        )
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError as error:
        raise SettingsError(f"{folder} is not a folder") from error
    folder.chmod(0o700)  # mkdir applies the umask


def first_command(folder: Path) -> str:
    """The command that adds the first device to a cloud."""
    return f"cirrus-cloudlet device add --parents COMPANY/LOCATION/DEVICE {data_option(folder)}"


def data_option(folder: Path) -> str:
    return f"--data {shlex.quote(str(folder))}"
