"""A cloud, and the service that offers its devices as printers, for tests."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from cirrus_bridge.base.privileges import as_owner
from cirrus_bridge.ipp.message import (
    Attribute,
    Attributes,
    Group,
    Message,
    Operation,
    decode,
    encode,
)
from cirrus_bridge.ipp.values import Keyword, MimeType, Name, Uri
from cloudlet_server import CloudletServer
from ports import reserved_port
from programs import Program
from workerd import as_user_of, copy_keys

PROGRAM = Path(sys.executable).with_name("cirrus-printers")
PATIENCE_S = 120.0
IPPTOOL = Path("/usr/share/cups/ipptool")
INVENTORY = """\
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
name = "Laser 1"
type = "file"
"""


class PrinterSite:
    """A context manager: a cloud with the device Paris:Laser1, and `cirrus-printers` for it.

    `server` (HOST:PORT) is the way to the cloud, such as a proxy. With a `ca_file`, it speaks TLS.
    """

    def __init__(self, settings: str = "", inventory: str = INVENTORY) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="cb-", dir="/tmp"))
        self.root.chmod(0o755)
        self.config, self.state = self.root / "etc", self.root / "state"
        (self.config / "servers.d").mkdir(parents=True)
        self.environ = {
            "CIRRUS_BRIDGE_CONFIG": str(self.config),
            "CIRRUS_BRIDGE_STATE": str(self.state),
            "CIRRUS_BRIDGE_CACHE": str(self.root / "cache"),
            "CIRRUS_BRIDGE_WORKERS": str(self.root / "keys" / "workers.sock"),
        }
        self.cloud = CloudletServer()
        data = self.root / "cloud"
        data.mkdir(mode=0o700)
        (data / "cloudlet.toml").write_text(inventory)
        self.cloud.start(data)
        self.key = self.cloud.new_key("Acme")
        self.port, self.tls_port = reserved_port(self), reserved_port(self)
        self.settings = settings
        self.server = self.cloud.url.partition("://")[2]
        self.ca_file: Path | None = None
        self.program: Program[str] | None = None

    def __enter__(self) -> Self:
        self.configure()
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.program is not None:
            self.program.end()
        self.cloud.close()
        shutil.rmtree(self.root)

    def configure(self, *, key: str = "") -> None:
        """Write the configuration, with the cloud's key or with another one."""
        text = (
            self.settings if "devices" in self.settings else f'devices = ["*:*"]\n{self.settings}'
        )
        (self.config / "bridge.toml").write_text(
            f'[defaults]\nencryption = "{"required" if self.ca_file else "never"}"\n'
            "[upload]\nread_timeout_s = 10\n"
            f"[printers]\nport = {self.port}\nannounce = false\n"
            f"tls_port = {self.tls_port}\n{text}\n"
        )
        entry = self.config / "servers.d" / "site.toml"
        entry.touch(mode=0o600)
        entry.write_text(
            f'[[server]]\nhost = "{self.server}"\ncompany = "Acme"\n'
            f'api_key = "{key or self.key}"\nlocations = ["Paris"]\n'
            + (f'ca_file = "{self.ca_file}"\n' if self.ca_file else "")
        )

    def start(self) -> None:
        """Start the service as systemd does, with copies of the key files; return when it offers a
        printer."""
        keys = copy_keys(self.environ)
        with (self.root / "printers.log").open("a") as log:
            self.program = Program(
                [*as_user_of(self.environ), PROGRAM],
                env=os.environ | self.environ | {"CREDENTIALS_DIRECTORY": str(keys)},
                stderr=log,
                text=True,
                start_new_session=True,
            )
        eventually(lambda: self.is_up(), "the service does not offer a printer", self.log)

    def run_second(self) -> subprocess.CompletedProcess[str]:
        """Start another service on the same folder, and return when it has ended."""
        keys = copy_keys(self.environ)
        return subprocess.run(
            [PROGRAM],
            env=os.environ | self.environ | {"CREDENTIALS_DIRECTORY": str(keys)},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )

    def stop(self) -> int:
        """End the service; return its exit status."""
        assert self.program is not None
        status = self.program.end()
        self.program = None
        return status

    def kill(self) -> None:
        """Kill the service, to simulate a crash."""
        assert self.program is not None
        self.program.kill()
        self.stop()

    def log(self) -> str:
        """The service's log so far."""
        return (self.root / "printers.log").read_text()

    def is_up(self) -> bool:
        """Whether the service offers a printer."""
        assert self.program is not None
        assert self.program.poll() is None, self.log()
        with contextlib.suppress(OSError):
            return bool(self.printers())
        return False

    def printers(self) -> list[Attributes]:
        """The attributes of all printers."""
        return self.ask(Operation.CUPS_GET_PRINTERS, path="/").all(Group.PRINTER)

    @property
    def name(self) -> str:
        """The name of the first printer."""
        uri = self.printers()[0].text("printer-uri-supported")
        return uri.rpartition("/")[2]

    @property
    def uri(self) -> str:
        """The URI of the first printer."""
        return self.uri_of(self.name)

    def uri_of(self, name: str) -> str:
        """The URI of a printer without TLS."""
        return f"ipp://127.0.0.1:{self.port}/ipp/print/{name}"

    def ask(
        self,
        operation: Operation,
        attributes: Sequence[Attribute] = (),
        job: Sequence[Attribute] = (),
        data: bytes = b"",
        *,
        path: str | None = None,
        name: str = "",
        user: str = "ann",
        language: str = "en",
    ) -> Message:
        """Send a request to a printer, the first one by default; return the response."""
        target = path or f"/ipp/print/{name or self.name}"
        first = [
            Attribute("printer-uri", [Uri(f"ipp://127.0.0.1:{self.port}{target}")]),
            Attribute("requesting-user-name", [Name(user)]),
        ]
        groups = [(Group.OPERATION, [*first, *attributes])]
        if job:
            groups.append((Group.JOB, list(job)))
        return self.post(encode(operation, groups, language=language) + data, target)

    def post(self, body: bytes, path: str = "/") -> Message:
        """Send a body; return the IPP response."""
        import http.client

        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            connection.request("POST", path, body, {"Content-Type": "application/ipp"})
            answer = connection.getresponse()
            data = answer.read()
            assert answer.status == 200, (answer.status, data)
            return decode(data)

    @contextlib.contextmanager
    def sending(self, operation: Operation, job_id: int = 0) -> Iterator[None]:
        """Send the first part of a document, and the rest never."""
        target = f"/ipp/print/{self.name}"
        asked = [
            Attribute("printer-uri", [Uri(f"ipp://127.0.0.1:{self.port}{target}")]),
            Attribute("requesting-user-name", [Name("ann")]),
        ]
        if job_id:
            asked += [Attribute("job-id", [job_id]), Attribute("last-document", [True])]
        asked.append(Attribute("document-format", [MimeType("application/pdf")]))
        body = encode(operation, [(Group.OPERATION, asked)]) + b"%PDF-1.4\n"
        head = (
            f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/ipp\r\n"
            f"Content-Length: {len(body) + 1_000_000}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as connection:
            connection.sendall(head.encode() + body)
            yield

    def print(
        self,
        data: bytes,
        job: Sequence[Attribute] = (),
        *,
        media_type: str = "application/pdf",
        title: str = "A page",
        user: str = "ann",
        name: str = "",
    ) -> int:
        """Print a document; return the job's id."""
        asked = [
            Attribute("job-name", [Name(title)]),
            Attribute("document-format", [MimeType(media_type)]),
        ]
        response = self.ask(Operation.PRINT_JOB, asked, job, data, user=user, name=name)
        assert response.code < 0x100, (hex(response.code), response.status_message)
        number = response.all(Group.JOB)[0].number("job-id")
        assert number is not None
        return number

    def job(self, job_id: int, *, user: str = "ann", language: str = "en") -> Attributes:
        """The attributes of a job."""
        asked = [
            Attribute("job-id", [job_id]),
            Attribute("requested-attributes", [Keyword("all")]),
        ]
        response = self.ask(
            Operation.GET_JOB_ATTRIBUTES, asked, path="/", user=user, language=language
        )
        return response.all(Group.JOB)[0]

    def make_older(self, seconds: float) -> None:
        """Let time pass for the documents that the cloud has; this restarts the service."""
        self.stop()
        path = self.state / "printers" / "journal.db"
        with as_owner(str(path.parent)), contextlib.closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE document SET accepted_at = accepted_at - ?", (seconds,))
        self.start()

    def document(self, job: Mapping[str, Any]) -> bytes:
        """The document of a job of the cloud, as it was delivered."""
        return Path(job["delivered_path"]).read_bytes()

    def wait_job(self, job_id: int, *states: int) -> Attributes:
        """Wait until a job has one of these states."""
        eventually(lambda: self.job(job_id).number("job-state") in states, str(states), self.log)
        return self.job(job_id)

    def cirrusctl(
        self, *arguments: str, outer: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run cirrusctl for this site, where no CUPS answers. `outer` is the command of a program
        that starts cirrusctl."""
        return subprocess.run(
            [*outer, PROGRAM.with_name("cirrusctl"), *arguments],
            env=os.environ | self.environ | {"CUPS_SERVER": str(self.root / "no-cups.sock")},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )

    def ipptool(
        self, test: str, *arguments: str, uri: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a test file of ipptool on the first printer."""
        return subprocess.run(
            ["ipptool", *arguments, uri or self.uri, test],
            capture_output=True,
            text=True,
            timeout=600,
        )


def eventually(done: Callable[[], object], what: str = "", log: Callable[[], str] = str) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline, f"{what}\n{log()}"
        time.sleep(0.1)
