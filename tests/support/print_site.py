"""A whole print site on one machine: embedded cloud, configuration, private cupsd with queues."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import forked
from cirrus_bridge.base.privileges import as_owner
from cirrus_bridge.journal import files as journal_files
from cloudlet_server import CloudletServer
from private_cups import DRIVER, PrivateCups
from programs import Program
from workerd import built_front, copy_keys, start_workerd

BACKEND = Path(sys.executable).with_name("cirrus-backend")
PATIENCE_S = 120.0  # how long tests wait for immediate effects: machines are busy
NOBODY = "127.0.0.1:9"  # no server listens there
_INVENTORY = """\
[[company]]
id = "Acme"

[[location]]
company = "Acme"
id = "Paris"
name = "Paris office"

[[device]]
company = "Acme"
location = "Paris"
id = "Laser1"
type = "file"
"""
_numbers = itertools.count(1)


class PrintSite:
    """A context manager. Queues lead to devices of the cloud's company "Acme".

    As with the packages, the backend is the front, and cirrus-workerd has the workers, unless the
    site is not `is_warm`.
    """

    def __init__(
        self,
        *,
        is_warm: bool = True,
        web_interface: bool = False,
        directives: Sequence[str] = (),
    ) -> None:
        self.is_warm = is_warm
        self.workerd: Program[str] | None = None
        # short, for the socket's name; user lp may not enter pytest's tmp_path
        self.root = Path(tempfile.mkdtemp(prefix="cb-", dir="/tmp"))
        self.root.chmod(0o755)
        self.config = self.root / "etc"
        self.state = self.root / "state"
        (self.config / "servers.d").mkdir(parents=True)
        self.environ = {
            "CIRRUS_BRIDGE_CONFIG": str(self.config),
            "CIRRUS_BRIDGE_STATE": str(self.state),
            "CIRRUS_BRIDGE_CACHE": str(self.root / "cache"),
            "CIRRUS_BRIDGE_WORKERS": str(self.root / "workerd" / "workers.sock"),
        }
        self.cloud = CloudletServer()
        inventory = self._folder("cloud") / "cloudlet.toml"
        inventory.parent.chmod(0o700)
        inventory.write_text(_INVENTORY)
        self.cloud.start(inventory.parent)
        self.key = self.cloud.new_key("Acme")
        self.cups = PrivateCups(
            self._folder("cups"),
            [built_front(self.root, BACKEND) if is_warm else BACKEND],
            self.environ,
            driver=[BACKEND.with_name("cirrus-driver")],
            web_interface=web_interface,
            directives=directives,
        )

    def _folder(self, name: str) -> Path:
        folder = self.root / name
        folder.mkdir(mode=0o755)
        return folder

    def __enter__(self) -> PrintSite:
        self.configure()
        if self.is_warm:
            self.start_workerd()
        self.cups.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.cups.stop()
        self.stop_workerd()
        self.cloud.close()
        shutil.rmtree(self.root)

    @property
    def server(self) -> str:
        """The cloud's HOST:PORT."""
        return self.cloud.url.partition("://")[2]

    def configure(self, *, server: str | None = None, key: str | None = None) -> None:
        """Write the bridge's configuration, for the cloud or for another server."""
        (self.config / "bridge.toml").write_text(
            '[defaults]\nencryption = "never"\nwaittimeout = 20\n[upload]\nread_timeout_s = 10\n'
        )
        entry = self.config / "servers.d" / "site.toml"
        entry.touch(mode=0o600)
        entry.write_text(
            f'[[server]]\nhost = "{server or self.server}"\ncompany = "Acme"\n'
            f'api_key = "{key or self.key}"\nlocations = ["Paris"]\n'
        )
        if self.is_warm:
            self.copy_keys()

    def queue(
        self,
        *targets: str,
        options: str = "",
        driver: bool = True,
        policy: str = "retry-job",
        server: str | None = None,
    ) -> str:
        """Add a queue to targets LOCATION:DEVICE (percent-encoded); return its name."""
        name = f"q{next(_numbers)}"
        listed = ";".join(targets or ("Paris:Laser1",))
        uri = f"cirrus://{server or self.server}/Acme/{listed}{options}"
        self.cups.add_queue(name, uri, driver=DRIVER if driver else None, policy=policy)
        return name

    def queue_to_nobody(self, options: str = "") -> str:
        """Add a queue without a driver to a server that does not exist; return its name."""
        entry = self.config / "servers.d" / "nobody.toml"
        entry.touch(mode=0o600)
        entry.write_text(f'[[server]]\nhost = "{NOBODY}"\ncompany = "Acme"\napi_key = "k"\n')
        if self.is_warm:
            self.copy_keys()
        return self.queue(driver=False, options=options, server=NOBODY)

    def cirrusctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run cirrusctl for this site."""
        environ = os.environ | self.environ | {"CUPS_SERVER": str(self.cups.socket)}
        if forked.is_in_use():
            return forked.run(forked.CIRRUSCTL, arguments, environ, PATIENCE_S)
        return subprocess.run(
            [BACKEND.with_name("cirrusctl"), *arguments],
            env=environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )

    def start_cirrusctl(self, *arguments: str) -> Program[str]:
        """Start cirrusctl for this site; the caller waits for its end."""
        return Program(
            [BACKEND.with_name("cirrusctl"), *arguments],
            env=os.environ | self.environ | {"CUPS_SERVER": str(self.cups.socket)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextlib.contextmanager
    def statusd(self, *arguments: str) -> Iterator[Program[str]]:
        """Run this site's poller in the context; its lines are in `statusd_log`. Without arguments,
        the poller works when the context begins."""
        with self.start_statusd(*arguments) as poller:
            if not arguments:
                eventually(self.poller)
            yield poller
            assert poller.end(60) == 0, self.statusd_log()

    def start_statusd(self, *arguments: str, environ: dict[str, str] | None = None) -> Program[str]:
        """Start the poller; the caller ends it."""
        with (self.root / "statusd.log").open("a") as log:
            return Program(
                [BACKEND.with_name("cirrus-statusd"), *arguments],
                env=os.environ
                | self.environ
                | {"CUPS_SERVER": str(self.cups.socket)}
                | (environ or {}),
                stderr=log,
                text=True,
                start_new_session=True,
            )

    def start_workerd(self) -> None:
        """Start the service with the warm workers."""
        self.workerd = start_workerd(self.environ, self.root / "workerd.log")

    def copy_keys(self) -> None:
        """Copy the key files for the service, as systemd does when it starts the service again."""
        copy_keys(self.environ)

    def kill_workerd(self) -> None:
        """Kill the service with the warm workers."""
        if self.workerd is not None:
            self.workerd.kill()
            self.workerd.end()
            self.workerd = None

    def stop_workerd(self) -> None:
        """Stop the service with the warm workers, if it runs. Workers end their jobs."""
        if self.workerd is not None:
            assert self.workerd.end() == 0, (self.root / "workerd.log").read_text()
            self.workerd = None

    def poller(self) -> str:
        """The name of the running poller; empty if none runs."""
        try:
            locks = os.open(self.state / "jobs.lock", os.O_RDONLY)
        except FileNotFoundError:
            return ""
        try:
            sign = journal_files.read_sign(locks)
            return sign.name if sign and journal_files.has_poller(locks) else ""
        finally:
            os.close(locks)

    def configure_statusd(self, lines: str) -> None:
        """Add lines below [statusd] to the bridge's configuration."""
        with (self.config / "bridge.toml").open("a") as bridge:
            bridge.write(f"[statusd]\n{lines}\n")

    def statusd_log(self) -> str:
        """The log of all pollers."""
        path = self.root / "statusd.log"
        return path.read_text() if path.exists() else ""

    def discovered(self, device: str) -> dict[str, str]:
        """The lines of lpinfo(8) about a device, by lpinfo's keywords.

        Discovery is repeated until it lists the device, because a busy machine may take too long.
        """
        found: list[str] = []

        def listed() -> bool:
            blocks = self.cups.run("lpinfo", "-l", "-v").split("Device: ")
            found[:] = [text for text in blocks if f":{device}\n" in text]
            return bool(found)

        eventually(listed)
        return dict(re.findall(r"(\S+) = (.*)", found[0]))

    def discovered_queue(self, device: str) -> str:
        """Add a queue as a dialog does: a discovered device with the driver that CUPS proposes."""
        said = self.discovered(device)
        lines = self.cups.run("lpinfo", "--device-id", said["device-id"], "-m").splitlines()
        name = f"q{next(_numbers)}"
        self.cups.add_queue(name, said["uri"], driver=lines[0].split()[0])
        return name

    def device(self, *arguments: str, location: str = "Paris") -> str:
        """Add a device for one test; return its id."""
        name = f"D{next(_numbers)}"
        words = arguments if "--type" in arguments else ("--type", "file", *arguments)
        self.cloud.cli("device", "add", f"Acme/{quote(location, safe='')}/{name}", *words)
        return name

    def cloud_jobs(self, device: str, count: int) -> list[dict[str, Any]]:
        """The jobs of a device, oldest first, once there are `count` and all have ended."""

        def mine(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [job for job in jobs if job["device"] == device]

        return mine(
            self.wait_jobs(
                lambda jobs: len(mine(jobs)) >= count and all(j["state"] > 1 for j in mine(jobs))
            )
        )

    def wait_jobs(
        self, ready: Callable[[list[dict[str, Any]]], bool], timeout_s: float = PATIENCE_S
    ) -> list[dict[str, Any]]:
        """The cloud's jobs, oldest first, once `ready` accepts them."""
        for jobs in self.cloud.changing_jobs(timeout_s):
            if ready(jobs):
                return jobs
        raise AssertionError(self.cloud.jobs())

    def backends(self) -> dict[int, int]:
        """The processes that work on jobs of this site's cupsd, with their parents. The parent of a
        warm worker is the front of its job, or 0 if that has ended."""
        wanted = f"CIRRUS_BRIDGE_CONFIG={self.config}".encode()
        found, fronts, workers = {}, {}, {}
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if not process.name.isdigit():
                    continue
                environ = (process / "environ").read_bytes()
                name = (process / "comm").read_text().strip()
                after_name = (process / "stat").read_text().rpartition(")")[2]
                words = (process / "cmdline").read_bytes().split(b"\0")
                if not words[1:]:  # the process has just ended
                    continue
                if wanted in environ and b"DEVICE_URI=" in environ:  # the poller has none
                    found[int(process.name)] = int(after_name.split()[1])
                    fronts[f"cirrus {words[1].decode()}"] = int(process.name)
                elif wanted in environ and re.fullmatch(r"cirrus \d+", name):
                    workers[name] = int(process.name)
        warm = {workers[name]: fronts.get(name, 0) for name in workers}
        return found | (warm if self.is_warm else {})

    def worker(self) -> int:
        """The one working backend process, once it exists."""
        eventually(lambda: bool(self.workers()))
        (worker,) = self.workers()
        return worker

    def supervisor(self) -> int:
        """The backend process that CUPS sees."""
        return self.backends()[self.worker()]

    def workers(self) -> list[int]:
        """The working backend processes."""
        backends = self.backends()
        return [own for own, parent in backends.items() if parent in backends]

    def journal(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the bridge's journal; none without a journal."""
        if not (self.state / "journal.db").exists():
            return []
        # root's SQLite would make files that the owner cannot open for a moment
        with (
            as_owner(str(self.state)),
            contextlib.closing(sqlite3.connect(self.state / "journal.db")) as db,
        ):
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'delivery'").fetchone():
                return []
            return db.execute(query, values).fetchall()


def eventually(done: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def document(job: Mapping[str, Any]) -> bytes:
    """The document of a cloud job, as the cloud stores it."""
    return Path(job["document"]).read_bytes()
