"""Machines on a network of their own: network namespaces, each with an Avahi, joined by a cable."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from print_site import eventually
from programs import Program

_BUS = "unix:path=/run/dbus/system_bus_socket"
_AVAHI = (
    "avahi-daemon",
    "--file=/run/avahi.conf",
    "--no-drop-root",  # its user may not use the folders in this /run
    "--no-chroot",
    "--no-rlimits",
)
CABLE = "cable0"


class LanMachine:
    """A machine: its name, its interfaces, its `/run`, and its Avahi."""

    def __init__(self, name: str, address: str) -> None:
        self.name, self.address = name, address
        self._stack = contextlib.ExitStack()

    def start(self) -> None:
        """Start the machine, with loopback alone."""
        ready = "hostname $0 && mount -t tmpfs tmpfs /run && ip link set lo up && echo ready"
        script = f"mount -t tmpfs tmpfs /etc/avahi/services && {ready} && exec sleep infinity"
        command = ["unshare", "--net", "--mount", "--uts", "sh", "-c", script, self.name]
        self._holder = self._stack.enter_context(
            Program[str](command, stdout=subprocess.PIPE, text=True)
        )
        assert self._holder.stdout and self._holder.stdout.readline() == "ready\n"

    def start_avahi(self) -> None:
        """Start the system bus and Avahi."""
        config = f"[server]\nhost-name={self.name}\nuse-ipv6=no\n"
        self.run("mkdir", "-p", "/run/dbus", "/run/avahi-daemon")
        self.run("sh", "-c", f"printf '{config}' > /run/avahi.conf")
        bus = ("dbus-daemon", "--system", "--nofork", "--nopidfile", f"--address={_BUS}")
        self._stack.enter_context(self.program(*bus))
        eventually(lambda: self.run("test", "-S", "/run/dbus/system_bus_socket").returncode == 0)
        self._stack.enter_context(self.program(*_AVAHI))
        eventually(lambda: self.run("avahi-daemon", "--check").returncode == 0)

    def connect(self, other: LanMachine) -> None:
        """Join this machine and another one by a cable."""
        pid = str(other._holder.pid)
        self.run("ip", "link", "add", CABLE, "type", "veth", "peer", "name", CABLE, "netns", pid)
        for machine in (self, other):
            machine.run("ip", "address", "add", f"{machine.address}/24", "dev", CABLE)
            machine.run("ip", "link", "set", CABLE, "up")

    def command(self, *command: str | Path) -> list[str | Path]:
        """A command, to run on this machine."""
        return ["nsenter", "--net", "--mount", "--uts", f"--target={self._holder.pid}", *command]

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command on this machine."""
        return subprocess.run(
            self.command(*command), env=self._environment(), capture_output=True, text=True
        )

    def program(self, *command: str | Path) -> Program[str]:
        """Start a program on this machine, with pipes for its input and output."""
        return Program[str](
            self.command(*command),
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def publish(self, name: str, kind: str = "_ipps._tcp") -> None:
        """Let Avahi announce a service. An empty name ends that."""
        service = f"<service><type>{kind}</type><port>9</port></service>" if name else ""
        text = f"<service-group><name>{name}</name>{service}</service-group>"
        path = "/etc/avahi/services/test.service"
        self.run("sh", "-c", f'test -z "$0" && rm {path} || printf "%s" "$1" > {path}', name, text)
        self.run("avahi-daemon", "--file=/run/avahi.conf", "--reload")

    def find(self, kind: str, *expression: str, limit_s: int = 1) -> list[str]:
        """What ippfind prints for a type of services, such as `_ipp._tcp`."""
        found = self.run("ippfind", "-T", str(limit_s), kind, *expression)
        # 1: nothing was found; 2: the address of something was not found, because it is leaving
        assert found.returncode in (0, 1, 2) and not found.stderr, found.stderr
        return sorted(found.stdout.splitlines())

    def close(self) -> None:
        """Stop all programs, and the machine."""
        self._stack.close()

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": _BUS}


@contextlib.contextmanager
def lan(*names: str) -> Iterator[list[LanMachine]]:
    """Run one or two machines with Avahi, connected if there are two."""
    machines = [LanMachine(name, f"192.0.2.{at}") for at, name in enumerate(names, 1)]
    with contextlib.ExitStack() as stack:
        for machine in machines:
            stack.callback(machine.close)
            machine.start()
        if len(machines) > 1:
            machines[0].connect(machines[1])
        for machine in machines:
            machine.start_avahi()
        yield machines
