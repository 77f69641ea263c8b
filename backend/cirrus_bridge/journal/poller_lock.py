"""The poller's lock: at most one process follows the documents of a journal.

The lock is one byte of `jobs.lock`. The kernel frees the lock when the poller ends, however it
ends. F_OFD_GETLK asks for the lock without taking it, so a question never keeps a poller from
starting. The lock belongs to the open file (fcntl(2), "Open file description locks"). So closing
another descriptor of `jobs.lock` does not free the lock, as it would with lockf.

The poller leaves its name and its last sign of life behind the witness. Both are for people. No
decision depends on them.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import struct
from dataclasses import dataclass

_PLACE = (1 << 60) + 1  # a byte of the lock file above those of jobs
_FLOCK = "hhqqi"  # struct flock, fcntl(2), with 64-bit offsets
_SIGN_AT, _NAME_BYTES, _SIGN_BYTES = 128, 64, 86  # the witness stands before


@dataclass(frozen=True, slots=True)
class PollerSign:
    """The name of the last poller and its last sign of life, in seconds since the epoch."""

    name: str
    at_s: float


def take(locks: int) -> bool:
    """Take the lock; return False while another open file has the lock. Raises OSError."""
    try:
        fcntl.fcntl(locks, fcntl.F_OFD_SETLK, _flock(fcntl.F_WRLCK))
    except BlockingIOError:
        return False
    return True


def is_taken(locks: int) -> bool:
    """Whether another open file has the lock. Raises OSError."""
    found = fcntl.fcntl(locks, fcntl.F_OFD_GETLK, _flock(fcntl.F_RDLCK))
    return bool(struct.unpack_from(_FLOCK, found)[0] != fcntl.F_UNLCK)


def give_sign(locks: int, sign: PollerSign) -> None:
    """Leave a sign of life. Errors are ignored, and the call does not wait for the disk."""
    name = sign.name.encode("ascii", "replace")[:_NAME_BYTES].decode()
    with contextlib.suppress(OSError):
        os.pwrite(locks, f"{name:{_NAME_BYTES}} {sign.at_s:020.3f}\n".encode(), _SIGN_AT)


def erase_sign(locks: int) -> None:
    """Erase the sign of life, because this poller ends normally."""
    with contextlib.suppress(OSError):
        os.pwrite(locks, bytes(_SIGN_BYTES), _SIGN_AT)


def read_sign(locks: int) -> PollerSign | None:
    """The last sign of life; None if the last poller ended normally. Raises OSError."""
    record = os.pread(locks, _SIGN_BYTES, _SIGN_AT)
    name, _, at = record.decode("ascii", "replace").rstrip("\n").rpartition(" ")
    with contextlib.suppress(ValueError):
        if len(record) == _SIGN_BYTES and math.isfinite(float(at)):
            return PollerSign(name.strip(), float(at))
    return None


def _flock(kind: int) -> bytes:
    return struct.pack(_FLOCK, kind, os.SEEK_SET, _PLACE, 1, 0)
