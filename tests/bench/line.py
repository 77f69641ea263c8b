"""A slow line between two network namespaces: delay, rate, a queue that overflows, and loss.

line.py SPACE-A SPACE-B DELAY-S BYTES-PER-S LOSS: each namespace gets a device "line" (tun), and
packets go from one to the other. LOSS is the lost share of the packets from B. The program prints a
line when the devices exist, and works until killed.
"""

from __future__ import annotations

import collections
import ctypes
import fcntl
import os
import random
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA  # linux/if_tun.h
IFF_TUN_NO_PI = 0x1001
CLONE_NEWNET = 0x40000000  # setns(2)
QUEUE_S = 0.2  # a router's buffer before it drops packets


class Direction:
    """One direction of the line, whose packets wait here until they are due."""

    def __init__(self, out: int, delay_s: float, bytes_per_s: float, loss: float) -> None:
        self._out = out
        self._delay_s, self._bytes_per_s, self._loss = delay_s, bytes_per_s, loss
        self._random = random.Random(1)
        self._free_at = 0.0
        self._waiting: collections.deque[tuple[float, bytes]] = collections.deque()

    def take(self, packet: bytes, now: float) -> None:
        """Take a packet in."""
        starts = max(now, self._free_at)
        if starts - now > QUEUE_S or self._random.random() < self._loss:
            return
        self._free_at = starts + len(packet) / self._bytes_per_s
        self._waiting.append((self._free_at + self._delay_s, packet))

    def give(self, now: float) -> float:
        """Send due packets; return the seconds until the next one is due."""
        while self._waiting:
            due, packet = self._waiting[0]
            if due > now:
                return due - now
            os.write(self._out, packet)
            self._waiting.popleft()
        return 1.0


def _device(space: str) -> int:
    """Create a tun device in a network namespace, which this process enters."""
    handle = os.open(f"/run/netns/{space}", os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(handle, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
    os.close(handle)
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", b"line", IFF_TUN_NO_PI))
    return device


def main(space_a: str, space_b: str, delay_s: str, bytes_per_s: str, loss: str) -> None:
    """Move packets."""
    a, b = _device(space_a), _device(space_b)
    how = float(delay_s), float(bytes_per_s)
    ways = {a: Direction(b, *how, 0.0), b: Direction(a, *how, float(loss))}
    print("ready", flush=True)
    wait_s = 1.0
    while True:
        ready, _, _ = select.select(ways, (), (), wait_s)
        now = time.monotonic()
        for device in ready:
            try:
                for _ in range(32):
                    ways[device].take(os.read(device, 2048), now)
            except OSError:
                pass  # empty, or not up yet
        try:
            wait_s = min(way.give(now) for way in ways.values())
        except OSError:
            wait_s = 0.001  # the other end is not up yet


if __name__ == "__main__":
    main(*sys.argv[1:])
