"""Giving up root's rights: a program that has read the keys goes on as who owns its folder.

CUPS runs the backend as root, as only root may read the keys. Print data, network and journal need
no root: the worker becomes the owner of the state folder, if that is another who can reach it. A
process that has changed its user can not be traced by that user's other processes (prctl(2),
PR_SET_DUMPABLE). Imports next to nothing, for it is a part of every job's start.
"""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path  # which takes 10 ms

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


@contextlib.contextmanager
def as_owner(folder: str) -> Iterator[None]:
    """As the owner of a folder for a while, who may read what is made there, and lead root nowhere
    by links. Nothing happens to who is not root.

    Raises:
        OSError: the folder is not there.
    """
    owner = os.stat(folder).st_uid  # noqa: PTH116
    if os.geteuid() != 0 or owner == 0:
        yield
        return
    above = os.path.dirname(os.path.abspath(folder))  # noqa: PTH100, PTH120
    os.seteuid(owner)
    try:
        # not the folder itself, which its owner may close to have root go where links lead
        if not os.access(above, os.X_OK, effective_ids=True):
            os.seteuid(0)  # the owner can not reach it, so all that use it stay root
        yield
    finally:
        os.seteuid(0)


def _account(name: str) -> pwd.struct_passwd | None:
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(name)
    return None
