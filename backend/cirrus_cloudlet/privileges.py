"""Rights of root: a command that root runs gives them up for those of the data folder's owner.

A command reads its own files as long as it runs, so the owner must be able to read these files.
"""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path

from cirrus_cloudlet.errors import SettingsError


def become_owner(folder: Path) -> None:
    """Continue as the owner of a folder for good, if root runs this process for another user.

    So the owner's service can open each file that a command of root makes, and the owner cannot
    mislead root by links.

    Raises:
        OSError: there is no folder.
        SettingsError: the owner cannot read this program.
    """
    found = folder.stat()
    if os.geteuid() != 0 or found.st_uid == 0:
        return
    needed = [Path(path).absolute() for path in (*sys.path, __file__) if Path(path).exists()]
    os.setgroups([found.st_gid])
    os.setresgid(found.st_gid, found.st_gid, found.st_gid)
    os.setresuid(found.st_uid, found.st_uid, found.st_uid)
    for path in needed:
        if not os.access(path, os.R_OK):
            closed = next(each for each in (path, *path.parents) if os.access(each.parent, os.X_OK))
            raise SettingsError(
                f"user {_name(found.st_uid)}, who owns {folder}, cannot read {closed}, where this "
                "program is. Install the program where all users can read it, such as in /opt."
            )


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
