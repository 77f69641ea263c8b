"""Ports for servers that a demo or test starts, and starts again."""

from __future__ import annotations

import socket
import weakref


def reserved_port(owner: object) -> int:
    """A loopback port for servers of `owner`; nobody else gets it while `owner` lives.

    A bound socket reserves the port. With SO_REUSEADDR (socket(7)) a server can listen there as
    well.
    """
    keeper = socket.socket()
    weakref.finalize(owner, keeper.close)
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind(("127.0.0.1", 0))
    port: int = keeper.getsockname()[1]
    return port
