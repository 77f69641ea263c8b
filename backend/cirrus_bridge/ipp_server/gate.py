"""The admission of clients: by their network, and by a sign-in over TLS (RFC 7617)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import logging
import math
import re
from collections.abc import Callable

from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse

from cirrus_bridge.config.printers import PrinterSettings
from cirrus_bridge.ipp_server.access import TooManyGuesses
from cirrus_bridge.ipp_server.refusals import Cause, refusal
from cirrus_bridge.ipp_server.requests import Client

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,255})(?::[0-9]{1,5})?")
_REALM = {"WWW-Authenticate": 'Basic realm="Cirrus printers", charset="UTF-8"'}
_log = logging.getLogger(__name__)
Verify = Callable[[str, str, str], bool]  # name, password and address


class Gate:
    """Identifies clients.

    Args:
        is_allowed: whether an address may connect.
        verify: whether a password is the account's; None if clients need not sign in.
    """

    def __init__(
        self,
        settings: PrinterSettings,
        is_allowed: Callable[[str], bool],
        verify: Verify | None = None,
    ) -> None:
        self._settings, self._is_allowed, self._verify = settings, is_allowed, verify

    async def client_of(self, request: HttpRequest) -> Client | HttpResponse:
        """Identify a client, or make the response that turns the client away."""
        address = request.client.host if request.client else ""
        if not self._is_allowed(address):
            return refusal(request, Cause.NETWORK)
        is_tls = request.url.scheme == "https"
        named = _HOST.fullmatch(request.headers.get("host", ""))
        host = named[1] if named else "localhost"
        user = ""
        if self._verify is not None:
            if not is_tls:
                port = self._settings.tls_port
                link = f"https://{host}:{port}{request.url.path}" if port else ""
                return refusal(request, Cause.NO_TLS, link=link)
            name, password = _credentials(request.headers.get("authorization", ""))
            try:
                is_known = bool(name) and await asyncio.to_thread(
                    self._verify, name, password, address
                )
            except TooManyGuesses as error:
                _log.info("%s guesses passwords; it has to wait %.0f s", address, error.wait_s)
                later = {"Retry-After": str(math.ceil(error.wait_s))}
                return refusal(request, Cause.GUESSES, later)
            if not is_known:
                return refusal(request, Cause.NO_ACCOUNT, _REALM)
            user = name
        return Client(
            address=address,
            user=user,
            host=host,
            port=self._settings.tls_port if is_tls else self._settings.port,
            is_tls=is_tls,
            is_local=_is_loopback(address),
        )


def _credentials(header: str) -> tuple[str, str]:
    """The name and the password of an Authorization header; both are empty if there are none."""
    scheme, _, coded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, password = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, password


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
