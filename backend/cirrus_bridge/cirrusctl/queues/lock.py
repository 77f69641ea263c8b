"""A lock for `cirrusctl apply`, so that two runs do not undo each other's changes."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

LOCK = ".apply.lock"


@contextlib.contextmanager
def turn(config: Path, tell_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock; call `tell_wait` first if another process holds it.

    The lock has its own file, which only root can open. The other files may have been made readable
    to other users, who could then hold a lock on them.
    """
    try:
        handle = os.open(config / LOCK, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError:  # without folder or permission, later steps fail; the disk may be read-only
        yield
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell_wait()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
