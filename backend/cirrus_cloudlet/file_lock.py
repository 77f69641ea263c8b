"""Locks between processes, on files of the data folder.

The kernel frees a lock when its holder ends in any way, so no stale lock remains.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from cirrus_cloudlet.errors import SettingsError


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Wait for the lock, and hold it while the block runs."""
    with _open_lock(path) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def lock_or_refuse(path: Path, refusal: str) -> Iterator[None]:
    """Hold the lock while the block runs.

    Raises:
        SettingsError: another process holds the lock; the message is `refusal`.
    """
    with _open_lock(path) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SettingsError(refusal) from error
        yield


@contextlib.contextmanager
def _open_lock(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
