"""The user at the other end of an unencrypted connection to this machine.

Any user may listen on a free loopback port, so the address does not prove whose server answers. The
kernel knows who has accepted a connection, or listens for it (proc(5), /proc/net/tcp).
"""

from __future__ import annotations

import contextlib
import pwd
import re
import select
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cirrus_bridge.base.privileges import user_name
from cirrus_bridge.config.servers import Server

CLOUD_USER = "cirrus-cloudlet"  # the user of the service in the package of that name
_TABLES = ("/proc/self/net/tcp", "/proc/self/net/tcp6")  # systemd's ProcSubset=pid hides /proc/net
# include/net/tcp_states.h; with TCP_DEFER_ACCEPT (tcp(7)), the other end stays in SYN_RECV
_ESTABLISHED, _SYN_RECV, _CLOSE_WAIT = b"01", b"03", b"08"
_LOOK_S = 0.01
_LOOKS = 3  # a table that changes while it is read may lack a row


class UntrustedPeer(Exception):
    """Another user than a trusted one accepted a connection; `user` is the name or number, or empty
    if the kernel does not know the user."""

    def __init__(self, user: str) -> None:
        super().__init__(f"the connection belongs to user {user or 'unknown'}")
        self.user = user


def check_peer(connection: socket.socket, server: Server) -> None:
    """Check that only users whom `server` trusts can read from a connection.

    These users are root, the user who read the key, CLOUD_USER and the entry's `local_user`.

    Raises:
        UntrustedPeer: another user can read, or the user is unknown, because the server is in
            another network namespace or on another machine.
        ConnectionResetError: the server has closed the connection.
    """
    users = _readers(connection)
    if not users:
        raise UntrustedPeer("")
    for user in users - {0, server.key_reader, *_users(CLOUD_USER, server.local_user)}:
        raise UntrustedPeer(user_name(user))


def _readers(connection: socket.socket) -> set[int]:
    """The ids of the users who can read from a connection; none if the kernel knows none.

    While nobody has accepted the connection, it has no inode, and older kernels say that it is
    root's. Then the users who listen may read it. If the connection is still not accepted
    afterwards, it was in the queue of one of these users all the time.
    """
    for _ in range(_LOOKS):
        row = _row(connection)
        if row is not None:
            if row.inode:
                return {row.user}
            listening = _listening(connection)
            if listening and row == _row(connection):
                return listening
        readable, _, _ = select.select([connection], [], [], _LOOK_S)
        if readable and not connection.recv(1, socket.MSG_PEEK):
            raise ConnectionResetError("reset by the server")
    return set()


class _Row(NamedTuple):
    """The other end of a connection, as the kernel lists it: state, user id, and inode or 0."""

    state: bytes
    user: int
    inode: int


def _row(connection: socket.socket) -> _Row | None:
    """The row of the connection's other end, if that is on this machine. Raises
    ConnectionResetError if the other end has closed it."""
    own, peer = connection.getsockname(), connection.getpeername()
    ends = [
        b" %s:%04X %s:%04X " % (ours, peer[1], theirs, own[1])
        for ours, theirs in zip(_written(peer[0]), _written(own[0]), strict=True)
    ]
    for rows in _tables():
        for at in filter(lambda at: at >= 0, map(rows.find, ends)):
            fields = rows[at : rows.find(b"\n", at)].split()
            if fields[2] not in (_ESTABLISHED, _SYN_RECV, _CLOSE_WAIT):
                raise ConnectionResetError("reset by the server")
            return _Row(fields[2], int(fields[6]), int(fields[8]))
    return None


def _listening(connection: socket.socket) -> set[int]:
    """The ids of the users who listen at the address of the connection's other end."""
    host, port = connection.getpeername()[:2]
    hosts = b"|".join((*_written(host), *_written("0.0.0.0"), *_written("::")))  # noqa: S104
    pattern = rb" (?:%s):%04X 0+:0000 0A \S+ \S+ \S+ +(\d+) " % (hosts, port)
    return {int(user) for rows in _tables() for user in re.findall(pattern, rows)}


def _tables() -> Iterator[bytes]:
    for table in _TABLES:
        with contextlib.suppress(OSError):  # a kernel without IPv6
            yield Path(table).read_bytes()


def _written(host: str) -> list[bytes]:
    """An address as the tables write it; tcp6 writes one of IPv4 as an IPv4-mapped one."""
    if ":" in host:
        return [_hex(socket.inet_pton(socket.AF_INET6, host.partition("%")[0]))]
    address = socket.inet_pton(socket.AF_INET, host)
    return [_hex(address), _hex(b"\0" * 10 + b"\xff\xff" + address)]


def _hex(address: bytes) -> bytes:
    """An address as 32-bit numbers in this machine's byte order, in hexadecimal digits."""
    numbers = memoryview(address).cast("I")
    return b"".join(b"%08X" % number for number in numbers)


def _users(*names: str | None) -> Iterator[int]:
    for name in filter(None, names):
        with contextlib.suppress(KeyError):
            yield pwd.getpwnam(name).pw_uid
