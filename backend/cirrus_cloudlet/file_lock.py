"""Locks between processes, on files of the data folder.

The system frees a lock when its holder ends, however it ends; no stale lock is left behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from cirrus_cloudlet.errors import SettingsError


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for the lock, hold it for the block."""
    with _opened(path) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def locked_or_refused(path: Path, refusal: str) -> Iterator[None]:
    """Hold the lock for the block.

    Raises:
        SettingsError: another process holds it; says `refusal`.
    """
    with _opened(path) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SettingsError(refusal) from error
        yield


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
