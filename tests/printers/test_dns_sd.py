"""DNS-SD beside real Avahis, on machines of their own (network namespaces)."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lan import CABLE, LanMachine, lan
from paths import REPO, SUPPORT
from print_site import eventually
from programs import Program

LASER: dict[str, Any] = {"laser": {"Name": "Laser"}}


class Announcer:
    """A program that announces devices as printers."""

    def __init__(self, program: Program[str]) -> None:
        self._program = program

    def announce(self, devices: dict[str, Any]) -> list[str]:
        """Announce these devices; return the names of their services."""
        assert self._program.stdin and self._program.stdout
        self._program.stdin.write(json.dumps(devices) + "\n")
        self._program.stdin.flush()
        names: list[str] = json.loads(self._program.stdout.readline())
        return names

    def close(self) -> None:
        """Say goodbye, and end."""
        assert self._program.stdin
        self._program.stdin.close()
        assert self._program.wait(30) == 0


@contextlib.contextmanager
def announcing(
    machine: LanMachine, listen: str, plain: int = 0, tls: int = 8632
) -> Iterator[Announcer]:
    command = (sys.executable, SUPPORT / "announcer.py", listen, str(plain), str(tls))
    with machine.program(*command) as program:
        announcer = Announcer(program)
        yield announcer
        announcer.close()


@pytest.fixture(scope="module")
def both() -> Iterator[list[LanMachine]]:
    """Two machines on a network, each with an Avahi."""
    with lan("here", "there") as two:
        yield two


@pytest.fixture
def machines(both: list[LanMachine]) -> list[LanMachine]:
    """The two machines, once both have forgotten the services of the test before."""
    for machine in both:
        eventually(lambda m=machine: not m.find("_ipp._tcp") + m.find("_ipps._tcp"))  # type: ignore[misc]
    return both


def _host(machine: LanMachine) -> str:
    """The host name in the announcements of a machine."""
    code = "from cirrus_bridge.ipp_server.dns_sd import announced_host; print(announced_host())"
    return machine.run(sys.executable, "-c", code).stdout.strip()


def _shown(machine: LanMachine, kind: str) -> str:
    """The only service of a type, once it is found."""
    found: list[str] = []

    def finds() -> bool:
        found[:] = machine.find(kind, "--exec", "echo", "{service_name}", "{}", ";")
        return bool(found)

    eventually(finds)
    (line,) = found
    return line


def test_found_by_type_and_subtypes(machines: list[LanMachine]) -> None:
    """Both machines find the printer by each type and subtype, under its name in any script."""
    here, there = machines
    with announcing(here, here.address, 8631, 8632) as announcer:
        names = announcer.announce({"a": {"Name": "Büro – 打印机"}})
        assert names == ["Büro – 打印机 at Paris"]
        host = _host(here)
        _shown(here, "_ipps._tcp,_universal")
        for kind, scheme, port in (("_ipp._tcp", "ipp", 8631), ("_ipps._tcp", "ipps", 8632)):
            for subtype in ("", ",_universal", ",_print"):
                shown = _shown(there, kind + subtype)
                assert shown.startswith(f"{names[0]} {scheme}://{host}:{port}/ipp/print/paris-a")
    eventually(lambda: not there.find("_ipps._tcp"))


def test_the_txt_record_says_what_the_printer_can(machines: list[LanMachine]) -> None:
    """Clients filter by the strings; what the device cannot do is denied."""
    here, there = machines
    device = {"Name": "Laser", "Duplex": False, "Color": False}
    with announcing(here, here.address) as announcer:
        announcer.announce({"laser": device})
        shown = ("--exec", "echo", "{txt_pdl}|{txt_txtvers}|{txt_TLS}|{txt_note}", ";")
        eventually(lambda: there.find("_ipps._tcp", *shown))
        assert there.find("_ipps._tcp", *shown) == ["application/pdf,image/jpeg|1|1.2|Paris"]
        assert there.find("_ipp._tcp") == []


def test_printers_come_change_and_go(machines: list[LanMachine]) -> None:
    """The network follows what is offered."""
    here, there = machines

    def found() -> list[str]:
        return list(there.find("_ipps._tcp,_universal", "--exec", "echo", "{service_name}", ";"))

    with announcing(here, here.address) as announcer:
        announcer.announce(LASER)
        eventually(lambda: found() == ["Laser at Paris"])
        announcer.announce({**LASER, "label": {"Name": "Label"}})
        eventually(lambda: found() == ["Label at Paris", "Laser at Paris"])
        announcer.announce({"laser": {"Name": "Reception"}})
        eventually(lambda: found() == ["Reception at Paris"])


def test_a_name_that_is_taken_is_not_used(machines: list[LanMachine]) -> None:
    """Another printer with this name keeps it; ours gets a number, on the other machine as well."""
    here, there = machines
    with announcing(there, there.address) as other, announcing(here, here.address) as announcer:
        assert other.announce(LASER) == ["Laser at Paris"]
        eventually(lambda: here.find("_ipps._tcp"))
        assert announcer.announce(LASER) == ["Laser at Paris (2)"]
        eventually(lambda: len(there.find("_ipps._tcp")) == 2)


def _names(machine: LanMachine) -> list[str]:
    return list(machine.find("_ipps._tcp", "--exec", "echo", "{service_name}", ";"))


@pytest.mark.sampled(at=[1])
@pytest.mark.parametrize("at", [0, 1])
def test_a_name_that_avahi_announces(machines: list[LanMachine], at: int) -> None:
    """A service of Avahi keeps its name, be Avahi on this machine or on the other one."""
    here, there = machines
    machines[at].publish("Laser at Paris")
    try:
        eventually(lambda: _names(there) == ["Laser at Paris"])
        with announcing(here, here.address) as announcer:
            assert announcer.announce(LASER) == ["Laser at Paris (2)"]
            eventually(lambda: _names(there) == ["Laser at Paris", "Laser at Paris (2)"])
    finally:
        machines[at].publish("")


@pytest.mark.sampled(at=[0])
@pytest.mark.parametrize("at", [0, 1])
def test_a_name_that_avahi_wants_later(machines: list[LanMachine], at: int) -> None:
    """Our printer keeps its name, and Avahi takes another one."""
    here, there = machines
    with announcing(here, here.address) as announcer:
        assert announcer.announce(LASER) == ["Laser at Paris"]
        machines[at].publish("Laser at Paris")
        try:
            eventually(lambda: _names(there) == ["Laser at Paris", "Laser at Paris #2"])
            assert announcer.announce(LASER) == ["Laser at Paris"]
        finally:
            machines[at].publish("")


def test_two_machines_that_start_together(machines: list[LanMachine]) -> None:
    """Both have chosen the same name before they heard of each other: one of them gives way."""
    here, there = machines
    there.run("ip", "link", "set", CABLE, "down")
    try:
        with announcing(there, there.address) as other, announcing(here, here.address) as announcer:
            assert announcer.announce(LASER) == other.announce(LASER) == ["Laser at Paris"]
            there.run("ip", "link", "set", CABLE, "up")
            another = {"b": {"Name": "B"}}
            names: set[str] = set()

            def differ() -> bool:
                # something new to announce, in case the cable was not yet up
                for each in (announcer, other):
                    names.update(each.announce(LASER | another), each.announce(LASER))
                return {"Laser at Paris", "Laser at Paris (2)"} <= names

            eventually(differ)
    finally:
        there.run("ip", "link", "set", CABLE, "up")


def test_loopback_stays_on_this_machine(machines: list[LanMachine]) -> None:
    """A service on loopback is found here, by a host that always resolves, and not elsewhere."""
    here, there = machines
    eventually(lambda: not _asked_directly(there))  # services of an earlier test are forgotten
    with announcing(here, "127.0.0.1", 8631, 0) as announcer:
        announcer.announce(LASER)
        eventually(lambda: here.find("_ipp._tcp"))
        (uri,) = here.find("_ipp._tcp")
        assert uri.startswith("ipp://localhost:8631/ipp/print/paris-laser-")
        assert there.find("_ipp._tcp") == []
        devices = here.run("/usr/lib/cups/backend/dnssd").stdout
        assert '"Laser at Paris"' in devices
        assert _asked_directly(there) == []


def _asked_directly(machine: LanMachine) -> list[str]:
    """What answers a query of another machine, with answers by unicast as well as by multicast."""
    code = (
        "import time\n"
        "from zeroconf import DNSQuestionType, ServiceBrowser, Zeroconf\n"
        "names = []\n"
        "with Zeroconf(interfaces=['192.0.2.2']) as mdns:\n"
        "    ServiceBrowser(mdns, '_ipp._tcp.local.', handlers=[lambda name, **_:"
        " names.append(name)], question_type=DNSQuestionType.QU)\n"
        "    time.sleep(2)\n"
        "print('\\n'.join(names))\n"
    )
    done = machine.run(sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.complete
def test_a_hundred_printers(machines: list[LanMachine]) -> None:
    """All printers are found, although no receiver has room for all messages at once."""
    here, there = machines
    devices = {f"p{at}": {"Name": f"Printer {at}"} for at in range(100)}
    with announcing(here, here.address) as announcer:
        announcer.announce(devices)
        eventually(lambda: len(there.find("_ipps._tcp,_print", limit_s=10)) == 100)


def test_without_a_network() -> None:
    """Without any interface, nothing is announced, and nothing fails."""
    command: list[str | Path] = [
        "unshare",
        "--net",
        sys.executable,
        SUPPORT / "announcer.py",
        "192.0.2.1",
        "1",
        "2",
    ]
    done = subprocess.run(
        command, input=json.dumps(LASER) + "\n", capture_output=True, text=True, cwd=REPO
    )
    assert (done.returncode, json.loads(done.stdout)) == (0, ["Laser at Paris"]), done.stderr
