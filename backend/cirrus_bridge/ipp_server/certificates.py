"""The service's TLS certificate: one of its own, or the administrator's.

The own certificate has an RSA key of 2048 bits, as those that CUPS makes for itself: each client
that prints to CUPS accepts such a key. Key and certificate are in one file, so they always match.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import ssl
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cirrus_bridge.base.errors import BadConfiguration
from cirrus_bridge.base.translation import tr

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import Certificate, GeneralName

FILE = "own.pem"
_KEY_BITS = 2048
_PUBLIC_EXPONENT = 65_537
# Apple's clients refuse more than 825 days (https://support.apple.com/103769).
_DAYS = 800
_RENEWED_BEFORE_END = timedelta(days=60)
_CLOCKS_DIFFER = timedelta(days=1)
_MOST_NAME_CHARS = 64  # of a common name (RFC 5280, appendix A.1)


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What a certificate says of itself: its names and addresses, and its end (UTC)."""

    names: frozenset[str]
    ends: datetime


def own_certificate(
    folder: Path, names: Sequence[str], now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> tuple[Path, Path]:
    """The files of the service's own certificate and key, made or renewed where necessary.

    Call this at each start and once a day. A renewed certificate keeps its key, and ends later than
    the one before it, so clients that have stored the old one accept it. Names that are no longer
    there stay in the file until it is renewed.

    Args:
        folder: private; it is made if it is missing.
        names: host names and addresses that clients use; the first one is the common name.

    Raises:
        OSError: the file cannot be written.
    """
    path = folder / FILE
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key, certificate = _read(path)
    if certificate is None or not _is_good(certificate, names, now()):
        key = key or _new_key()
        _write(path, _pem(key, _certificate(key, names, now())))
    return path, path


def check_certificate(certificate: Path, key: Path) -> CertificateFacts:
    """Check an administrator's certificate, with its chain, and its key.

    Raises:
        BadConfiguration: a file cannot be read, or the key is not that of the certificate.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        chain = x509.load_pem_x509_certificates(_content(certificate))
    except ValueError:
        raise _bad(tr("{path} has no certificate in PEM form.", path=certificate)) from None
    try:
        private = load_pem_private_key(_content(key), None)
    except TypeError:
        raise _bad(tr("The key in {path} has a password.", path=key)) from None
    except Exception:  # noqa: BLE001 - cryptography has many errors for an invalid key
        raise _bad(tr("{path} has no private key in PEM form.", path=key)) from None
    if private.public_key() != chain[0].public_key():
        text = tr(
            "The key in {key} does not belong to {certificate}.", key=key, certificate=certificate
        )
        raise _bad(text)
    return CertificateFacts(_names(chain[0]), chain[0].not_valid_after_utc)


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """The TLS settings of the service: TLS 1.2 and later. `load_cert_chain` on the context puts a
    renewed certificate into effect, for new connections. Raises OSError (`ssl.SSLError`)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key)
    return context


def _bad(message: str) -> BadConfiguration:
    return BadConfiguration(
        message, tr("Correct certificate and certificate_key below [printers] in bridge.toml.")
    )


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _bad(tr("Cannot read {path} ({error}).", path=path, error=error.strerror)) from None


def _read(path: Path) -> tuple[RSAPrivateKey | None, Certificate | None]:
    """The key and the certificate of a file, or what is whole of them and belongs together."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    with contextlib.suppress(Exception):  # a broken file is replaced
        content = path.read_bytes()
        key = load_pem_private_key(content, None)
        if isinstance(key, RSAPrivateKey) and not path.stat().st_mode & 0o077:
            with contextlib.suppress(ValueError):
                certificate = x509.load_pem_x509_certificate(content)
                if certificate.public_key() == key.public_key():
                    return key, certificate
            return key, None
    return None, None


def _is_good(certificate: Certificate, names: Iterable[str], now: datetime) -> bool:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return set(names) <= _names(certificate) and begins <= now < ends - _RENEWED_BEFORE_END


def _names(certificate: Certificate) -> frozenset[str]:
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    addresses = map(str, found.get_values_for_type(x509.IPAddress))
    return frozenset([*found.get_values_for_type(x509.DNSName), *addresses])


def _new_key() -> RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(_PUBLIC_EXPONENT, _KEY_BITS)


def _certificate(key: RSAPrivateKey, names: Sequence[str], now: datetime) -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:_MOST_NAME_CHARS])])
    usage = x509.KeyUsage(
        digital_signature=True, key_encipherment=True, content_commitment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=False, crl_sign=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(list(map(_general_name, names))), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(usage, True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        .sign(key, SHA256())
    )


def _general_name(name: str) -> GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(key: RSAPrivateKey, certificate: Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + certificate.public_bytes(Encoding.PEM)


def _write(path: Path, content: bytes) -> None:
    """Write a private file, whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
