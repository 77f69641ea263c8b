"""Clients that bring a document to a server: our backend, curl, rclone, CUPS's own backends."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import trustme

import frozen
from cirrus_bridge.journal.files import has_poller
from links import Link
from measure import Cost, cost
from private_cups import PrivateCups
from programs import Program
from workerd import built_front, start_workerd

HERE = Path(__file__).parent
PYTHON_BACKEND = Path(sys.executable).with_name("cirrus-backend")
CUPS_BACKENDS = Path("/usr/lib/cups/backend")
TARGET, AWAY = "Office:Folder", "Away:Folder"  # the lean server never delivers jobs for Away
KEY = "bench-key"
CERTIFICATES = Path("/etc/ssl/certs")
AUTHORITY = "cirrus-bench.pem"  # the CA of this run, in that folder
# cupsd as distributions configure it, except for the number of jobs that it remembers
DIRECTIVES = ("LogLevel warn", "DirtyCleanInterval 30", "MaxJobs 0", "PreserveJobFiles No")


class Workers(NamedTuple):
    """A running cirrus-workerd: its process id and its socket."""

    pid: int
    socket: str


@dataclass
class Site:
    """A lean server at the far end of a link, with its clients' settings, and a cupsd.

    Attributes:
        env: the environment of our backend.
        front: the backend of the packages.
    """

    link: Link
    folder: Path
    port: int
    tls: bool
    env: dict[str, str]
    front: Path
    cups: PrivateCups

    @property
    def server(self) -> str:
        """HOST:PORT."""
        return f"{self.link.address}:{self.port}"

    @property
    def url(self) -> str:
        """The URL without a path."""
        return f"{'https' if self.tls else 'http'}://{self.server}"

    def uri(self, target: str = TARGET) -> str:
        """The URI of a queue."""
        return f"cirrus://{self.server}/Acme/{target}"

    @contextlib.contextmanager
    def workers(
        self, name: str = "workerd", *, tool: Sequence[str | Path] = ()
    ) -> Iterator[Workers]:
        """Run cirrus-workerd. The one with the default name also works for the cupsd.

        Args:
            tool: the command of a program that measures.
        """
        socket = str(self.folder.with_name(name) / "workers.sock")
        log = self.folder.with_name(f"{name}.log")
        command = [*tool, frozen.programs() / "cirrus-workerd"]
        env, outer = self.env | {"CIRRUS_BRIDGE_WORKERS": socket}, self.link.at_client
        with start_workerd(env, log, command=command, outer=outer) as service:
            yield Workers(service.pid, socket)

    @contextlib.contextmanager
    def poller(self) -> Iterator[None]:
        """Run cirrus-statusd. A backend leaves jobs that are not fetched to it."""
        env = os.environ | self.env | {"CUPS_SERVER": str(self.cups.socket)}
        with (
            self.folder.with_name("statusd.log").open("wb") as log,
            Program[bytes]([frozen.programs() / "cirrus-statusd"], env=env, stderr=log),
        ):
            while not self._has_poller():
                time.sleep(0.05)
            yield

    def _has_poller(self) -> bool:
        try:
            locks = os.open(Path(self.env["CIRRUS_BRIDGE_STATE"], "jobs.lock"), os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            return has_poller(locks)
        finally:
            os.close(locks)

    def first_job(self, document: Path) -> Cost:
        """Our backend with a worker that is new, and has no connection yet."""
        with self.workers("new") as workers:
            return self.backend(document, workers)

    def next_job(self, document: Path) -> Cost:
        """Our backend with a worker that has just done the same job, and kept its connections."""
        with self.workers("new") as workers:
            self.backend(document, workers)
            return self.backend(document, workers)

    def backend(
        self,
        document: Path,
        workers: Workers | None = None,
        *,
        program: Path | None = None,
        tool: Sequence[str | Path] = (),
    ) -> Cost:
        """Our backend, as cupsd starts it for a job that it has.

        Args:
            workers: by default, the backend works alone.
            program: another program than the packages' one.
            tool: the command of a program that measures.
        """
        job_id = self.cups.lp("bench", "-o", "raw", data=b"x")
        about = self.cups.wait_job(job_id, "processing")
        names = ("job-uuid", "time-at-creation", "time-at-processing")
        said = " ".join(f"{name}={about[name]}" for name in names)
        env = (
            os.environ
            | self.env
            | {
                "CUPS_SERVER": str(self.cups.socket),
                "CIRRUS_BRIDGE_WORKERS": workers.socket if workers else "/nowhere",
                "DEVICE_URI": self.uri(),
                "PRINTER": "bench",
                "CONTENT_TYPE": "application/octet-stream",
                "SOFTWARE": "CUPS/2.4.2",
            }
        )
        command = [*self.link.at_client, *tool, program or self.front]
        command += [str(job_id), "bench", "bench", "1", said, document]
        taken = self._checked(document, command, env, service=workers.pid if workers else None)
        self.cups.run("cancel", str(job_id))
        return taken

    def curl(self, document: Path, *, tool: Sequence[str | Path] = ()) -> Cost:
        """One putfile by one curl."""
        url = f"{self.url}/api/putfile?targets={TARGET}&title=bench&cmp=0"
        head = f"Authorization: Bearer {KEY}"
        command = ["curl", "-sSf", "-H", head, "-T", str(document), url]
        return self._checked(document, [*self.link.at_client, *tool, *command])

    def rclone(self, document: Path) -> Cost:
        """A multipart upload by rclone, with the numbers of boto3: 10 parts of 8 MiB at once."""
        remote = f":s3,provider=Other,access_key_id=a,secret_access_key=b,endpoint='{self.url}'"
        how = ["--s3-upload-cutoff", "8M", "--s3-chunk-size", "8M", "--s3-upload-concurrency", "10"]
        how += ["--s3-no-head", "--s3-no-check-bucket", "--s3-disable-checksum"]
        command = ["rclone", "copyto", "--config", "", "--no-check-dest", "--ignore-checksum"]
        command += [*how, str(document), f"{remote}:bucket/bench"]
        return self._checked(document, [*self.link.at_client, *command])

    def _checked(
        self,
        document: Path,
        command: Sequence[str | Path],
        env: dict[str, str] | None = None,
        service: int | None = None,
    ) -> Cost:
        taken = cost(command, env, service=service)
        name, compression = (self.folder / "submitted").read_text().split()
        if _digest(self.folder / name, compression) != _digest(document, "0"):
            raise RuntimeError(f"another document arrived: {command}")
        self.forget()
        return taken

    def arrived(self) -> int:
        """How many documents have been submitted."""
        submitted = self.folder / "submitted"
        return len(submitted.read_text().splitlines()) if submitted.exists() else 0

    def forget(self) -> None:
        """Delete what has arrived."""
        for path in self.folder.iterdir():
            path.unlink()


@contextlib.contextmanager
def site(link: Link, folder: Path, *, tls: bool) -> Iterator[Site]:
    """Start the lean server, and a cupsd whose queue `bench` is busy with each job until the job is
    canceled, below an empty folder."""
    folder.mkdir()
    for name in ("arrived", "etc/servers.d", "cups"):
        (folder / name).mkdir(parents=True)
    arrived = folder / "arrived"
    program: list[str | Path] = [sys.executable, HERE / "lean_server.py", arrived, link.address]
    program += _certified(folder, link.address) if tls else []
    with Program[bytes]([*link.at_server, *program], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        env = _configured(folder, f"{link.address}:{port}", tls=tls)
        front = built_front(folder, frozen.programs() / "cirrus-backend")
        cups = PrivateCups(folder / "cups", [front], env, directives=DIRECTIVES)
        backends = cups.root / "bin" / "backend"
        for name in ("ipp", "socket"):
            (backends / name).symlink_to(CUPS_BACKENDS / name)
        (backends / "busy").write_text("#!/bin/sh\nexec sleep 3600\n")
        (backends / "busy").chmod(0o755)
        cups.start()
        try:
            cups.add_queue("bench", "busy:/", driver=None)
            yield Site(link, arrived, port, tls, env, front, cups)
        finally:
            cups.stop()


def _certified(folder: Path, address: str) -> tuple[Path, Path]:
    """Certificate and key of a server, as PEM files."""
    certificate = _trusted_authority().issue_cert(address, "127.0.0.1")
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(b"".join(part.bytes() for part in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(key)
    return chain, key


@cache
def _trusted_authority() -> trustme.CA:
    """A CA that this run trusts beside the CAs of the machine, as an administrator adds one.

    Each client reads them all, or finds this one. The folder is a copy that the run has mounted.
    """
    assert CERTIFICATES.is_mount(), "begin with tests/bench/run"
    authority = trustme.CA()
    authority.cert_pem.write_to_path(CERTIFICATES / AUTHORITY)
    authority.cert_pem.write_to_path(CERTIFICATES / "ca-certificates.crt", append=True)
    subprocess.run(["openssl", "rehash", CERTIFICATES], check=True, capture_output=True)
    return authority


def _configured(folder: Path, server: str, *, tls: bool) -> dict[str, str]:
    """Write the bridge's configuration; return its environment."""
    entry = folder / "etc" / "servers.d" / "bench.toml"
    entry.touch(mode=0o600)
    entry.write_text(
        f'[[server]]\nhost = "{server}"\ncompany = "Acme"\napi_key = "{KEY}"\n'
        + ("" if tls else "allow_plaintext = true\n")
    )
    level = "required" if tls else "never"
    (folder / "etc" / "bridge.toml").write_text(f'[defaults]\nencryption = "{level}"\n')
    return {
        "CIRRUS_BRIDGE_CONFIG": str(folder / "etc"),
        "CIRRUS_BRIDGE_STATE": str(folder / "state"),
        "CIRRUS_BRIDGE_CACHE": str(folder / "cache"),
        "CIRRUS_BRIDGE_WORKERS": str(folder / "workerd" / "workers.sock"),
    }


