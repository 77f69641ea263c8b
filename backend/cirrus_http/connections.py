"""Connections of clients: how many there may be, and how long the server waits for a client.

uvicorn waits forever for the rest of a request, and accepts connections until no file can be opened
(https://github.com/Kludex/uvicorn/issues/157). So the listening socket counts the connections, also
those whose TLS handshake never ends. Each second, `Listener.check` closes the connections whose
client is too slow. It looks at the state that uvicorn keeps, so requests cost nothing here.

When there are too many connections, the one that has waited longest for its client makes room. It
belongs to the site with most connections, and there to the network with most. So no site or network
can keep out another.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import resource
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from cirrus_http.networks import LOOPBACK, SITE_BITS, network
from cirrus_http.protocol import Protocol, Step

log = logging.getLogger(__name__)
_site = partial(network, ipv6_bits=SITE_BITS)
_CONNECTIONS = 1000  # each may hold a request's head of 256 KiB
_FILES_OF_A_CONNECTION = 2  # its socket and a document
_OTHER_FILES = 256  # the database in each thread, deliveries, page images
_CLOSING = 64  # connections that were dropped, while their files are still open
_NO_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# tcpi_bytes_acked and tcpi_bytes_received (RFC 4898, section 4) in Linux's struct tcp_info
_TCP_COUNTS = struct.Struct("120x Q Q")


class TooFewFiles(Exception):
    """This process may open too few files; the text says what to do."""


class Limits(NamedTuple):
    """The limits of a server. The least rate, 500 bytes/s, is that of Apache's mod_reqtimeout."""

    connections: int = _CONNECTIONS
    of_a_network: int = 256  # an office behind one address; loopback has no limit of its own
    wait_s: float = 30.0  # for a TLS handshake, or for the head of a request
    least_bytes: int = 15_000  # of a body or a response in `wait_s`


def process_limits() -> Limits:
    """Allow this process as many files as the connections need; return the limits.

    Raises:
        TooFewFiles: the hard limit of open files (getrlimit(2)) is too low.
    """
    wanted = _OTHER_FILES + _FILES_OF_A_CONNECTION * _CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # no more than needed: programs that the server starts inherit the limit
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    files = wanted if soft == resource.RLIM_INFINITY else min(wanted, soft)
    connections = (files - _OTHER_FILES) // _FILES_OF_A_CONNECTION
    if connections < 1:
        raise TooFewFiles(
            f"this process may open {files} files, which is too few. Allow {wanted} files,"
            f" with `ulimit -n {wanted}` or LimitNOFILE={wanted} in the unit."
        )
    return Limits(connections)


