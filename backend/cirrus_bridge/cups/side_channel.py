"""CUPS's side channel: answers to filters that query the backend (cups/sidechannel.h).

cupsd opens the channel, a stream socket, as descriptor 4. A filter waits up to 30 seconds for each
request that nobody answers. Data goes one way only, so a filter must not wait for a device's reply.
Each job's start runs this module, so it imports next to nothing.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import select
import stat
from collections.abc import Mapping

DESCRIPTOR = 4  # CUPS_SC_FD
REST_WAIT_S = 1.0  # for the rest of a request; CUPS's backends answer within that time
_HEADER_BYTES = 4  # command, status, length of the data (two bytes, big-endian)
_LARGEST_BYTES = _HEADER_BYTES + 0xFFFF
_DRAIN_OUTPUT, _GET_BIDI, _GET_DEVICE_ID, _GET_STATE, _GET_CONNECTED = 2, 3, 4, 5, 8
_OK, _BAD_MESSAGE, _NOT_IMPLEMENTED = 1, 5, 7
_FACTS = {
    _DRAIN_OUTPUT: b"",  # the backend reads a filter's output without delay
    _GET_BIDI: b"\x00",
    _GET_STATE: b"\x01",  # online
    _GET_CONNECTED: b"\x01",  # commandtops(8) waits for this answer
}
_DEVICE_ID = b'*1284DeviceID: "'


def answer_filters(environ: Mapping[str, str]) -> None:
    """Answer in the background, if there is a channel, until all filters have closed it."""
    with contextlib.suppress(OSError):  # no such descriptor
        if stat.S_ISSOCK(os.fstat(DESCRIPTOR).st_mode):
            _thread.start_new_thread(serve, (DESCRIPTOR, environ.get("PPD", "")))


def serve(channel: int, ppd: str, *stop: int) -> None:
    """Answer each request until the other end is closed, or the descriptor `stop` is readable.
    `ppd` is the path of the queue's PPD."""
    rest = b""
    with contextlib.suppress(OSError):
        while True:
            ready = select.select([channel, *stop], [], [], REST_WAIT_S if rest else None)[0]
            if ready and ready != [channel]:
                return
            if ready:
                data = os.read(channel, _LARGEST_BYTES)
                if not data:
                    return
                said, rest = answers(rest + data, ppd)
            else:
                said, rest = _message(rest[0], _BAD_MESSAGE), b""
            while said:
                select.select([], [channel], [])  # cupsd made it non-blocking
                said = said[os.write(channel, said) :]


def answers(requests: bytes, ppd: str) -> tuple[bytes, bytes]:
    """Answer all complete `requests`; return the answers and the rest of an incomplete request."""
    said, start = b"", 0
    while len(requests) - start >= _HEADER_BYTES:
        length = int.from_bytes(requests[start + 2 : start + _HEADER_BYTES], "big")
        if start + _HEADER_BYTES + length > len(requests):
            break
        said += _answer(requests[start], ppd)
        start += _HEADER_BYTES + length
    return said, requests[start:]


def _answer(command: int, ppd: str) -> bytes:
    fact = _device_id(ppd) if command == _GET_DEVICE_ID else _FACTS.get(command)
    return _message(command, _NOT_IMPLEMENTED) if fact is None else _message(command, _OK, fact)


def _message(command: int, status: int, data: bytes = b"") -> bytes:
    return bytes((command, status)) + len(data).to_bytes(2, "big") + data


def _device_id(ppd: str) -> bytes | None:
    """The IEEE 1284 device id of the queue's driver."""
    try:
        with open(ppd, "rb") as file:  # noqa: PTH123 - pathlib takes 10 ms to import
            found = next((line for line in file if line.startswith(_DEVICE_ID)), None)
    except OSError:
        return None
    return found and found[len(_DEVICE_ID) :].partition(b'"')[0][:0xFFFF]
