"""One `cirrusctl apply` after the other: what one has planned must not be undone by a second."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def turn(config: Path, tell_wait: Callable[[], None]) -> Iterator[None]:
    """Nobody else has a turn in the meantime; `tell_wait` is called if somebody has it now.

    The lock is on servers.d, which nobody but root can open, and so nobody else can hold it. Where
    there is none there are no servers, and nothing to apply.
    """
    try:
        handle = os.open(config / "servers.d", os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # which reading the configuration tells better
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
