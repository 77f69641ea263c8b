"""Checks of the programs that CUPS runs: they are there, and run as who they have to."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from cirrus_bridge.admin.doctor.finding import Finding, error, good, warning

BACKEND, DRIVER = "backend", "driver program"


def check_backend(path: Path) -> Iterator[Finding]:
    """The backend's file: CUPS runs it as root only if nobody else may run or write it."""
    about = str(path)
    try:
        status = path.stat()
    except OSError as trouble:
        yield error(
            BACKEND, about, f"It is not there ({trouble.strerror}); CUPS knows no cirrus:// URI.",
            f"Install cirrus-bridge, or: install -m 0700 …/bin/cirrus-backend {path}",
        )  # fmt: skip
        return
    mode = stat.S_IMODE(status.st_mode)
    as_root = f"chown root {path} && chmod 0700 {path}"
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield error(
            BACKEND, about,
            f"Others than root may write it (mode {mode:04o}): CUPS does not run it, and jobs wait "
            "for ever.", as_root,
        )  # fmt: skip
    elif status.st_uid != 0:
        yield error(
            BACKEND, about, f"It belongs to user id {status.st_uid} instead of root.", as_root
        )
    elif not mode & stat.S_IXUSR:
        yield error(BACKEND, about, f"It can not be run (mode {mode:04o}).", as_root)
    elif mode & (stat.S_IXGRP | stat.S_IXOTH):
        yield error(
            BACKEND, about,
            f"Its mode is {mode:04o}, so CUPS runs it as lp, who can not read the keys.",
            as_root, "CB-202",
        )  # fmt: skip
    elif missing := _missing_interpreter(path):
        yield error(
            BACKEND, about, f"It needs {missing}, which is not there.",
            "Install cirrus-bridge again; its Python environment was moved or removed.",
        )  # fmt: skip
    else:
        yield good(BACKEND, about, f"Belongs to root, mode {mode:04o}: CUPS runs it as root.")


def check_driver(path: Path) -> Iterator[Finding]:
    """The driver program, without which dialogs have the generic drivers only."""
    about = str(path)
    if os.access(path, os.X_OK) and not _missing_interpreter(path):
        yield good(DRIVER, about, "It is there.")
    else:
        yield warning(
            DRIVER, about, "It is not there, or can not be run: devices have no own drivers.",
            f"Install cirrus-bridge, or: install -m 0755 …/bin/cirrus-driver {path}",
        )  # fmt: skip


def _missing_interpreter(path: Path) -> str:
    """The program that is to run a script, if it is not there."""
    try:
        with path.open("rb") as file:
            first = file.readline(512)
    except OSError:
        return ""
    words = first[2:].decode("utf-8", "replace").split() if first.startswith(b"#!") else []
    return words[0] if words and not os.access(words[0], os.X_OK) else ""
