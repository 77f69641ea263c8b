"""One `cirrusctl apply` after the other: what one has planned must not be undone by a second."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

LOCK = ".apply.lock"


@contextlib.contextmanager
def turn(config: Path, tell_wait: Callable[[], None]) -> Iterator[None]:
    """Nobody else has a turn in the meantime; `tell_wait` is called if somebody has it now.

    The lock is on a file that nobody else can open, and so nobody else can hold it: of the files
    and folders that are there anyway, each may have been opened to others by hand.
    """
    try:
        handle = os.open(config / LOCK, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError:  # no folder, or no right, as what follows says; or a disk that is only read
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
