"""Checks of the programs that CUPS runs: they exist and run as the right user."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.doctor.finding import Finding, error, good, warning

BACKEND, DRIVER = tr("backend"), tr("driver program")


def check_backend(path: Path) -> Iterator[Finding]:
    """Check the backend's file. CUPS runs it as root only if only root may run and write it."""
    about = str(path)
    try:
        status = path.stat()
    except OSError as trouble:
        yield error(
            BACKEND,
            about,
            tr(
                "Cannot find the backend ({strerror}), so CUPS does not accept cirrus:// URIs.",
                strerror=trouble.strerror,
            ),
            tr(
                "Install cirrus-bridge, or run: install -m 0700 …/bin/cirrus-backend {path}",
                path=path,
            ),
        )
        return
    mode = stat.S_IMODE(status.st_mode)
    as_root = f"chown root {path} && chmod 0700 {path}"
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield error(
            BACKEND,
            about,
            tr(
                "Other users than root may write this file (mode {mode}). CUPS does not run "
                "it, and jobs wait forever.",
                mode=format(mode, "04o"),
            ),
            as_root,
        )
    elif status.st_uid != 0:
        yield error(
            BACKEND,
            about,
            tr("This file belongs to user id {st_uid} instead of root.", st_uid=status.st_uid),
            as_root,
        )
    elif not mode & stat.S_IXUSR:
        yield error(
            BACKEND,
            about,
            tr("This file is not executable (mode {mode}).", mode=format(mode, "04o")),
            as_root,
        )
    elif mode & (stat.S_IXGRP | stat.S_IXOTH):
        yield error(
            BACKEND,
            about,
            tr(
                "Its mode is {mode}, so CUPS runs it as lp, which cannot read the keys.",
                mode=format(mode, "04o"),
            ),
            as_root,
            "CB-202",
        )
    elif missing := _missing_interpreter(path):
        yield error(
            BACKEND,
            about,
            tr("The backend needs {missing}, which is missing.", missing=missing),
            tr("Install cirrus-bridge again; its Python environment was moved or removed."),
        )
    else:
        yield good(
            BACKEND,
            about,
            tr(
                "The file belongs to root (mode {mode}), so CUPS runs it as root.",
                mode=format(mode, "04o"),
            ),
        )


def check_driver(path: Path) -> Iterator[Finding]:
    """Check the driver program. Without it, dialogs offer only generic drivers."""
    about = str(path)
    if os.access(path, os.X_OK) and not _missing_interpreter(path):
        yield good(DRIVER, about, tr("The driver program is installed."))
    else:
        yield warning(
            DRIVER,
            about,
            tr(
                "The driver program is missing or not executable, so devices have no drivers "
                "of their own."
            ),
            tr(
                "Install cirrus-bridge, or run: install -m 0755 …/bin/cirrus-driver {path}",
                path=path,
            ),
        )


def _missing_interpreter(path: Path) -> str:
    """The missing interpreter of a script; empty if nothing is missing."""
    try:
        with path.open("rb") as file:
            first = file.readline(512)
    except OSError:
        return ""
    words = first[2:].decode("utf-8", "replace").split() if first.startswith(b"#!") else []
    return words[0] if words and not os.access(words[0], os.X_OK) else ""
