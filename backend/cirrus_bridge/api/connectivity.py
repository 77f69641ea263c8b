"""Checks of the connection to a server, step by step: name, port, certificate, clock.

They show which step fails, which the API client does not tell. No key is sent. Answers are not
trusted; they are only shown to people.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cirrus_bridge.api import proxy as proxies
from cirrus_bridge.api.exchange import http_date
from cirrus_bridge.base.distrust import Distrust, distrust, openssl_words
from cirrus_bridge.base.errors import CirrusError, ServerMisconfigured, Unreachable

PATH = "/api/version"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The host and port of a server, and a proxy on the way there (`http://HOST:PORT`)."""

    host: str
    port: int
    proxy: str | None = None

    @property
    def first(self) -> tuple[str, int]:
        """The host and port that the TCP connection leads to."""
        return proxies.address(self.proxy) if self.proxy else (self.host, self.port)


@dataclass(frozen=True, slots=True)
class Handshake:
    """The outcome of a TLS handshake: when the certificate expires, or why it is not trusted, with
    OpenSSL's `words`."""

    expires: datetime | None = None
    distrust: Distrust | None = None
    words: str = ""


def addresses(host: str, port: int) -> list[str]:
    """The IP addresses of a host name. Raises Unreachable if there is none, or the lookup fails."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(_words(error)) from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def connect(host: str, port: int, *, timeout_s: float) -> None:
    """Open a TCP connection and close it. Raises Unreachable if the connection fails."""
    try:
        socket.create_connection((host, port), timeout_s).close()
    except OSError as error:
        raise Unreachable(_words(error)) from error


def handshake(endpoint: Endpoint, cas: str | bool, *, timeout_s: float) -> Handshake:
    """Do a TLS handshake as the API client would, with the CAs of `trusted_cas`. Raises
    Unreachable if there is no connection or the proxy cannot connect now, and ServerMisconfigured
    if the proxy refuses to connect."""
    context = _trusting(cas)
    connection = _connection(endpoint, context, timeout_s)
    certificate: Mapping[str, object] = {}
    failure: CirrusError | None = None
    try:
        connection.connect()
        certificate = connection.sock.getpeercert() or {}
        # A TLS 1.3 server refuses a missing client certificate after the handshake, perhaps before
        # the request is sent. The reason can still be read.
        with contextlib.suppress(ConnectionError, ssl.SSLEOFError):
            connection.request("GET", PATH)
        connection.getresponse()
    except ssl.SSLError as error:
        if reason := distrust(error):
            return Handshake(distrust=reason, words=openssl_words(error))
        if not certificate:
            failure = Unreachable(openssl_words(error))
    except (OSError, http.client.HTTPException) as error:
        refusal = proxies.refusal(error)
        if refusal and refusal.is_lasting:
            failure = ServerMisconfigured(_words(error))
        elif not certificate:
            failure = Unreachable(_words(error))
    finally:
        connection.close()
    if failure:
        raise failure  # without the library's exception, which quotes the server
    ends_s = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    return Handshake(expires=datetime.fromtimestamp(ends_s, UTC))


def server_time(endpoint: Endpoint, *, https: bool, timeout_s: float) -> datetime | None:
    """The time in the server's answer, from an untrusted server too; None if there is no time.
    Raises Unreachable if there is no answer."""
    context = ssl.create_default_context()
    # a wrong clock may be the very reason to refuse the certificate
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection: http.client.HTTPConnection
    if https:
        connection = _connection(endpoint, context, timeout_s)
    else:
        connection = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=timeout_s)
    try:
        connection.request("GET", PATH)
        return http_date(connection.getresponse().headers.get("Date", ""))
    except (OSError, http.client.HTTPException) as error:
        words = _words(error)
    finally:
        connection.close()
    raise Unreachable(words)


def _connection(
    endpoint: Endpoint, context: ssl.SSLContext, timeout_s: float
) -> http.client.HTTPSConnection:
    host, port = endpoint.first
    made = http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)
    if endpoint.proxy is not None:
        made.set_tunnel(endpoint.host, endpoint.port, headers=proxies.headers(endpoint.proxy))
    return made


def _trusting(cas: str | bool) -> ssl.SSLContext:
    if isinstance(cas, bool):
        return ssl.create_default_context()
    if Path(cas).is_dir():
        return ssl.create_default_context(capath=cas)
    return ssl.create_default_context(cafile=cas)


def _words(error: BaseException) -> str:
    """The system's text for an error, for the middle of a sentence. Other texts may quote the
    server, and so a secret."""
    if refusal := proxies.refusal(error):
        return f"status {refusal.status}: {refusal.words}"
    if isinstance(error, http.client.HTTPException):
        return type(error).__name__
    text = str(getattr(error, "strerror", None) or error or type(error).__name__).rstrip(".")
    return text[:1].lower() + text[1:]
