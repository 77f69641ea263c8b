"""The way to a server, step by step: its name, its port, its certificate, its clock.

For finding out at which step it fails, which `api` does not tell apart. No key is sent, and nothing
that a server says here is believed but to be shown to people.
"""

from __future__ import annotations

import base64
import enum
import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cirrus_bridge.errors import Unreachable

PATH = "/api/version"


class Distrust(enum.Enum):
    """Why there is no trusted connection."""

    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    OTHER_NAME = "other name"
    UNKNOWN_CA = "unknown CA"
    NO_TLS = "no TLS"
    OTHER = "other"


# X509_V_ERR_… of OpenSSL, x509_vfy.h
_BY_VERIFY_CODE = {
    9: Distrust.NOT_YET_VALID,
    10: Distrust.EXPIRED,
    **dict.fromkeys((2, 18, 19, 20, 21), Distrust.UNKNOWN_CA),
    **dict.fromkeys((62, 63, 64), Distrust.OTHER_NAME),
}
_NO_TLS = ("WRONG_VERSION_NUMBER", "record layer failure", "RECORD_LAYER_FAILURE")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a connection goes: to a host and port, or through a proxy, `http://HOST:PORT`."""

    host: str
    port: int
    proxy: str | None = None

    @property
    def first(self) -> tuple[str, int]:
        """Whom the connection itself leads to."""
        if self.proxy is None:
            return self.host, self.port
        parts = urlsplit(self.proxy)
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)

    @property
    def proxy_headers(self) -> Mapping[str, str]:
        """Who we are to the proxy, where its URL has a user."""
        parts = urlsplit(self.proxy or "")
        if not parts.username:
            return {}
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


@dataclass(frozen=True, slots=True)
class Handshake:
    """What came of a TLS connection: until when the certificate is good, or why it is not trusted,
    in OpenSSL's `words`."""

    expires: datetime | None = None
    distrust: Distrust | None = None
    words: str = ""


def addresses(host: str, port: int) -> list[str]:
    """The addresses of a name.

    Raises:
        Unreachable: it has none, or nobody says.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(_words(error)) from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def connect(host: str, port: int, *, timeout_s: float) -> None:
    """Make a connection, and close it.

    Raises:
        Unreachable: there is none.
    """
    try:
        socket.create_connection((host, port), timeout_s).close()
    except OSError as error:
        raise Unreachable(_words(error)) from error


def handshake(endpoint: Endpoint, cas: str | bool, *, timeout_s: float) -> Handshake:
    """Begin TLS as `api` would.

    Raises:
        Unreachable: there is no connection, or the proxy makes none.
    """
    context = _trusting(cas)
    connection = _connection(endpoint, context, timeout_s)
    try:
        connection.connect()
        certificate = connection.sock.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        kind = _BY_VERIFY_CODE.get(error.verify_code, Distrust.OTHER)
        return Handshake(distrust=kind, words=error.verify_message)
    except ssl.SSLError as error:
        words = str(error)
        is_plain = any(sign in words for sign in _NO_TLS)
        return Handshake(distrust=Distrust.NO_TLS if is_plain else Distrust.OTHER, words=words)
    except OSError as error:
        raise Unreachable(_words(error)) from error
    finally:
        connection.close()
    ends_s = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    return Handshake(expires=datetime.fromtimestamp(ends_s, UTC))


def server_time(endpoint: Endpoint, *, https: bool, timeout_s: float) -> datetime | None:
    """The server's own time, whoever it is; None if it does not say.

    Raises:
        Unreachable: it does not answer.
    """
    context = ssl.create_default_context()
    # its certificate may be refused for the very reason that the clocks differ
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection: http.client.HTTPConnection
    if https:
        connection = _connection(endpoint, context, timeout_s)
    else:
        connection = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=timeout_s)
    try:
        connection.request("GET", PATH)
        said = connection.getresponse().headers.get("Date", "")
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(_words(error)) from error
    finally:
        connection.close()
    try:
        found = parsedate_to_datetime(said)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _connection(
    endpoint: Endpoint, context: ssl.SSLContext, timeout_s: float
) -> http.client.HTTPSConnection:
    host, port = endpoint.first
    made = http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)
    if endpoint.proxy is not None:
        made.set_tunnel(endpoint.host, endpoint.port, headers=dict(endpoint.proxy_headers))
    return made


def _trusting(cas: str | bool) -> ssl.SSLContext:
    if isinstance(cas, bool):
        return ssl.create_default_context()
    if Path(cas).is_dir():
        return ssl.create_default_context(capath=cas)
    return ssl.create_default_context(cafile=cas)


def _words(error: BaseException) -> str:
    """The system's own words, in lower case as they follow a colon."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text[:1].lower() + text[1:]
