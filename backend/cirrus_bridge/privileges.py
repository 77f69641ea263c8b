"""Giving up root's rights: a program that has read the keys goes on as who owns its folder.

CUPS runs the backend as root, as only root may read the keys. Print data, network and journal need
no root: the worker becomes the owner of the state folder, if that is another who can reach it. A
process that has changed its user can not be traced by that user's other processes (prctl(2),
PR_SET_DUMPABLE).
"""

from __future__ import annotations

import contextlib
import os
import pwd
from pathlib import Path

# who works for root: the user that packages make, or else CUPS's own, of its filters and most of
# its backends (cups-files.conf(5))
USERS = ("cirrus-bridge", "lp")


def make_folder(folder: Path, mode: int) -> None:
    """Make a folder of ours if it is not there; root's work is for the first of USERS.

    Raises:
        OSError: it can not be made.
    """
    if folder.is_dir():
        return
    # it appears with its owner and mode, for others that begin at the same moment
    new = folder.with_name(f"{folder.name}.{os.getpid()}")
    new.mkdir(parents=True)
    new.chmod(mode)
    if os.geteuid() == 0:
        owner = next(filter(None, map(_account, USERS)), None)
        if owner is not None:  # or it stays root's
            os.chown(new, owner.pw_uid, -1)
    try:
        new.rename(folder)
    except OSError:
        new.rmdir()
        if not folder.is_dir():
            raise


def give_up_root(folder: Path) -> None:
    """Become the owner of `folder`, for good. Nothing happens to who is not root.

    Raises:
        OSError: the folder is not there, or the user can not be changed.
    """
    owner = folder.stat().st_uid
    if os.geteuid() != 0 or owner == 0:
        return
    if not all(parent.stat().st_mode & 0o001 for parent in folder.absolute().parents):
        return  # the owner could not reach it
    group = os.getegid()
    os.setgroups([group])
    os.setresgid(group, group, group)
    os.setresuid(owner, owner, owner)


def _account(name: str) -> pwd.struct_passwd | None:
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(name)
    return None
