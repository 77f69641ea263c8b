"""What browsers and programs are told when they may not print."""

from __future__ import annotations

import asyncio
import base64
import re

import pytest
from starlette.requests import Request
from starlette.responses import Response

from cirrus_bridge.config.printers import PrinterSettings
from cirrus_bridge.ipp_server.access import TooManyGuesses
from cirrus_bridge.ipp_server.gate import Gate

TITLES = {
    "network": ("No access", "Kein Zugriff", "Sin acceso", "Accès refusé", "アクセスできません"),
    "no TLS": (
        *("Sign in over TLS", "Über TLS anmelden", "Iniciar sesión por TLS"),
        *("Se connecter par TLS", "TLS でサインイン"),
    ),
    "no account": ("Sign in", "Anmelden", "Iniciar sesión", "Se connecter", "サインイン"),
    "guesses": (
        *("Too many attempts", "Zu viele Versuche", "Demasiados intentos"),
        *("Trop de tentatives", "試行回数が多すぎます"),
    ),
}
STATUS = {"network": 403, "no TLS": 403, "no account": 401, "guesses": 429}


def _verify(name: str, password: str, address: str) -> bool:
    if password == "guess":
        raise TooManyGuesses(7.5)
    return False


def _answer(cause: str, method: str, language: str = "en") -> Response:
    gate = Gate(PrinterSettings(tls_port=8632), lambda _: cause != "network", _verify)
    headers = [(b"host", b"print.example.com:8631"), (b"accept-language", language.encode())]
    if cause == "guesses":
        headers.append((b"authorization", b"Basic " + base64.b64encode(b"ann:guess")))
    scope = {
        "type": "http",
        "method": method,
        "scheme": "http" if cause == "no TLS" else "https",
        "path": "/ipp/print/Laser-1",
        "query_string": b"",
        "server": ("192.0.2.1", 8631),
        "client": ("192.0.2.7", 50_000),
        "headers": headers,
    }
    answer = asyncio.run(gate.client_of(Request(scope)))
    assert isinstance(answer, Response)
    assert answer.status_code == STATUS[cause]
    assert ("www-authenticate" in answer.headers) == (cause == "no account")
    assert answer.headers.get("retry-after") == ("8" if cause == "guesses" else None)
    return answer


@pytest.mark.parametrize("cause", TITLES)
def test_a_browser_gets_a_page_in_its_language(cause: str) -> None:
    """The page needs no other file, which its reader would not get."""
    for language, title in zip(("en", "de", "es", "fr", "ja"), TITLES[cause], strict=True):
        answer = _answer(cause, "GET", f"{language};q=0.9")
        page = bytes(answer.body).decode()
        assert f'<html lang="{language}"' in page and f"<h1>{title}</h1>" in page
        assert not re.search(r"<(link|img|script)", page)
        assert "style-src 'sha256-" in answer.headers["content-security-policy"]
        link = "https://print.example.com:8632/ipp/print/Laser-1"
        assert (f'href="{link}"' in page) == (cause == "no TLS")


@pytest.mark.parametrize("cause", TITLES)
def test_a_program_gets_a_line(cause: str) -> None:
    """Programs show the status."""
    answer = _answer(cause, "POST")
    assert bytes(answer.body).decode() == f"{TITLES[cause][0]}.\n"
    assert answer.headers["content-type"].startswith("text/plain")
