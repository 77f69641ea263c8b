"""The worker's end of the conversation with a front; front.c is tested with a real cupsd."""

from __future__ import annotations

import os
import select
import socket
import struct
from collections.abc import Iterator

import pytest

from cirrus_bridge.backend.front import MOST_BYTES, Front

TEXTS = (b"17", b"1234", b"6", *(b"cirrus", b"5", b"ann", b"t", b"1", b"a=b"), b"LANG=de", b"X=1=2")


@pytest.fixture
def ends() -> Iterator[tuple[Front, socket.socket]]:
    """The worker's end, and the front's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Front(ours), theirs


def _send(front: socket.socket, data: bytes, *files: int, size: int | None = None) -> None:
    head = struct.pack("=I", len(data) if size is None else size)
    socket.send_fds(front, [head + data], files)


def _data(*texts: bytes) -> bytes:
    return b"".join(text + b"\0" for text in texts)


def test_a_job(ends: tuple[Front, socket.socket]) -> None:
    """The worker gets what cupsd gave the front."""
    front, theirs = ends
    (document, writer), (reader, status) = os.pipe(), os.pipe()
    channel, filters = socket.socketpair()
    with channel, filters:
        _send(theirs, _data(*TEXTS), document, status, channel.fileno())
        os.close(status)
        job = front.job()
        assert theirs.recv(1) == b"w"
        assert job is not None
        assert (job.newest_key_ns, job.call.cupsd) == (17, 1234)
        assert job.call.argv == ["cirrus", "5", "ann", "t", "1", "a=b"]
        assert job.call.environ == {"LANG": "de", "X": "1=2"}
        assert job.side_channel is not None
        os.write(writer, b"%PDF")
        assert os.read(job.call.stdin.fileno(), 99) == b"%PDF"
        job.call.stderr.write(b"INFO: x\n")
        assert os.read(reader, 99) == b"INFO: x\n"
        job.close()
        assert os.read(reader, 99) == b"", "cupsd waits for the end of the status lines"
    for each in (document, writer, reader):
        os.close(each)


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (_data(b"17", b"1234", b"six", b"cirrus"), None),
        (_data(b"17"), None),
        (b"", None),
        (b"x", MOST_BYTES + 1),
    ],
)
def test_a_job_that_is_not_understood(
    ends: tuple[Front, socket.socket], data: bytes, size: int | None
) -> None:
    """The job is left to the front, and its descriptors are closed."""
    front, theirs = ends
    reader, status = os.pipe()
    _send(theirs, data, reader, status, size=size)
    os.close(status)
    assert front.job() is None
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_a_front_that_has_decided_otherwise(ends: tuple[Front, socket.socket]) -> None:
    """The worker does a job only if the front lets the worker do the job."""
    front, theirs = ends
    theirs.send(b"x")
    assert front.lets_do(-1, b"", is_joined=False) is False
    theirs.shutdown(socket.SHUT_WR)
    assert front.lets_do(-1, b"", is_joined=False) is None


def test_the_end(ends: tuple[Front, socket.socket]) -> None:
    """The front gets a handle of the worker's process, what to say, and the exit code."""
    front, theirs = ends
    theirs.send(b"g")
    reader, lock = os.pipe()
    assert front.lets_do(lock, b"INFO: x\n", is_joined=True)
    os.close(lock)
    said, files, _, _ = socket.recv_fds(theirs, 99, 2)
    assert said == b"s\x01" + struct.pack("=H", 8) + b"INFO: x\n"
    assert not select.select(files[:1], [], [], 0)[0], "a pidfd is readable after its process"
    os.write(files[1], b"!")
    assert os.read(reader, 1) == b"!"
    for each in (reader, *files):
        os.close(each)
    assert front.is_alive()
    theirs.shutdown(socket.SHUT_WR)
    assert not front.is_alive()
    assert front.ended(3)
    assert theirs.recv(99) == b"e\x03"
