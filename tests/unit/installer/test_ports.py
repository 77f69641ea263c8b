"""Reserved ports of servers that are not always running."""

from __future__ import annotations

import contextlib
import socket

import pytest

from ports import reserved_port

LOOPBACK = "127.0.0.1"


class _Owner:
    """The owner of a server."""


def test_one_server_after_the_other() -> None:
    """Several servers in turn can listen on the port; between them, nobody answers."""
    owner = _Owner()
    port = reserved_port(owner)
    for _ in range(2):
        with (
            socket.create_server((LOOPBACK, port)) as server,
            socket.create_connection((LOOPBACK, port)),
        ):
            server.accept()[0].close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((LOOPBACK, port))


def test_nobody_else_is_given_it() -> None:
    """The port belongs to its owner, with or without a server."""
    owner = _Owner()
    port = reserved_port(owner)
    with contextlib.ExitStack() as others:
        found = [others.enter_context(socket.create_server((LOOPBACK, 0))) for _ in range(100)]
        assert port not in {other.getsockname()[1] for other in found}
    with pytest.raises(OSError, match="in use"), socket.socket() as other:
        other.bind((LOOPBACK, port))
    del owner
    with socket.socket() as other:
        other.bind((LOOPBACK, port))
