"""The templates of the pages, in the reader's language, and the headers of every page."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from cirrus_bridge.base.translation import translated, verbatim

STATIC = files(__package__).joinpath("static")
STYLE = STATIC.joinpath("page.css").read_bytes()
_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
HEADERS = _HEADERS | {"Content-Security-Policy": f"{_POLICY}; style-src 'self'; img-src 'self'"}
_DIGEST = base64.b64encode(hashlib.sha256(STYLE).digest()).decode()
_ALONE = _HEADERS | {"Content-Security-Policy": f"{_POLICY}; style-src 'sha256-{_DIGEST}'"}
_ENVIRONMENT = Environment(
    loader=PackageLoader(__package__),
    autoescape=True,
    trim_blocks=True,
    undefined=StrictUndefined,
)


def rendered(template: str, language: str, status: int = 200, /, **values: Any) -> Response:
    """A page from a template. The caller adds HEADERS."""

    def say(text: str, **fields: object) -> str:
        return translated(verbatim(text), language).format_map(fields)

    page = _ENVIRONMENT.get_template(f"{template}.html")
    return HTMLResponse(page.render(_=say, language=language, **values), status)


def rendered_alone(
    template: str, language: str, status: int, headers: Mapping[str, str], /, **values: Any
) -> Response:
    """A page for a client that gets no other file: the style is in the page."""
    style = Markup(STYLE.decode())  # noqa: S704 - a file of ours
    response = rendered(template, language, status, style=style, **values)
    response.headers.update({**_ALONE, **headers})
    return response
