"""The programs behind adding a printer: discovery, the list of drivers, one driver; and peers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from measure import Cost, cost

DEVICES = 1000
BACKEND = Path(sys.executable).with_name("cirrus-backend")
DRIVER = Path(sys.executable).with_name("cirrus-driver")
CUPS = Path("/usr/lib/cups")
ANSWER = json.dumps(
    {
        "Name": "Paris",
        "IsWindows": True,
        "Printers": [f"P{n}\tdriver\tTray 1;Tray 2\t1\t1\t1\tA4,Letter" for n in range(DEVICES)],
        "Devices": {f"D{n}": {"Name": f"Laser {n}", "Target": f"P{n}"} for n in range(DEVICES)},
    }
).encode()


@dataclass(frozen=True)
class Way:
    """One command with its name in the table."""

    name: str
    run: Callable[[], Cost]


def comparisons(folder: Path) -> Iterator[tuple[Way, list[Way]]]:
    """Our commands and their peers; the server runs for the first one only.

    Raises:
        subprocess.CalledProcessError: a peer is not available (network, archive).
    """
    env = dict(os.environ) | {
        f"CIRRUS_BRIDGE_{name}": str(folder / name.lower()) for name in ("CONFIG", "STATE", "CACHE")
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _configure(folder / "config", server.server_address[1])
    stock = [_way(f"CUPS {name} backend", CUPS / "backend" / name) for name in _BACKENDS]
    yield _way("discovery, server on loopback", BACKEND, env=env), stock
    _check(DEVICES + 1, [BACKEND], env)
    server.shutdown()
    server.server_close()
    _check(DEVICES + 1, [BACKEND], env)
    yield _way("discovery, server away: from the cache", BACKEND, env=env), []
    archive = _archive(folder)
    lines = _check(DEVICES, [DRIVER, "list"], env)
    listed = subprocess.run([archive, "list"], capture_output=True, check=True).stdout.splitlines()
    daemon = CUPS / "daemon" / "cups-driverd"
    cups = dict(os.environ) | {"CUPS_CACHEDIR": str(folder)}  # instead of the machine's own
    yield (
        _way(f"cirrus-driver list ({DEVICES} drivers)", DRIVER, "list", env=env),
        [
            _way(f"openprinting-ppds list ({len(listed)} drivers)", archive, "list"),
            _way(
                "cups-driverd list, drv (33 drivers)",
                daemon,
                "list",
                "1",
                "0",
                "include-schemes=drv",
                env=cups,
            ),
        ],
    )
    yield (
        _way("cirrus-driver cat", DRIVER, "cat", _name(lines[-1]), env=env),
        [
            _way("openprinting-ppds cat", archive, "cat", _name(listed[-1])),
            _way("cups-driverd cat, drv", daemon, "cat", "drv:///sample.drv/generic.ppd", env=cups),
        ],
    )


_BACKENDS = ("dnssd", "snmp", "ipp")


class _Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


def _way(name: str, *command: str | Path, env: dict[str, str] | None = None) -> Way:
    return Way(name, lambda: cost(command, env))


def _configure(folder: Path, port: int) -> None:
    (folder / "servers.d").mkdir(parents=True)
    (folder / "bridge.toml").write_text('[defaults]\nencryption = "never"\n')
    entry = folder / "servers.d" / "bench.toml"
    entry.touch(mode=0o600)
    entry.write_text(
        f'[[server]]\nhost = "127.0.0.1:{port}"\ncompany = "Acme"\napi_key = "bench-key"\n'
        'locations = ["Paris"]\n'
    )


def _check(count: int, command: list[str | Path], env: dict[str, str]) -> list[bytes]:
    """Check the number of lines of a command, and return them."""
    done = subprocess.run(command, env=env, capture_output=True, check=True)
    lines = done.stdout.splitlines()
    if len(lines) != count:
        raise RuntimeError(f"{command}: {len(lines)} lines")
    return lines


def _name(line: bytes) -> str:
    return line.decode().split('"')[1]


def _archive(folder: Path) -> Path:
    """The driver program of openprinting-ppds; if installed, it would be in every list."""
    command = ["apt-get", "-qq", "download", "openprinting-ppds"]
    subprocess.run(command, cwd=folder, check=True, stderr=subprocess.DEVNULL)
    (package,) = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", package, folder / "unpacked"], check=True)
    return folder / "unpacked" / "usr" / "lib" / "cups" / "driver" / "openprinting-ppds"
