"""Answers to filters on the side channel (cups/sidechannel.h)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cirrus_bridge.cups.side_channel import answers, serve

DEVICE_ID = b"MFG:Cirrus;MDL:Laser1;CMD:POSTSCRIPT;"


@pytest.fixture
def ppd(tmp_path: Path) -> str:
    """A driver that names its device."""
    path = tmp_path / "q.ppd"
    path.write_bytes(b'*PPD-Adobe: "4.3"\n*1284DeviceID: "' + DEVICE_ID + b'"\n')
    return str(path)


@pytest.fixture
def channel(ppd: str) -> Iterator[socket.socket]:
    """The filters' end of a served channel. Serving ends when the channel is closed."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)  # as cupsd does
    theirs.settimeout(60)
    server = threading.Thread(target=serve, args=(ours.fileno(), ppd))
    server.start()
    with ours:
        with theirs:
            yield theirs
        server.join(60)
        assert not server.is_alive()


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (b"\x01\0\0\0", b"\x01\x07\0\0"),  # SOFT_RESET: not implemented
        (b"\x02\0\0\0", b"\x02\x01\0\0"),  # DRAIN_OUTPUT
        (b"\x03\0\0\0", b"\x03\x01\0\x01\0"),  # GET_BIDI: data goes one way
        (b"\x04\0\0\0", b"\x04\x01\0" + bytes([len(DEVICE_ID)]) + DEVICE_ID),
        (b"\x05\0\0\0", b"\x05\x01\0\x01\x01"),  # GET_STATE: online
        (b"\x06\0\0\x05.1.3\0", b"\x06\x07\0\0"),  # SNMP_GET: not implemented
        (b"\x07\0\0\x05.1.3\0", b"\x07\x07\0\0"),  # SNMP_GET_NEXT: not implemented
        (b"\x08\0\0\0", b"\x08\x01\0\x01\x01"),  # GET_CONNECTED
        (b"\0\0\0\0", b"\0\x07\0\0"),
        (b"\xff\xff\xff\xff" + bytes(0xFFFF), b"\xff\x07\0\0"),
    ],
)
def test_each_command(channel: socket.socket, request_: bytes, answer: bytes) -> None:
    """Each command is answered or refused, also in pieces and several at once."""
    channel.sendall(request_)
    assert _received(channel, len(answer)) == answer
    channel.sendall(request_[:3])
    channel.sendall(request_[3:] + request_)
    assert _received(channel, 2 * len(answer)) == 2 * answer


@pytest.mark.parametrize("part", [b"\x03", b"\x06\0\xff\xff.1.3"])
def test_a_request_without_an_end(channel: socket.socket, part: bytes) -> None:
    """An incomplete request is a bad message, and the next request is answered."""
    channel.sendall(part)
    assert _received(channel, 4) == part[:1] + b"\x05\0\0"
    channel.sendall(b"\x03\0\0\0")
    assert _received(channel, 5) == b"\x03\x01\0\x01\0"


def test_nobody_reads_the_answers(channel: socket.socket) -> None:
    """A filter that reads no answers blocks only itself. Serving ends with the channel."""
    channel.settimeout(1)
    with pytest.raises(TimeoutError):
        while True:
            channel.sendall(b"\x03\0\0\0" * 10_000)


def test_no_device_id(tmp_path: Path) -> None:
    """A device id is refused without a driver, or with one that names no device."""
    (tmp_path / "q.ppd").write_text('*PPD-Adobe: "4.3"\n')
    for ppd in ("", str(tmp_path / "none"), str(tmp_path / "q.ppd")):
        assert answers(b"\x04\0\0\0", ppd) == (b"\x04\x07\0\0", b"")


def _received(channel: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = channel.recv(count - len(data))
        assert more, data
        data += more
    return data
