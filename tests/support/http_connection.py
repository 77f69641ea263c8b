"""A connection whose bytes a test chooses, as no HTTP library sends them."""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Iterable, Iterator

WAIT_S = 60.0


class HttpConnection:
    """A context manager: a TCP connection to a port of this machine."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), WAIT_S)

    def __enter__(self) -> HttpConnection:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.socket.close()

    def send(self, *parts: bytes) -> None:
        """Send bytes, each part by itself."""
        for part in parts:
            self.socket.sendall(part)

    def response(self) -> tuple[int, bytes]:
        """The status and the body of the next response."""
        found = http.client.HTTPResponse(self.socket)
        # a reader of its own would take bytes of the next response
        found.fp.close()
        found.fp = _Reader(self.socket)  # type: ignore[assignment]
        found.begin()
        return found.status, found.read()

    def is_closed(self) -> bool:
        """Wait for the end of the connection; whether no more bytes come before."""
        with contextlib.suppress(ConnectionError):
            return self.socket.recv(1) == b""
        return True


class _Reader:
    """Reads byte by byte, so that nothing of the next response is lost."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self.closed = False

    def readline(self, limit: int = -1) -> bytes:
        line = bytearray()
        while not line.endswith(b"\n") and (limit < 0 or len(line) < limit):
            byte = self._socket.recv(1)
            if not byte:
                break
            line += byte
        return bytes(line)

    def read(self, size: int = -1) -> bytes:
        data = bytearray()
        while size < 0 or len(data) < size:
            part = self._socket.recv(size - len(data) if size >= 0 else 1 << 16)
            if not part:
                break
            data += part
        return bytes(data)

    def readinto(self, buffer: memoryview) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def head(*fields: str, path: str = "/ipp/print", version: str = "1.1") -> bytes:
    """The head of an IPP request."""
    lines = [f"POST {path} HTTP/{version}", "Content-Type: application/ipp", *fields]
    if not any(field.lower().startswith("host:") for field in fields):
        lines.insert(1, "Host: localhost")
    return "\r\n".join([*lines, "", ""]).encode()


def chunks(parts: Iterable[bytes]) -> Iterator[bytes]:
    """A body in chunks (RFC 9112, 7.1)."""
    for part in parts:
        yield b"%x\r\n%s\r\n" % (len(part), part)
    yield b"0\r\n\r\n"
