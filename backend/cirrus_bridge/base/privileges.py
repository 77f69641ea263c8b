"""Giving up root: a program that has read the keys continues as the owner of its folder.

CUPS runs the backend as root, because only root may read the keys. Print data, network and journal
do not need root. Other processes of that user cannot trace a process that has changed its user
(prctl(2), PR_SET_DUMPABLE). Every job's start needs this module, so it imports next to nothing.

A program reads its own files as long as it runs: modules, catalogs, certificates. So the program
never becomes a user who cannot read these files, as in an installation in root's home.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import resource
import sys
from _ctypes import call_cdeclfunction, dlopen, dlsym  # ctypes takes six times as long
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path  # takes 10 ms

# the user that packages create, or else CUPS's user for filters and backends (cups-files.conf(5))
USERS = ("cirrus-bridge", "lp")
STAYS_ROOT = "stays root, because the owner of {folder} cannot read {unread}"  # for the log

# linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE, _PR_SET_NAME, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 4, 15, 24, 38


def give_up_new_rights() -> None:
    """Let neither this process nor its children gain rights by running a program, such as a setuid
    one, and let no core dump contain keys or documents (capabilities(7), prctl(2)). The present
    rights remain."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    capability = 0
    while _prctl(
        _PR_CAPBSET_DROP, capability
    ):  # fails after the last one, and without root's rights
        capability += 1
    with contextlib.suppress(ValueError):  # a service may filter the call, and its unit has a limit
        # SELinux lets cupsd's programs lower the soft limit only, which is the one that counts
        _, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    _prctl(_PR_SET_DUMPABLE, 0)


def name_process(name: str) -> None:
    """Name this process for people who look at processes; ps(1) shows 15 bytes (prctl(2))."""
    _prctl(_PR_SET_NAME, name.encode())


def end_with_parent(number: int) -> None:
    """Get a signal when the process that forked this one ends, however it ends."""
    _prctl(_PR_SET_PDEATHSIG, number)


def make_folder(folder: Path, mode: int, *inside: str) -> None:
    """Create a folder if it is missing, or raise OSError. A folder that root creates belongs to the
    first of USERS, or stays root's if that user could not reach it.

    The new folder has the folders `inside` from its first moment on. Another process that creates
    the same folder cannot replace it then: rename(2) replaces empty folders only.
    """
    if folder.is_dir():
        return
    # the folder appears with its owner and mode, because other processes may start now
    new = folder.with_name(f"{folder.name}.{os.getpid()}")
    made = [new, *(new / name for name in inside)]
    for path in made:
        path.mkdir(parents=True)
        path.chmod(mode)
    if os.geteuid() == 0 and _is_reachable(folder):
        owner = next(filter(None, map(_account, USERS)), None)
        if owner is not None:
            for path in reversed(made):  # root may lack the right to enter another user's folder
                os.chown(path, owner.pw_uid, -1)
    try:
        new.rename(folder)
    except OSError:
        for path in reversed(made):
            with contextlib.suppress(OSError):  # as above: then the folder stays behind
                path.rmdir()
        if not folder.is_dir():
            raise


def give_up_root(folder: Path) -> str:
    """Become the owner of `folder` for good, if that user can reach it and read this program.
    Without root's rights, nothing happens. Raises OSError if there is no folder, or the user cannot
    be changed.

    Returns:
        What the owner cannot read of this program (`unreadable_by`), so this process stays root;
        otherwise, an empty text.
    """
    owner = folder.stat().st_uid
    if os.geteuid() != 0 or owner == 0 or not _is_reachable(folder):
        return ""
    if unread := unreadable_by(owner):
        return unread
    group = os.getegid()
    os.setgroups([group])
    os.setresgid(group, group, group)
    os.setresuid(owner, owner, owner)
    _prctl(_PR_SET_DUMPABLE, 0)  # a change of the user sets this to fs.suid_dumpable (proc(5))
    return ""


def unreadable_by(user: int) -> str:
    """The topmost folder or file that keeps a user (by id) from reading this program; empty if none
    does, or without root's rights."""
    if os.geteuid() != 0:
        return ""
    needed = [os.path.abspath(path) for path in (*sys.path, __file__) if os.path.exists(path)]  # noqa: PTH100, PTH110
    groups = os.getgroups()
    os.setgroups([os.getegid()])  # the user does not have root's other groups
    os.seteuid(user)
    try:
        unread = next((path for path in needed if not _may_read(path)), "")
        while unread and not _may_enter(above := os.path.dirname(unread)):  # noqa: PTH120
            unread = above
    finally:
        os.seteuid(0)
        os.setgroups(groups)
    return unread


@contextlib.contextmanager
def as_owner(folder: str) -> Iterator[None]:
    """Act as the owner of `folder` inside the context. Without root's rights, nothing happens. So
    the owner can read the files made there, and cannot mislead root by links. A missing folder
    raises OSError."""
    owner = os.stat(folder).st_uid  # noqa: PTH116
    if os.geteuid() != 0 or owner == 0:
        yield
        return
    above = os.path.dirname(os.path.abspath(folder))  # noqa: PTH100, PTH120
    os.seteuid(owner)
    try:
        # The folder itself is not checked: its owner could close it to have root follow links.
        if not _may_enter(above):
            os.seteuid(0)  # the owner cannot reach the folder, so all its users stay root
        yield
    finally:
        os.seteuid(0)


def user_name(user: int) -> str:
    """The name of a user, or the number if the account was deleted."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _prctl(option: int, value: int | bytes) -> bool:
    """Call prctl(2), and return whether the kernel has done it."""
    program = dlopen(None, os.RTLD_NOW)  # type: ignore[arg-type] # as ctypes does
    return bool(call_cdeclfunction(dlsym(program, "prctl"), (option, value, 0, 0, 0)) == 0)


def _may_read(path: str) -> bool:
    """Whether this process may read a file, or list a folder and use what is in it."""
    mode = os.R_OK | os.X_OK if os.path.isdir(path) else os.R_OK  # noqa: PTH112
    return os.access(path, mode, effective_ids=True)


def _may_enter(folder: str) -> bool:
    return os.access(folder, os.X_OK, effective_ids=True)


def _is_reachable(folder: Path) -> bool:
    """Whether every user can get to a folder."""
    return all(parent.stat().st_mode & 0o001 for parent in folder.absolute().parents)


def _account(name: str) -> pwd.struct_passwd | None:
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(name)
    return None
