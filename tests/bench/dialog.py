"""The programs behind adding a printer: discovery, the list of drivers, one driver; and peers."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from frame import Setting, Table
from frozen import programs
from measure import Cost, cost, interleaved, times_ms, wall_s

DEVICES, MANY = 1_000, 10_000
LIMIT_S = 20.0
CUPS = Path("/usr/lib/cups")


def table(setting: Setting) -> Table:
    """Time discovery and lists of drivers beside those of CUPS and of a driver archive."""
    rounds, folder = setting.size(21, 3), setting.folder
    title = f"Add a printer, {DEVICES} devices (median and quartiles of {rounds})"
    made = Table(title, ("what", "wall ms", "cpu ms", "wall, ours / this"))
    env = dict(os.environ) | {
        f"CIRRUS_BRIDGE_{name}": str(folder / name.lower()) for name in ("CONFIG", "STATE", "CACHE")
    }
    backend, driver = (programs() / name for name in ("cirrus-backend", "cirrus-driver"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _configure(folder / "config", server.server_address[1])
    _Server.answer = _location(MANY)
    many = _compare(made, {f"discovery, {MANY:,} devices": _way(backend, env=env)}, rounds)
    said = subprocess.run([backend], env=env, capture_output=True, check=True).stdout
    listed = sum(b"/Acme/" in line for line in said.splitlines())
    figure = f"{listed:,} in {many:.1f} s"
    made.goal(f"{MANY:,} devices in discovery", "all are listed", figure, is_met=listed == MANY)
    _Server.answer = _location(DEVICES)
    stock = {f"CUPS {name} backend": _way(CUPS / "backend" / name) for name in _BACKENDS}
    ours = {"discovery, server on loopback": _way(backend, env=env)}
    _compare(made, ours | stock, rounds)
    _check(DEVICES + 1, [backend], env)
    server.shutdown()
    server.server_close()
    _check(DEVICES + 1, [backend], env)
    _compare(made, {"discovery, server away: from the cache": _way(backend, env=env)}, rounds)
    archive = _archive(folder)
    lines = _check(DEVICES, [driver, "list"], env)
    others = subprocess.run([archive, "list"], capture_output=True, check=True).stdout.splitlines()
    daemon = CUPS / "daemon" / "cups-driverd"
    cups = dict(os.environ) | {"CUPS_CACHEDIR": str(folder)}  # instead of the machine's own
    schemes = ("list", "1", "0", "include-schemes=drv")
    lists = {
        f"cirrus-driver list ({DEVICES} drivers)": _way(driver, "list", env=env),
        f"openprinting-ppds list ({len(others)} drivers)": _way(archive, "list"),
        "cups-driverd list, drv (33 drivers)": _way(daemon, *schemes, env=cups),
    }
    _compare(made, lists, rounds)
    single = {
        "cirrus-driver cat": _way(driver, "cat", _name(lines[-1]), env=env),
        "openprinting-ppds cat": _way(archive, "cat", _name(others[-1])),
        "cups-driverd cat, drv": _way(daemon, "cat", "drv:///sample.drv/generic.ppd", env=cups),
    }
    _compare(made, single, rounds)
    return made


def _compare(made: Table, ways: dict[str, Callable[[], Cost]], rounds: int) -> float:
    """Add a row for each way; the first one is ours. Return its seconds."""
    taken = interleaved(ways, rounds, warm_up=True, limit_s=LIMIT_S)
    ours_s = next(map(wall_s, taken.values()))
    for number, (name, costs) in enumerate(taken.items()):
        ratio = f"{ours_s / wall_s(costs):.2f}" if number else ""
        made.row(name, *times_ms(costs), ratio)
    return ours_s


_BACKENDS = ("dnssd", "snmp", "ipp")


class _Server(BaseHTTPRequestHandler):
    answer = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


def _location(count: int) -> bytes:
    """The answer about a location with so many devices."""
    printers = [f"P{n}\tdriver\tTray 1;Tray 2\t1\t1\t1\tA4,Letter" for n in range(count)]
    devices = {f"D{n}": {"Name": f"Laser {n}", "Target": f"P{n}"} for n in range(count)}
    about = {"Name": "Paris", "IsWindows": True, "Printers": printers, "Devices": devices}
    return json.dumps(about).encode()


def _way(*command: str | Path, env: dict[str, str] | None = None) -> Callable[[], Cost]:
    return partial(cost, command, env)


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
