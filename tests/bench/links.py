"""Links between client and server: loopback, or two network namespaces with a slow line between.

The line is a program (line.c), not tc-netem(8), which not every kernel has.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SERVER, CLIENT = "cirrus-bench-s", "cirrus-bench-c"
ADDRESS, NETWORK = "10.213.7.1", "10.213.7.0/24"
CONGESTION_CONTROLS = ("cubic", "bbr")
_SOURCE = Path(__file__).with_name("line.c")
_DATA_SHARE = 1448 / 1500  # of a packet


@dataclass(frozen=True)
class Line:
    """A slow line: its round trip, its rate, the lost share of the client's packets, and TCP's
    congestion control (tcp(7))."""

    rtt_ms: float = 50
    mbit: float = 100
    loss: float = 0.0
    congestion: str = "bbr"

    def __str__(self) -> str:
        lossy = f", {self.loss:.0%} loss" if self.loss else ""
        return f"{self.rtt_ms:g} ms, {self.mbit:g} Mbit/s{lossy}, {self.congestion}"


@dataclass(frozen=True)
class Link:
    """A way to start a program at either end, and the server's address.

    Attributes:
        bytes_per_s: the most data that the link carries; None without a limit.
    """

    name: str
    address: str = "127.0.0.1"
    at_server: tuple[str, ...] = ()
    at_client: tuple[str, ...] = ()
    bytes_per_s: float | None = None


LOOPBACK = Link("loopback")


@contextlib.contextmanager
def slow(line: Line, folder: Path) -> Iterator[Link]:
    """Make the line; its program is built in `folder`."""
    program, mover = folder / "line", None
    subprocess.run(["cc", "-O2", "-o", program, _SOURCE], check=True)
    try:
        for space in (SERVER, CLIENT):
            _ip("netns", "add", space)
            _ip("-n", space, "link", "set", "lo", "up")
        how = [str(line.rtt_ms / 2000), str(line.mbit * 1e6 / 8), str(line.loss)]
        mover = subprocess.Popen([program, SERVER, CLIENT, *how], stdout=subprocess.PIPE)
        assert mover.stdout is not None
        mover.stdout.readline()
        for space, address in ((SERVER, ADDRESS), (CLIENT, "10.213.7.2")):
            _ip("-n", space, "addr", "add", f"{address}/24", "dev", "line")
            _ip("-n", space, "link", "set", "line", "up", "mtu", "1500", "txqueuelen", "5000")
            # a namespace's sysctl allows only what tcp_allowed_congestion_control of tcp(7) has
            route = (NETWORK, "dev", "line", "src", address, "congctl", line.congestion)
            _ip("-n", space, "route", "replace", *route)
        yield Link(
            str(line),
            ADDRESS,
            ("ip", "netns", "exec", SERVER),
            ("ip", "netns", "exec", CLIENT),
            line.mbit * 1e6 / 8 * _DATA_SHARE,
        )
    finally:
        if mover is not None:
            mover.kill()
            mover.communicate()
        for space in (SERVER, CLIENT):
            subprocess.run(["ip", "netns", "delete", space], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
