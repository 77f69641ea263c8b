"""Checks of the room on the disks that jobs need."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from cirrus_bridge.admin.doctor.finding import Finding, error, good, warning

DISK = "disk"
NO_ROOM_BYTES = 16 << 20
LITTLE_ROOM_BYTES = 256 << 20
FEW_FILES = 100


def check_disks(folders: Mapping[str, Path]) -> Iterator[Finding]:
    """Each of these folders, by what it is for, has room; one that is not there yet, where it
    would be made."""
    for purpose, folder in folders.items():
        yield _check(purpose, folder)


def _check(purpose: str, folder: Path) -> Finding:
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    room = os.statvfs(there)
    free_bytes = room.f_bavail * room.f_frsize
    about = f"{folder} ({purpose})"
    text = f"{free_bytes >> 20} MiB are free"
    fix = f"Make room: du -xh {there} | sort -h | tail, or a larger file system."
    if free_bytes < NO_ROOM_BYTES:
        return error(DISK, about, f"{text}: jobs fail.", fix, "CB-501")
    if room.f_files and room.f_favail < FEW_FILES:
        return error(DISK, about, f"Only {room.f_favail} more files fit: jobs fail.", fix, "CB-501")
    if free_bytes < LITTLE_ROOM_BYTES:
        return warning(DISK, about, f"{text}: a large job may fail.", fix)
    return good(DISK, about, f"{text}.")
