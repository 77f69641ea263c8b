"""A proxy by its URL, `http://[USER:PASSWORD@]HOST:PORT`. Pure."""

from __future__ import annotations

import base64
import contextlib
import http
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit


def address(url: str) -> tuple[str, int]:
    """The host and port that a connection to the proxy leads to."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def name(url: str) -> str:
    """HOST:PORT, without the password, for display."""
    host, port = address(url)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def headers(url: str) -> dict[str, str]:
    """The header with the URL's user and password, in UTF-8 (RFC 7617, 2.1)."""
    parts = urlsplit(url)
    if not parts.username:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def secrets(url: str) -> tuple[str, ...]:
    """The URL's password as it is in the URL and as it is meant, and the header's form of both."""
    password = urlsplit(url).password
    if not password:
        return ()
    return password, unquote(password), headers(url)["Proxy-Authorization"].removeprefix("Basic ")


_NOT_CONNECTED = re.compile(r"Tunnel connection failed: (\d{3})\b")  # http.client's words


@dataclass(frozen=True, slots=True)
class ProxyRefusal:
    """The answer of a proxy that does not connect to a server (method CONNECT)."""

    status: int

    @property
    def words(self) -> str:
        """The usual words for the status. The proxy's own may be the first line of a secret, and
        clients should ignore them (RFC 9112, 4)."""
        with contextlib.suppress(ValueError):
            return http.HTTPStatus(self.status).phrase
        return ""

    @property
    def is_lasting(self) -> bool:
        """Whether the proxy refuses to connect. If not, it only fails for now, for example if the
        server is away."""
        return self.status == 501 or (self.status < 500 and self.status not in (408, 425, 429))


def refusal(error: BaseException) -> ProxyRefusal | None:
    """The proxy's answer, if the error of http.client contains one."""
    found = _NOT_CONNECTED.match(str(error))
    return ProxyRefusal(int(found[1])) if found else None
