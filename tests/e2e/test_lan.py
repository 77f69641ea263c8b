"""DNS-SD: the embedded cloud announces itself, and discovery names a server without an entry."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from zeroconf import ServiceInfo, Zeroconf

from cirrus_bridge.api.mdns import LanServer, servers_on_lan
from cirrus_bridge.base.clock import Clock
from cloudlet_server import CloudletServer
from print_site import eventually

BACKEND = Path(sys.executable).with_name("cirrus-backend")
SERVICE = "_cirrusprint._tcp.local."


def _found(port: int) -> list[LanServer]:
    return [server for server in servers_on_lan(Clock()) if server.port == port]


def _heard_of(port: int) -> LanServer:
    """The server, once its announcement was heard; a busy machine may miss one."""
    heard: list[LanServer] = []

    def hears() -> bool:
        heard.extend(_found(port))
        return bool(heard)

    eventually(hears)
    (server,) = heard
    return server


def _discovery(config: Path, host: str, cache: Path) -> subprocess.CompletedProcess[str]:
    (config / "servers.d").mkdir(parents=True, exist_ok=True)
    entry = config / "servers.d" / "a.toml"
    entry.touch(mode=0o600)
    entry.write_text(f'[[server]]\nhost = "{host}"\napi_key = "k"\n')
    env = {**os.environ, "CIRRUS_BRIDGE_CONFIG": str(config), "CIRRUS_BRIDGE_CACHE": str(cache)}
    return subprocess.run([BACKEND], env=env, capture_output=True, text=True, timeout=60)


def _told_of(port: int, folder: Path) -> subprocess.CompletedProcess[str]:
    """The output of discovery once it has heard of a server; each attempt browses for a second."""
    said: list[subprocess.CompletedProcess[str]] = []

    def tells() -> bool:
        said.append(_discovery(folder / "etc", "other.invalid", folder / "cache"))
        return f":{port}" in said[-1].stderr

    eventually(tells)
    return said[-1]


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[CloudletServer]:
    """An announced server with one company."""
    server = CloudletServer(announce=True)
    server.start(tmp_path / "cloud")
    yield server
    server.close()


def test_announced_and_taken_back(cloud: CloudletServer, tmp_path: Path) -> None:
    """The TXT record follows the contract; the announcement ends with the server."""
    server = _heard_of(cloud.port)
    assert (server.tls, server.company) == (False, "ACME")
    assert "127.0.0.1" in server.hosts
    assert server.is_called(f"127.0.0.1:{cloud.port}")
    assert not server.is_called(f"127.0.0.1:{cloud.port + 1}")
    assert not server.is_called("127.0.0.1")
    told = _told_of(cloud.port, tmp_path)
    assert told.stdout.splitlines()[1:] == []
    assert f':{cloud.port} (company "ACME"). To print to its devices, add it' in told.stderr
    known = _discovery(tmp_path / "etc", f"127.0.0.1:{cloud.port}", tmp_path / "cache")
    assert f":{cloud.port} (company" not in known.stderr
    port = cloud.port
    cloud.close()
    eventually(lambda: not _found(port))


@contextmanager
def _announcing(name: str, texts: dict[bytes, bytes | None], port: int) -> Iterator[None]:
    info = ServiceInfo(
        SERVICE, f"{name}.{SERVICE}", parsed_addresses=["127.0.0.1"], port=port, properties=texts,
        server="odd.local.",
    )  # fmt: skip
    with Zeroconf(interfaces=["127.0.0.1"]) as mdns:
        mdns.register_service(info)
        yield


def test_hostile_announcements(tmp_path: Path) -> None:
    """Names and texts of any bytes become one harmless line."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        texts = {b"company": b"\xff\n\x1b[2J\x00", b"tls": None, b"path": b"x" * 200}
        # a unique name: other tests may run on this network
        with _announcing(f"a\u2028\u202eERROR: b{port}", texts, port):
            told = _told_of(port, tmp_path)
            server = _heard_of(port)
    # as setup proposes the server
    assert server.company.isprintable() and server.name.isprintable()
    assert told.stdout.splitlines()[1:] == []
    (line,) = [
        line for line in told.stderr.splitlines() if f":{port}" in line and "network" in line
    ]
    assert line.isprintable()
    assert line.startswith("INFO: ")


def test_without_a_network() -> None:
    """Without a network, nothing is found and nothing is raised."""
    program = (
        "from cirrus_bridge.api.mdns import servers_on_lan\n"
        "from cirrus_bridge.base.clock import Clock\n"
        "print(servers_on_lan(Clock()))"
    )
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", program], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
