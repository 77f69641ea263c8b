"""HTTP on a connection: what is refused, and what pipelined requests get."""

from __future__ import annotations

import contextlib
import socket

import pytest

from cloudlet_server import CloudletServer

VERSION = b"GET /api/version HTTP/1.1\r\nHost: h\r\n"
LAST = b"Connection: close\r\n\r\n"
CHUNKED = b"PUT /api/putfile HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"


def _exchange(server: CloudletServer, *pieces: bytes) -> bytes:
    """Send pieces until the server closes the connection; return what it sent."""
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65536):
                received += piece
    return received


def _authorization(server: CloudletServer) -> bytes:
    return f"Authorization: Bearer {server.key}\r\n".encode()


@pytest.mark.parametrize(
    "head",
    [
        b"GET /api/version HTTP/1.1\r\n",
        VERSION + b"Host: h\r\n",
        b"GET /api/version HTTP/1.0\r\nHost: h\r\nHost: h\r\n",
        b"GET /api/version HTTP/2.0\r\nHost: h\r\n",
        VERSION + b"Transfer-Encoding: gzip, chunked\r\n",
        VERSION + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        VERSION + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        VERSION + b"Content-Length: 5\r\nContent-Length: 6\r\n",
        VERSION + b"X: a\r\n folded\r\n",
        VERSION + b"X : a\r\n",
        VERSION + b"X: a\0b\r\n",
    ],
)
@pytest.mark.attacker("network")
def test_ambiguous_heads(shared: CloudletServer, head: bytes) -> None:
    """Send a head that two servers could understand differently: status 400."""
    assert _exchange(shared, head + LAST).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "pieces",
    [
        [VERSION, b"X: " + b"x" * 2**18 + b"\r\n" + LAST],
        [VERSION, *[b"X: " + b"x" * 1020 + b"\r\n"] * 300, LAST],
        [b"GET /" + b"x" * 2**19],
        [CHUNKED + b"\r\n5;", *[b"x" * 2**16] * 20],
        [CHUNKED + b"\r\n0\r\n", *[b"X: " + b"x" * 1020 + b"\r\n"] * 1000],
    ],
    ids=["field", "fields", "target", "extension", "trailers"],
)
@pytest.mark.attacker("network")
def test_endless_heads(shared: CloudletServer, pieces: list[bytes]) -> None:
    """Send more than 256 KiB around a body: the connection is closed, with status 400 or 401."""
    received = _exchange(shared, *pieces)
    assert received.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 401 ")) or not received


def test_long_heads(shared: CloudletServer) -> None:
    """A head may have almost 256 KiB."""
    fields = [b"X: " + b"x" * 1020 + b"\r\n"] * 250
    assert _exchange(shared, VERSION, *fields, LAST).startswith(b"HTTP/1.1 200 ")


@pytest.mark.attacker("network")
def test_trailers_are_no_fields(shared: CloudletServer) -> None:
    """Send a key behind the body: it does not count (RFC 9110, section 6.5.1)."""
    trailer = _authorization(shared)
    received = _exchange(shared, CHUNKED + b"Connection: close\r\n\r\n0\r\n" + trailer + b"\r\n")
    assert received.startswith(b"HTTP/1.1 401 ")


def test_pipelined_requests(shared: CloudletServer) -> None:
    """Requests that are sent at once are answered in their order."""
    head = b"GET /api/%s HTTP/1.1\r\nHost: h\r\n"
    paths = [b"version", b"tempfile", b"nothing"]
    sent = b"".join(head % path + b"\r\n" for path in paths) + VERSION + LAST
    received = _exchange(shared, sent)
    statuses = [part[:3] for part in received.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"401", b"404", b"200"]


@pytest.mark.attacker("network")
def test_many_pipelined_requests(shared: CloudletServer) -> None:
    """Send a thousand requests at once: the first are answered, and the connection is closed."""
    received = _exchange(shared, (VERSION + b"\r\n") * 1000)
    assert 1 <= received.count(b"HTTP/1.1 200 ") <= 20


def test_noise_behind_a_request(shared: CloudletServer) -> None:
    """What follows a complete request does not take its answer away."""
    request = b"PUT /api/putfile HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n"
    received = _exchange(shared, request + _authorization(shared) + b"\r\n%PDF\0\0noise\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.count(b"HTTP/1.1 ") == 1
