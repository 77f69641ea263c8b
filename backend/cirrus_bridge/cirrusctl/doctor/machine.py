"""Checks of this machine: the programs that CUPS runs, and the free space for jobs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.doctor.finding import Finding, Subject

NO_ROOM_BYTES = 16 << 20
LITTLE_ROOM_BYTES = 256 << 20
FEW_FILES = 100


def check_backend(path: Path) -> Iterator[Finding]:
    """Check the backend's file. CUPS runs it as root only if only root may run and write it."""
    backend = Subject(tr("backend"), str(path))
    try:
        status = path.stat()
    except OSError as trouble:
        yield backend.error(
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
    shown = format(stat.S_IMODE(status.st_mode), "04o")
    as_root = f"chown root {path} && chmod 0700 {path}"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield backend.error(
            tr(
                "Other users than root may write this file (mode {mode}). CUPS does not run "
                "it, and jobs wait forever.",
                mode=shown,
            ),
            as_root,
        )
    elif status.st_uid != 0:
        yield backend.error(
            tr("This file belongs to user id {st_uid} instead of root.", st_uid=status.st_uid),
            as_root,
        )
    elif not status.st_mode & stat.S_IXUSR:
        yield backend.error(tr("This file is not executable (mode {mode}).", mode=shown), as_root)
    elif status.st_mode & (stat.S_IXGRP | stat.S_IXOTH):
        yield backend.error(
            tr(
                "Its mode is {mode}, so CUPS runs it as lp, which cannot read the keys.", mode=shown
            ),
            as_root,
            "CB-202",
        )
    elif missing := _missing_interpreter(path):
        yield backend.error(
            tr("The backend needs {missing}, which is missing.", missing=missing),
            tr("Install cirrus-bridge again; its Python environment was moved or removed."),
        )
    else:
        yield backend.good(
            tr("The file belongs to root (mode {mode}), so CUPS runs it as root.", mode=shown)
        )


def check_driver(path: Path) -> Iterator[Finding]:
    """Check the driver program. Without it, dialogs offer only generic drivers."""
    driver = Subject(tr("driver program"), str(path))
    if os.access(path, os.X_OK) and not _missing_interpreter(path):
        yield driver.good(tr("The driver program is installed."))
    else:
        yield driver.warning(
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


def check_disk(purpose: str, folder: Path) -> Iterator[Finding]:
    """Check the free space for a folder, which need not exist yet."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    room = os.statvfs(there)
    free_bytes = room.f_bavail * room.f_frsize
    disk = Subject(tr("disk"), tr("{folder} ({purpose})", folder=folder, purpose=purpose))
    text = tr("{count} MiB are free", count=free_bytes >> 20)
    fix = tr(
        "Free some space (du -xh {folder} | sort -h | tail), or enlarge the file system.",
        folder=there,
    )
    if free_bytes < NO_ROOM_BYTES:
        yield disk.error(tr("{text}: jobs fail.", text=text), fix, "CB-501")
    elif room.f_files and room.f_favail < FEW_FILES:
        few = tr("Only {count} more files fit: jobs fail.", count=room.f_favail)
        yield disk.error(few, fix, "CB-501")
    elif free_bytes < LITTLE_ROOM_BYTES:
        yield disk.warning(tr("{text}: a large job may fail.", text=text), fix)
    else:
        yield disk.good(tr("{text}.", text=text))
