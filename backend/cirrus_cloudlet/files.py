"""Files of the data folder: locks between processes, and names that survive a crash."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from cirrus_cloudlet.errors import SettingsError


@contextlib.contextmanager
def lock(path: Path, refusal: str | None = None) -> Iterator[None]:
    """Hold the lock while the block runs; the kernel frees it when its holder ends in any way.

    While another process holds the lock, wait, or raise SettingsError with the text `refusal`.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (fcntl.LOCK_NB if refusal else 0))
        except BlockingIOError as error:
            raise SettingsError(refusal) from error
        yield
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Write a folder's new names to disk; fsync of a file does not write its name."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
