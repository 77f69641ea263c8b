"""The responses that turn clients away: a page for people, one line for programs."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response

from cirrus_bridge.base.translation import tr, translated
from cirrus_bridge.ipp_server.page_language import preferred
from cirrus_bridge.ipp_server.page_rendering import rendered_alone


class Cause(enum.Enum):
    """Why a client is turned away: the status, and a title and a text for people."""

    NETWORK = (
        403,
        tr("No access"),
        tr("This device may not print here. Ask your administrator to allow its network."),
    )
    NO_TLS = (
        403,
        tr("Sign in over TLS"),
        tr("People sign in here, which is only possible over TLS (https)."),
    )
    NO_ACCOUNT = (
        401,
        tr("Sign in"),
        tr(
            "Sign in with your account for these printers. If you have none, ask your "
            "administrator."
        ),
    )
    GUESSES = (
        429,
        tr("Too many attempts"),
        tr("Too many wrong passwords came from this network. Try again in a few minutes."),
    )


def refusal(
    request: HttpRequest,
    cause: Cause,
    headers: Mapping[str, str] | None = None,
    *,
    link: str = "",
) -> Response:
    """Make the response to the request of a client that is turned away.

    Args:
        headers: further headers.
        link: the address that works instead.
    """
    status, title, text = cause.value
    if request.method not in ("GET", "HEAD"):
        return PlainTextResponse(f"{title}.\n", status, headers)
    language = preferred(request.headers.get("accept-language", ""))
    values = {
        "title": translated(title, language),
        "text": translated(text, language),
        "link": link,
    }
    return rendered_alone("refused", language, status, headers or {}, **values)
