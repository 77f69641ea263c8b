"""Rights of root: a command that root runs gives them up for those of the data folder's owner."""

from __future__ import annotations

import os
from pathlib import Path


def become_owner(folder: Path) -> None:
    """Continue as the owner of a folder for good, if root runs this process for another user.

    So the owner's service can open each file that a command of root makes, and the owner cannot
    mislead root by links. Raises OSError if there is no folder.
    """
    found = folder.stat()
    if os.geteuid() == 0 and found.st_uid != 0:
        os.setgroups([found.st_gid])
        os.setresgid(found.st_gid, found.st_gid, found.st_gid)
        os.setresuid(found.st_uid, found.st_uid, found.st_uid)
