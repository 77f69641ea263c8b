"""Links between client and server: loopback, or two network namespaces with a slow line between.

The line is a program (line.py), not tc-netem(8), which not every kernel has.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SERVER, CLIENT = "cirrus-bench-s", "cirrus-bench-c"
ADDRESS = "10.213.7.1"
LINE = Path(__file__).with_name("line.py")


@dataclass(frozen=True)
class Link:
    """A way to start a program at either end, and the server's address."""

    name: str
    address: str = "127.0.0.1"
    at_server: tuple[str, ...] = ()
    at_client: tuple[str, ...] = ()
    bytes_per_s: float | None = None


LOOPBACK = Link("loopback")


@contextlib.contextmanager
def slow_line(name: str, *, delay_ms: float, mbit: float, loss: float = 0.0) -> Iterator[Link]:
    """A link with `delay_ms` each way and a rate of `mbit`.

    The client's packets are lost at the rate `loss`.
    """
    line = None
    try:
        for space in (SERVER, CLIENT):
            _ip("netns", "add", space)
            _ip("-n", space, "link", "set", "lo", "up")
        how = [SERVER, CLIENT, str(delay_ms / 1000), str(mbit * 1e6 / 8), str(loss)]
        line = subprocess.Popen([sys.executable, LINE, *how], stdout=subprocess.PIPE)
        assert line.stdout is not None
        line.stdout.readline()
        for space, address in ((SERVER, ADDRESS), (CLIENT, "10.213.7.2")):
            _ip("-n", space, "addr", "add", f"{address}/24", "dev", "line")
            _ip("-n", space, "link", "set", "line", "up", "mtu", "1500", "txqueuelen", "5000")
        yield Link(
            name,
            ADDRESS,
            ("ip", "netns", "exec", SERVER),
            ("ip", "netns", "exec", CLIENT),
            mbit * 1e6 / 8 * 1448 / 1500,  # the data's share of a packet
        )
    finally:
        if line is not None:
            line.kill()
            line.communicate()
        for space in (SERVER, CLIENT):
            subprocess.run(["ip", "netns", "delete", space], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
