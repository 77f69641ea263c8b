"""A program of user nobody that listens where a server is expected, and keeps what it gets."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from programs import Program

NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
# a line on standard input has the program accept connections; each is read to its end, or closed
# after a request
_LISTEN = """
import socket, sys
listener = socket.create_server((sys.argv[1], int(sys.argv[2])), family=int(sys.argv[3]),
                                dualstack_ipv6=sys.argv[1] == "::")
print(listener.getsockname()[1], flush=True)
sys.stdin.readline()
while True:
    connection, _ = listener.accept()
    got = connection.recv(65536)
    sys.stdout.buffer.write(b"got %d %r\\n" % (len(got), got))
    sys.stdout.flush()
    if got:
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 1\\r\\n\\r\\n7")
    connection.close()
"""


@dataclass
class Stranger:
    """`port` is where it listens; it accepts connections from `accept` on."""

    port: int
    _program: Program[str]

    def accept(self) -> None:
        """Accept connections from now on."""
        assert self._program.stdin
        self._program.stdin.write("\n")
        self._program.stdin.flush()

    def got(self) -> str:
        """What the next connection has sent; `got 0 b''` for nothing."""
        assert self._program.stdout
        return self._program.stdout.readline().strip()


@contextmanager
def stranger(host: str = "127.0.0.1", port: int = 0) -> Iterator[Stranger]:
    """Listen at an address as user nobody; port 0 is any free one."""
    family = 10 if ":" in host else 2  # AF_INET6, AF_INET
    command = [*NOBODY, sys.executable, "-S", "-c", _LISTEN, host, str(port), str(family)]
    with Program[str](command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout
        yield Stranger(int(program.stdout.readline()), program)
