"""A server of connections on loopback, with a thread for each."""

from __future__ import annotations

import socket
import struct
import threading
from typing import Self

HOST = "127.0.0.1"


class Accepting:
    """A context manager; a subclass serves each connection.

    Attributes:
        name: HOST:PORT.
        connections: the number of connections so far.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server((HOST, 0))
        self.name = f"{HOST}:{self._listener.getsockname()[1]}"
        self.connections = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        raise NotImplementedError


def reset(client: socket.socket) -> None:
    """End a connection by RST."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.shutdown(socket.SHUT_RDWR)
