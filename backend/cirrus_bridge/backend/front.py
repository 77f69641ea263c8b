"""The front of a warm worker: the small program that cupsd has started for a job (front.c).

front.c describes the conversation. Both ends belong to one release, but an upgrade may separate
them, so a job that is not understood is left to the front.
"""

from __future__ import annotations

import os
import select
import socket
import stat
import struct
from typing import NamedTuple

from cirrus_bridge.backend.call import Call

MOST_BYTES = 8 << 20  # of arguments and environment; execve(2) allows about 6 MiB
DESCRIPTORS = 3  # document, status lines, side channel
LONGEST_S = 5.0  # for a step of the conversation that the front does at once
_SIZE = struct.Struct("=I")


class Job(NamedTuple):
    """A job that a front has passed on.

    Attributes:
        newest_key_ns: when a key file was last changed, in nanoseconds since the epoch.
        side_channel: CUPS's side channel, if there is one.
    """

    call: Call
    newest_key_ns: int
    side_channel: socket.socket | None

    def close(self) -> None:
        """Close all descriptors."""
        for each in (self.call.stdin, self.call.stderr, self.side_channel):
            if each is not None:
                each.close()


class Front:
    """The conversation with one front. Every method may raise OSError: the front is gone."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        connection.settimeout(LONGEST_S)

    def job(self) -> Job | None:
        """Ask for the job and receive it; None if it is not understood."""
        self._connection.send(b"w")
        head, files, _, _ = socket.recv_fds(self._connection, _SIZE.size, DESCRIPTORS)
        try:
            (size,) = _SIZE.unpack(head)
            if not 2 <= len(files) <= DESCRIPTORS or size > MOST_BYTES:
                raise ValueError(f"{len(files)} descriptors, {size} bytes")
            newest, cupsd, count, *texts = map(os.fsdecode, self._exactly(size).split(b"\0")[:-1])
            argv, environ = texts[: int(count)], texts[int(count) :]
            numbers = int(newest), int(cupsd)
        except (ValueError, struct.error):
            for file in files:
                os.close(file)
            return None
        stdin, stderr = os.fdopen(files[0], "rb", 0), os.fdopen(files[1], "wb", 0)
        call = Call(
            argv, dict(each.partition("=")[::2] for each in environ), stdin, stderr, numbers[1]
        )
        is_channel = len(files) == DESCRIPTORS and stat.S_ISSOCK(os.fstat(files[2]).st_mode)
        return Job(call, numbers[0], socket.socket(fileno=files[2]) if is_channel else None)

    def lets_do(self, lock: int, interruption: bytes, *, is_joined: bool) -> bool | None:
        """Offer to do the job; return whether the front agrees. Otherwise, the front does the job
        by itself. None means that the front was killed.

        Args:
            lock: the descriptor of the lock of the run's note; -1 without a note.
            interruption: the status line for the case that this process is killed.
            is_joined: whether CUPS joins the job's files.
        """
        said = struct.pack("=c?H", b"s", is_joined, len(interruption)) + interruption
        process = os.pidfd_open(os.getpid())
        try:
            socket.send_fds(self._connection, [said], [process, lock] if lock >= 0 else [process])
        finally:
            os.close(process)
        answer = self._connection.recv(1)
        return answer == b"g" if answer else None

    def is_alive(self) -> bool:
        """Whether the front has not ended. Otherwise, CUPS gets no exit code of this run."""
        return not select.select([self._connection], [], [], 0)[0]

    def ended(self, code: int) -> bool:
        """Pass on the exit code; return whether the front has ended. A front that has ended sends
        no more signals to this process."""
        self._connection.send(b"e" + bytes([code]))
        return bool(select.select([self._connection], [], [], LONGEST_S)[0])

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            more = self._connection.recv(size - len(data))
            if not more:
                raise ValueError("the front ended")
            data += more
        return bytes(data)