@contextlib.contextmanager
def socket_printer() -> Iterator[str]:
    """A printer that swallows everything; yield its URI for CUPS's socket backend."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        threading.Thread(target=_swallow, args=(listener,), daemon=True).start()
        yield f"socket://127.0.0.1:{listener.getsockname()[1]}/?waiteof=false"
        listener.shutdown(socket.SHUT_RDWR)


def _swallow(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            threading.Thread(target=_read, args=listener.accept()[:1], daemon=True).start()


def _read(connection: socket.socket) -> None:
    with connection:
        while connection.recv(1 << 20):
            pass


@contextlib.contextmanager
def ipp_printers(folder: Path, count: int = 1) -> Iterator[list[str]]:
    """CUPS's sample printer (ippeveprinter), `count` times, each of which finishes a job at once.

    Yields their URIs for CUPS's ipp backend, which asks once a second whether the printer has
    printed the job. `waitjob=false` corresponds to our `wait=submitted`.

    Raises:
        RuntimeError: one does not start (they need avahi-daemon).
    """
    formats = "application/pdf,application/octet-stream"
    how = ["-d", str(folder), "-n", "localhost", "-c", "/bin/true", "-f", formats]
    with contextlib.ExitStack() as running:
        running.callback(_end, started := _start_avahi())
        uris = []
        for number in range(count):
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            quiet = subprocess.DEVNULL
            command = ["ippeveprinter", "-p", str(port), *how, f"Bench {number}"]
            started.append(subprocess.Popen(command, stdout=quiet, stderr=quiet))
            _wait_for(port)
            uris.append(f"ipp://127.0.0.1:{port}/ipp/print")
        yield uris


def _wait_for(port: int) -> None:
    for _ in range(50):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise RuntimeError("ippeveprinter does not start")


def _end(started: list[subprocess.Popen[bytes]]) -> None:
    for process in reversed(started):
        process.kill()
        process.wait()


def _start_avahi() -> list[subprocess.Popen[bytes]]:
    """Start the missing services that ippeveprinter needs."""
    started = []
    Path("/run/dbus").mkdir(exist_ok=True)
    for name, command in (
        ("dbus-daemon", ["dbus-daemon", "--system", "--nofork", "--nopidfile"]),
        ("avahi-daemon", ["avahi-daemon", "--no-drop-root", "--no-rlimits"]),
    ):
        if subprocess.run(["pgrep", "-x", name], check=False, capture_output=True).returncode:
            quiet = subprocess.DEVNULL
            started.append(subprocess.Popen(command, stdout=quiet, stderr=quiet))
            time.sleep(1)
    return started


def cups_backend(uri: str, document: Path, *, tool: Sequence[str | Path] = ()) -> Cost:
    """One of CUPS's own backends, as cupsd starts it."""
    kind = "application/pdf"
    env = os.environ | {"DEVICE_URI": uri, "PRINTER": "bench", "SOFTWARE": "CUPS/2.4.2"}
    env |= {"CONTENT_TYPE": kind, "FINAL_CONTENT_TYPE": kind}
    program = CUPS_BACKENDS / uri.partition(":")[0]
    return cost([*tool, program, "1", "bench", "bench", "1", "", document], env)


def _digest(path: Path, compression: str) -> str:
    digest = hashlib.sha256()
    reader = zlib.decompressobj() if compression == "1" else None
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(reader.decompress(chunk) if reader else chunk)
    return digest.hexdigest()
