"""Checks of the free space on the disks that jobs need."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.doctor.finding import Finding, error, good, warning

DISK = tr("disk")
NO_ROOM_BYTES = 16 << 20
LITTLE_ROOM_BYTES = 256 << 20
FEW_FILES = 100


def check_disks(folders: Mapping[str, Path]) -> Iterator[Finding]:
    """Check the free space for each folder, which need not exist yet.

    Args:
        folders: purpose → folder.
    """
    for purpose, folder in folders.items():
        yield _check(purpose, folder)


def _check(purpose: str, folder: Path) -> Finding:
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    room = os.statvfs(there)
    free_bytes = room.f_bavail * room.f_frsize
    about = tr("{folder} ({purpose})", folder=folder, purpose=purpose)
    text = tr("{count} MiB are free", count=free_bytes >> 20)
    fix = tr(
        "Free some space (du -xh {folder} | sort -h | tail), or enlarge the file system.",
        folder=there,
    )
    if free_bytes < NO_ROOM_BYTES:
        return error(DISK, about, tr("{text}: jobs fail.", text=text), fix, "CB-501")
    if room.f_files and room.f_favail < FEW_FILES:
        return error(
            DISK,
            about,
            tr("Only {count} more files fit: jobs fail.", count=room.f_favail),
            fix,
            "CB-501",
        )
    if free_bytes < LITTLE_ROOM_BYTES:
        return warning(DISK, about, tr("{text}: a large job may fail.", text=text), fix)
    return good(DISK, about, tr("{text}.", text=text))
