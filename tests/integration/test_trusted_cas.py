"""The CAs of a machine by openssl-rehash(1): a folder counts only if nobody loses a CA by it."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
import trustme

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.api.trusted_cas import trusted_cas
from cirrus_bridge.base.errors import ServerMisconfigured
from cirrus_bridge.config.load import UploadSettings
from cirrus_bridge.config.servers import Secret, Server
from scripted_server import Answer, ScriptedServer

OF_DISTRIBUTION, OF_ADMINISTRATOR = trustme.CA(), trustme.CA()


class Machine:
    """A machine's CAs, in a folder and in a file, as OpenSSL's defaults name them."""

    def __init__(self, path: Path) -> None:
        self.folder, self.file = path / "certs", path / "cert.pem"
        self.folder.mkdir()
        self.file.touch()

    def add(self, ca: trustme.CA, *, to_folder: bool = True, to_file: bool = True) -> None:
        """Add a CA as an administrator would."""
        pem = ca.cert_pem.bytes()
        if to_folder:
            count = len(list(self.folder.glob("*.pem")))
            (self.folder / f"own-{count}.pem").write_bytes(b"# a comment\n" + pem)
        if to_file:
            self.file.write_bytes(self.file.read_bytes() + pem)

    def rehash(self) -> None:
        """Make the links by which OpenSSL finds a CA."""
        subprocess.run(["openssl", "rehash", self.folder], check=True, capture_output=True)

    @property
    def chosen(self) -> str | bool:
        """The file or folder by which a server without `ca_file` is checked."""
        paths = {"cafile": str(self.file), "capath": str(self.folder), "openssl_cafile_env": "FILE"}
        found = ssl.get_default_verify_paths()._replace(**paths)
        return trusted_cas(Server("print.example.com", Secret("k"), "A"), found)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine whose file and folder have the CA of its distribution."""
    made = Machine(tmp_path)
    made.add(OF_DISTRIBUTION)
    return made


def _ask(ca: trustme.CA, machine: Machine) -> None:
    """Ask a server that has a certificate of `ca`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    with ScriptedServer(lambda _: Answer("t"), tls=context) as server:
        entry = Server(server.name, Secret("k"), "A", ca_file=str(machine.chosen))
        CloudApi(entry, "A", https=True, timeouts=UploadSettings()).temp_file()


def test_hashed(machine: Machine) -> None:
    """A hashed folder with all CAs is used, and has the administrator's own CA too."""
    machine.add(OF_ADMINISTRATOR)
    machine.rehash()
    assert machine.chosen == str(machine.folder)
    for ca in (OF_DISTRIBUTION, OF_ADMINISTRATOR):
        _ask(ca, machine)
    with pytest.raises(ServerMisconfigured, match="not trusted"):
        _ask(trustme.CA(), machine)


def test_further_names(machine: Machine) -> None:
    """The folder may have more than the file: a CA, and a link whose target was removed."""
    machine.add(OF_ADMINISTRATOR, to_file=False)
    machine.rehash()
    (machine.folder / "0123abcd.0").symlink_to("removed.pem")
    assert machine.chosen == str(machine.folder)
    _ask(OF_ADMINISTRATOR, machine)


def test_not_hashed(machine: Machine) -> None:
    """OpenSSL finds nothing in a folder without hashes."""
    assert machine.chosen == str(machine.file)
    _ask(OF_DISTRIBUTION, machine)


def test_hashed_before(machine: Machine) -> None:
    """A CA that was added to file and folder, but not hashed, counts."""
    machine.rehash()
    machine.add(OF_ADMINISTRATOR)
    assert machine.chosen == str(machine.file)
    _ask(OF_ADMINISTRATOR, machine)


def test_added_to_the_file(machine: Machine) -> None:
    """A CA that was appended to the file counts, even if the folder has as many others."""
    machine.add(OF_ADMINISTRATOR, to_folder=False)
    machine.add(trustme.CA(), to_file=False)
    machine.rehash()
    assert machine.chosen == str(machine.file)
    _ask(OF_ADMINISTRATOR, machine)


def test_named_by_the_environment(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that an administrator names for OpenSSL may have fewer CAs than the machine."""
    machine.rehash()
    monkeypatch.setenv("FILE", str(machine.file))
    assert machine.chosen == str(machine.file)


def test_ca_file(machine: Machine) -> None:
    """A server's own file is used alone."""
    machine.rehash()
    assert trusted_cas(Server("h", Secret("k"), "A", ca_file="/etc/own.pem")) == "/etc/own.pem"
