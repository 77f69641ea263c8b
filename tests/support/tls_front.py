"""A TLS server in front of a plain one. Its certificate and its connections can break."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

from accepting import HOST, Accepting, reset

DAY = timedelta(days=1)
_CHUNK_BYTES = 16 * 1024
_HALF_A_RECORD = b"\x17\x03\x03\x40\x00" + b"x" * 100  # application data, 16 KiB long (RFC 8446, 5)
_A_FALSE_RECORD = b"\x17\x03\x03\x00\x40" + b"x" * 64  # nobody with the keys has made it
# what the other end of a connection gets in place of the rest
ENDS = {"reset": b"", "half a record": _HALF_A_RECORD, "a false record": _A_FALSE_RECORD}


class Certificates:
    """Server certificates of one CA, whose certificate is in `ca_file`, and of others."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.ca_file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.ca_file))
        self.ca_file.chmod(0o644)

    def of_kind(self, kind: str) -> ssl.SSLContext:
        """The server's side of TLS: `good`, or with the fault that `kind` names."""
        now = datetime.now(UTC)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca, name, begins, ends = self._ca, HOST, now - DAY, now + DAY
        if kind == "expired":
            begins, ends = now - 2 * DAY, now - DAY
        elif kind == "not yet valid":
            begins, ends = now + DAY, now + 2 * DAY
        elif kind == "another name":
            name = "print.example.com"
        elif kind == "unknown CA":
            ca = trustme.CA()
        elif kind == "client certificate required":
            self._ca.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        else:
            assert kind == "good", kind
        ca.issue_cert(name, not_before=begins, not_after=ends).configure_cert(context)
        return context


class TlsFront(Accepting):
    """A context manager: HOST:PORT (`name`) with TLS in front of `server`.

    Attributes:
        context: the server's side of TLS for new connections; None for no TLS.
        broken_handshakes: how many new connections still end before their handshake.
    """

    def __init__(self, server: str, context: ssl.SSLContext) -> None:
        super().__init__()
        host, _, port = server.rpartition(":")
        self._server = (host, int(port))
        self.context: ssl.SSLContext | None = context
        self.broken_handshakes = 0
        self._clients: list[socket.socket] = []

    def cut(self, last: bytes = b"") -> None:
        """End all connections. The clients get `last` on the wire, or a reset if it is empty."""
        clients, self._clients = self._clients, []
        for client in clients:
            with contextlib.suppress(OSError):
                if last:
                    client.sendall(last)
                    client.shutdown(socket.SHUT_RDWR)
                else:
                    reset(client)

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            context = self.context
            if self.broken_handshakes:
                self.broken_handshakes -= 1
                client.recv(_CHUNK_BYTES)
            elif context is None:
                client.recv(_CHUNK_BYTES)
                client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            else:
                self._clients.append(client)
                with socket.create_connection(self._server) as server:
                    _Connection(client, server, context).pump()


class _Connection:
    """A connection. TLS is done in memory, so `TlsFront.cut` may write to the socket meanwhile."""

    def __init__(
        self, client: socket.socket, server: socket.socket, context: ssl.SSLContext
    ) -> None:
        self._client, self._server = client, server
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)

    def pump(self) -> None:
        """Carry the bytes both ways until an end closes the connection."""
        while True:
            readable, _, _ = select.select([self._client, self._server], [], [])
            is_open = self._from_client() if self._client in readable else self._from_server()
            self._client.sendall(self._out.read())
            if not is_open:
                return

    def _from_client(self) -> bool:
        data = self._client.recv(_CHUNK_BYTES)
        self._in.write(data)
        try:
            while part := self._tls.read(_CHUNK_BYTES):  # it does the handshake, too
                self._server.sendall(part)
        except ssl.SSLWantReadError:
            return bool(data)
        except ssl.SSLError:  # a client that distrusts the certificate, or gives none
            pass
        return False

    def _from_server(self) -> bool:
        data = self._server.recv(_CHUNK_BYTES)
        self._tls.write(data)
        return bool(data)
