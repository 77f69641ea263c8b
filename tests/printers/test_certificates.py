"""The service's TLS certificates, with real TLS clients."""

from __future__ import annotations

import socket
import ssl
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509

from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.ipp_server.certificates import (
    check_certificate,
    own_certificate,
    server_context,
)

NAMES = ("print", "print-3f2a9c.local", "localhost", "192.0.2.1", "2001:db8::1")
TODAY = datetime.now(UTC)


def _on(days: int) -> Callable[[], datetime]:
    return lambda: TODAY + timedelta(days=days)


def _certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


@contextmanager
def _serving(context: ssl.SSLContext) -> Iterator[int]:
    """Answer each TLS client; the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    try:
                        with context.wrap_socket(connection, server_side=True) as tls:
                            tls.recv(1)
                            tls.unwrap()  # a client may take an end without notice for a fault
                    except OSError:  # a client that refuses the certificate
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.mark.parametrize("name", NAMES)
def test_clients_that_trust_it(tmp_path: Path, name: str) -> None:
    """A client that knows the certificate accepts each name and address, and no other name."""
    certificate, key = own_certificate(tmp_path / "tls", NAMES)
    trusting = ssl.create_default_context(cafile=str(certificate))
    with _serving(server_context(certificate, key)) as port:
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            trusting.wrap_socket(plain, server_hostname=name) as tls,
        ):
            assert tls.version() == "TLSv1.3"
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            trusting.wrap_socket(plain, server_hostname="other.local")


@pytest.mark.parametrize(
    ("option", "cipher"),
    [("-tls1_2", "ECDHE-RSA-AES128-GCM-SHA256"), ("-tls1_3", "TLS_AES_128_GCM_SHA256")],
)
def test_openssl_connects(tmp_path: Path, option: str, cipher: str) -> None:
    """The suites that TLS 1.2 clients such as Windows 10 and old versions of iOS have do."""
    certificate, key = own_certificate(tmp_path / "tls", NAMES)
    ciphers = "-ciphersuites" if option == "-tls1_3" else "-cipher"
    with _serving(server_context(certificate, key)) as port:
        address = f"127.0.0.1:{port}"
        done = subprocess.run(
            ["openssl", "s_client", "-connect", address, option, ciphers, cipher,
             "-CAfile", certificate, "-verify_return_error"],
            input="x", capture_output=True, text=True,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert cipher in done.stdout and "Verify return code: 0 (ok)" in done.stdout


def test_old_tls_is_refused(tmp_path: Path) -> None:
    """TLS 1.1 has known weaknesses (RFC 8996)."""
    context = server_context(*own_certificate(tmp_path / "tls", NAMES))
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_made_once_and_kept(tmp_path: Path) -> None:
    """The file is private, and stays the same at each start."""
    path, _ = own_certificate(tmp_path / "tls", NAMES)
    before = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    own_certificate(tmp_path / "tls", NAMES[::-1])
    own_certificate(tmp_path / "tls", NAMES[:2], _on(700))
    assert path.read_bytes() == before


@pytest.mark.parametrize("days", [741, 800, 2000, -2])
def test_renewed_before_its_end(tmp_path: Path, days: int) -> None:
    """Two months before the end, or if the clock was wrong, a new one with the old key is made."""
    path, _ = own_certificate(tmp_path / "tls", NAMES)
    before = _certificate(path)
    own_certificate(tmp_path / "tls", NAMES, _on(days))
    after = _certificate(path)
    assert after.serial_number != before.serial_number
    assert after.public_key() == before.public_key()
    assert after.not_valid_after_utc - after.not_valid_before_utc < timedelta(days=825)


def test_a_host_with_another_name(tmp_path: Path) -> None:
    """The new name is in the certificate at once."""
    path, _ = own_certificate(tmp_path / "tls", NAMES)
    own_certificate(tmp_path / "tls", ("other", *NAMES[1:]))
    assert {"other", *NAMES[1:]} == check_certificate(path, path).names


@pytest.mark.parametrize("share", [0.0, 0.2, 0.7, 0.99])
def test_a_file_that_is_not_whole(tmp_path: Path, share: float) -> None:
    """A half-written file is replaced."""
    path, _ = own_certificate(tmp_path / "tls", NAMES)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    own_certificate(tmp_path / "tls", NAMES)
    server_context(path, path)
    assert check_certificate(path, path).names == set(NAMES)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_key_that_others_could_read(tmp_path: Path) -> None:
    """Such a key may be known, so it is not used again."""
    path, _ = own_certificate(tmp_path / "tls", NAMES)
    before = _certificate(path).public_key()
    path.chmod(0o640)
    own_certificate(tmp_path / "tls", NAMES)
    assert _certificate(path).public_key() != before
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.fixture
def issued(tmp_path: Path) -> tuple[Path, Path]:
    """The files of an administrator's certificate and key."""
    made = trustme.CA().issue_cert("print.example.com")
    certificate, key = tmp_path / "print.pem", tmp_path / "print.key"
    for blob in made.cert_chain_pems:
        blob.write_to_path(certificate, append=True)
    made.private_key_pem.write_to_path(key)
    return certificate, key


def test_the_certificate_of_an_administrator(issued: tuple[Path, Path]) -> None:
    """A certificate with its key, of any kind, is used."""
    assert check_certificate(*issued).names == {"print.example.com"}
    server_context(*issued)


def test_mistakes_of_an_administrator(issued: tuple[Path, Path], tmp_path: Path) -> None:
    """Each mistake names the file."""
    certificate, key = issued
    other = tmp_path / "other.key"
    trustme.CA().issue_cert("print.example.com").private_key_pem.write_to_path(other)
    locked = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "pkey", "-aes256", "-in", key, "-out", locked, "-passout", "pass:secret"],
        check=True,
    )
    for files, says in (
        ((tmp_path / "none", key), f"Cannot read {tmp_path}/none (No such file or directory)."),
        ((key, key), f"{key} has no certificate in PEM form."),
        ((certificate, certificate), f"{certificate} has no private key in PEM form."),
        ((certificate, other), f"The key in {other} does not belong to {certificate}."),
        ((certificate, locked), f"The key in {locked} has a password."),
    ):
        with pytest.raises(BadConfiguration) as caught:
            check_certificate(*files)
        assert caught.value.message == says
