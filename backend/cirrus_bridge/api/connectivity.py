"""The way to a server, step by step: its name, its port, its certificate, its clock.

For finding out at which step it fails, which `api` does not tell apart. No key is sent, and nothing
that a server says here is believed but to be shown to people.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from cirrus_bridge.api import proxy as proxies
from cirrus_bridge.base.distrust import Distrust, distrust, openssl_words
from cirrus_bridge.base.errors import ServerMisconfigured, Unreachable

PATH = "/api/version"


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
        return proxies.address(self.proxy)


@dataclass(frozen=True, slots=True)
class Handshake:
    """What came of a TLS connection: until when the certificate is good, or why it is not trusted,
    in OpenSSL's `base/translation`."""

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
        Unreachable: there is no connection, or the proxy makes none now.
        ServerMisconfigured: the proxy refuses to make one.
    """
    context = _trusting(cas)
    connection = _connection(endpoint, context, timeout_s)
    certificate: Mapping[str, object] = {}
    try:
        connection.connect()
        certificate = connection.sock.getpeercert() or {}
        # in TLS 1.3 a server refuses a missing client certificate behind the handshake, and may
        # have closed the connection before the request is sent; its reason can be read all the same
        with contextlib.suppress(ConnectionError, ssl.SSLEOFError):
            connection.request("GET", PATH)
        connection.getresponse()
    except ssl.SSLError as error:
        if reason := distrust(error):
            return Handshake(distrust=reason, words=openssl_words(error))
        if not certificate:
            raise Unreachable(openssl_words(error)) from error
    except (OSError, http.client.HTTPException) as error:
        refusal = proxies.refusal(error)
        if refusal and refusal.is_lasting:
            raise ServerMisconfigured(_words(error)) from error
        if not certificate:
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
        made.set_tunnel(endpoint.host, endpoint.port, headers=dict(proxies.headers(endpoint.proxy)))
    return made


def _trusting(cas: str | bool) -> ssl.SSLContext:
    if isinstance(cas, bool):
        return ssl.create_default_context()
    if Path(cas).is_dir():
        return ssl.create_default_context(capath=cas)
    return ssl.create_default_context(cafile=cas)


def _words(error: BaseException) -> str:
    """The system's own words, in lower case as they stand within a sentence."""
    text = str(getattr(error, "strerror", None) or error or type(error).__name__).rstrip(".")
    return text[:1].lower() + text[1:]
