"""Clients that bring a document to a server: our backend, curl scripts, CUPS's own backends."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import trustme

from links import Link
from measure import Cost, cost

HERE = Path(__file__).parent
BACKEND = Path(sys.executable).with_name("cirrus-backend")
CUPS_BACKENDS = Path("/usr/lib/cups/backend")
TARGET = "Office:Folder"
KEY = "bench-key"


@dataclass
class Site:
    """A lean server at the far end of a link, with its clients' settings."""

    link: Link
    folder: Path
    port: int
    tls: bool
    ca: Path

    @property
    def server(self) -> str:
        """HOST:PORT."""
        return f"{self.link.address}:{self.port}"

    @property
    def url(self) -> str:
        """The URL without a path."""
        return f"{'https' if self.tls else 'http'}://{self.server}"

    def backend(
        self, document: Path, options: str = "?wait=submitted", *, program: Path = BACKEND
    ) -> Cost:
        """Our backend, as CUPS starts it."""
        env = self._configured() | {
            "DEVICE_URI": f"cirrus://{self.server}/Acme/{TARGET}{options}",
            "PRINTER": "bench",
            "CONTENT_TYPE": "application/octet-stream",
        }
        argv: list[str | Path] = [
            "1",
            "bench",
            "bench",
            "1",
            f"job-uuid={uuid.uuid4().urn}",
            document,
        ]
        return self._checked(document, [*self.link.at_client, program, *argv], env)

    def curl_script(self, document: Path, compressor: str = "pigz") -> Cost:
        """tempfile, putsegment … putsegment, submitfile, by bash and curl."""
        script: list[str | Path] = [
            HERE / "curl_submit",
            self.url,
            KEY,
            self.ca,
            TARGET,
            compressor,
            document,
        ]
        return self._checked(document, [*self.link.at_client, *script], dict(os.environ))

    def curl(self, document: Path) -> Cost:
        """One putfile by one curl."""
        url = f"{self.url}/api/putfile?targets={TARGET}&title=bench&cmp=0"
        head = f"Authorization: Bearer {KEY}"
        command: list[str | Path] = ["curl", "-sSf", "-H", head, "--cacert", self.ca]
        command += ["-T", document, url]
        return self._checked(document, [*self.link.at_client, *command], dict(os.environ))

    def _checked(self, document: Path, command: list[str | Path], env: dict[str, str]) -> Cost:
        taken = cost(command, env)
        name, compression = (self.folder / "submitted").read_text().split()
        if _digest(self.folder / name, compression) != _digest(document, "0"):
            raise RuntimeError(f"another document arrived: {command}")
        for path in self.folder.iterdir():
            path.unlink()
        return taken

    def _configured(self) -> dict[str, str]:
        etc = self.folder.with_name(f"{self.folder.name}-etc")
        (etc / "servers.d").mkdir(parents=True, exist_ok=True)
        entry = etc / "servers.d" / "bench.toml"
        entry.touch(mode=0o600)
        entry.write_text(
            f'[[server]]\nhost = "{self.server}"\ncompany = "Acme"\napi_key = "{KEY}"\n'
            f'ca_file = "{self.ca}"\nallow_plaintext = true\n'
        )
        level = "required" if self.tls else "never"
        (etc / "bridge.toml").write_text(f'[defaults]\nencryption = "{level}"\n')
        state = {"CIRRUS_BRIDGE_CONFIG": str(etc), "CIRRUS_BRIDGE_STATE": str(etc / "state")}
        return dict(os.environ) | state


@contextlib.contextmanager
def site(link: Link, folder: Path, *, tls: bool) -> Iterator[Site]:
    """Start the lean server."""
    ca = trustme.CA()
    certificate = ca.issue_cert(link.address, "127.0.0.1")
    folder.mkdir(exist_ok=True)
    pem = {name: folder.with_name(f"{name}.pem") for name in ("ca", "chain", "key")}
    # as many CAs as on a machine: each start reads them
    system = Path("/etc/ssl/certs/ca-certificates.crt")
    pem["ca"].write_bytes(system.read_bytes() if system.exists() else b"")
    ca.cert_pem.write_to_path(pem["ca"], append=True)
    pem["chain"].write_bytes(b"".join(part.bytes() for part in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(pem["key"])
    program: list[str | Path] = [sys.executable, HERE / "lean_server.py", folder, link.address]
    program += [pem["chain"], pem["key"]] if tls else []
    server = subprocess.Popen([*link.at_server, *program], stdout=subprocess.PIPE)
    assert server.stdout is not None
    try:
        yield Site(link, folder, int(server.stdout.readline()), tls, pem["ca"])
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def socket_backend(document: Path) -> Cost:
    """CUPS's socket backend to a printer that swallows everything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_swallow, args=(listener,), daemon=True).start()
        uri = f"socket://127.0.0.1:{listener.getsockname()[1]}/?waiteof=false"
        return _cups_backend("socket", uri, document)


def ipp_backend(port: int, document: Path, options: str = "") -> Cost:
    """CUPS's ipp backend to an ippeveprinter on this machine."""
    return _cups_backend("ipp", f"ipp://127.0.0.1:{port}/ipp/print{options}", document)


@contextlib.contextmanager
def ippeveprinter(folder: Path) -> Iterator[int]:
    """Start CUPS's sample printer, which finishes each job at once; return its port.

    Raises:
        RuntimeError: it does not start (it needs avahi-daemon).
    """
    started = _start_avahi()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    formats = "application/pdf,application/octet-stream"
    where = ["-p", str(port), "-d", str(folder), "-n", "localhost"]
    printer = subprocess.Popen(
        ["ippeveprinter", *where, "-c", "/bin/true", "-f", formats, "Bench"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(50):
            time.sleep(0.1)
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
        else:
            raise RuntimeError("ippeveprinter does not start")
        yield port
    finally:
        for process in (printer, *started):
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


def _cups_backend(name: str, uri: str, document: Path) -> Cost:
    kind = "application/pdf"
    env = dict(os.environ) | {"DEVICE_URI": uri, "PRINTER": "bench", "CONTENT_TYPE": kind}
    return cost([CUPS_BACKENDS / name, *_job("", document)], env | {"FINAL_CONTENT_TYPE": kind})


def _job(options: str, document: Path) -> list[str | Path]:
    """The arguments of a backend (backend(7))."""
    return ["1", "bench", "bench", "1", options, document]


def _swallow(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection, _ = listener.accept()
        with connection:
            while connection.recv(1 << 20):
                pass


def _digest(path: Path, compression: str) -> str:
    digest = hashlib.sha256()
    reader = zlib.decompressobj() if compression == "1" else None
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(reader.decompress(chunk) if reader else chunk)
    return digest.hexdigest()