class Listener(socket.socket):
    """A listening socket that limits its connections."""

    def __init__(
        self,
        family: int,
        kind: int,
        protocol: int,
        limits: Limits,
        now_s: Callable[[], float] = time.monotonic,
        network_of: Callable[[str], str] = network,
        site_of: Callable[[str], str] = _site,
    ) -> None:
        super().__init__(family, kind, protocol)
        self._limits = limits
        self._now_s = now_s
        self._network_of = network_of
        self._site_of = site_of
        self._counted: dict[int, Connection] = {}  # by file descriptor
        self._closing: set[Connection] = set()
        self._networks: Counter[str] = Counter()
        self._sites: Counter[str] = Counter()

    def accept(self) -> tuple[Connection, Any]:
        """Accept a connection, as asyncio's event loop does.

        Raises:
            BlockingIOError: try again after the event loop has closed dropped connections.
            ConnectionAbortedError: there was no room for the connection.
        """
        if len(self._counted) + len(self._closing) >= self._limits.connections + _CLOSING:
            raise BlockingIOError
        try:
            accepted, address = super().accept()
        except OSError as error:
            if error.errno not in _NO_RESOURCES:
                raise
            # asyncio would log this thousands of times
            log.error("cannot accept a connection (%s)", error.strerror)
            if victim := self._longest_waiting(list(self._counted.values())):
                self._drop(victim)
            raise BlockingIOError from error
        places = self._network_of(address[0]), self._site_of(address[0])
        found = Connection(self, accepted, *places, self._now_s())
        self._counted[found.fileno()] = found
        self._networks[found.network] += 1
        self._sites[found.site] += 1
        self._make_room(found)
        return found, address

    def check(self) -> None:
        """Drop the connections whose client is too slow; call this each second."""
        now_s = self._now_s()
        for each in list(self._counted.values()):
            if each.is_too_slow(now_s, self._limits):
                log.info("closed a connection from %s: the client was too slow", each.network)
                self._drop(each)

    def find(self, descriptor: int) -> Connection | None:
        """Return a connection, or None if it was dropped."""
        return self._counted.get(descriptor)

    def forget(self, connection: Connection) -> None:
        """Stop counting a connection that is about to be closed."""
        self._closing.discard(connection)
        if self._counted.get(connection.fileno()) is connection:
            self._uncount(connection)

    def protocol(self) -> type[Protocol]:
        """Make the class of uvicorn's protocol for this socket's connections."""
        listener = self

        class ObservedProtocol(Protocol):
            def connection_made(self, transport: Any) -> None:
                super().connection_made(transport)
                found = listener.find(transport.get_extra_info("socket").fileno())
                if found:
                    found.protocol = self
                else:
                    transport.abort()

        return ObservedProtocol

    def _make_room(self, new: Connection) -> None:
        here = self._load(new)
        if new.network != LOOPBACK and self._networks[new.network] > self._limits.of_a_network:
            others = [each for each in self._counted.values() if each.network == new.network]
        elif len(self._counted) > self._limits.connections:
            others = [each for each in self._counted.values() if self._load(each) >= here]
        else:
            return
        others.remove(new)
        victim = self._longest_waiting(others)
        dropped = victim or new
        log.warning("closed a connection from %s: too many connections", dropped.network)
        self._drop(dropped)
        if victim is None:
            new.close()
            raise ConnectionAbortedError

    def _longest_waiting(self, connections: list[Connection]) -> Connection | None:
        waiting = [each for each in connections if each.step is not Step.SERVER]
        return max(waiting, key=lambda each: (*self._load(each), -each.since_s), default=None)

    def _load(self, connection: Connection) -> tuple[int, int]:
        return self._sites[connection.site], self._networks[connection.network]

    def _drop(self, connection: Connection) -> None:
        self._uncount(connection)
        self._closing.add(connection)
        connection.abort()

    def _uncount(self, connection: Connection) -> None:
        del self._counted[connection.fileno()]
        for counter, place in (
            (self._networks, connection.network),
            (self._sites, connection.site),
        ):
            counter[place] -= 1
            if not counter[place]:
                del counter[place]


class Connection(socket.socket):
    """An accepted connection; its listener counts it until it is closed."""

    def __init__(
        self, listener: Listener, accepted: socket.socket, network: str, site: str, now_s: float
    ) -> None:
        super().__init__(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        self.network = network
        self.site = site
        self.protocol: Protocol | None = None  # until the TLS handshake is complete
        self.since_s = now_s  # of the wait for the client
        self._listener = listener
        self._last: tuple[Step, object] = (Step.HANDSHAKE, None)
        self._bytes = 0  # sent or received before `since_s`

    @property
    def step(self) -> Step:
        return self.protocol.step if self.protocol else Step.HANDSHAKE

    def is_too_slow(self, now_s: float, limits: Limits) -> bool:
        """Tell whether the client is too slow with its step."""
        step = self.step
        # the cycle is the request, of which a connection may have many
        current = (step, self.protocol and self.protocol.cycle)
        if current != self._last or step is Step.SERVER:
            self._last, self.since_s, self._bytes = current, now_s, self._count_bytes(step)
        elif self._count_bytes(step) - self._bytes >= limits.least_bytes:
            self.since_s, self._bytes = now_s, self._count_bytes(step)
        return now_s - self.since_s > limits.wait_s

    def abort(self) -> None:
        """Make asyncio close this connection soon."""
        if self.protocol:
            self.protocol.transport.abort()
        else:
            with contextlib.suppress(OSError):  # the client is gone
                self.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.forget(self)
        super().close()

    def _count_bytes(self, step: Step) -> int:
        if step not in (Step.BODY, Step.RESPONSE):
            return 0
        info = self.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_COUNTS.size)
        acknowledged, received = _TCP_COUNTS.unpack(info)
        return int(received if step is Step.BODY else acknowledged)
