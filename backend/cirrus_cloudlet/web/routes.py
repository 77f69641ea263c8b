"""The routes of the page for people, and the security headers of its responses.

Only signed-in people see anything. Scripts, styles and pictures come from this server alone, and
none is inline. No URL has a secret.
"""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from cirrus_cloudlet.api.call import Call
from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.errors import RequestFault
from cirrus_cloudlet.web import actions as web_actions
from cirrus_cloudlet.web.pages import Pages
from cirrus_cloudlet.web.rendering import read_static, render
from cirrus_cloudlet.web.sign_in import SignIn, read_form

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # not `no-referrer`: browsers would send forms with `Origin: null` (Fetch standard)
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_STATIC = {
    name: (read_static(name), kind)
    for name, kind in (
        ("page.css", "text/css"),
        ("page.js", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
    )
}
_SIGNED_IN_PATHS = ("jobs", "locations", "sign-out")


class Site:
    """The web site of a cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._sign_in = SignIn(cloud)
        self._pages = Pages(cloud)

    async def answer(self, call: Call) -> Response:
        """Answer a request outside of the API."""
        try:
            response = await self._answer(call)
        except RequestFault as fault:
            response = render("message", fault.status, text=str(fault))
        tag = response.headers.get("etag")
        if tag and response.status_code == 200 and call.header("if-none-match") == tag:
            response = Response(status_code=304, headers={"ETag": tag})
        response.headers.update(_HEADERS)
        return response

    async def _answer(self, call: Call) -> Response:
        if call.method not in ("GET", "POST"):
            raise RequestFault(405, "Use GET or POST to request a page.")
        if call.path[0] in _STATIC and len(call.path) == 1:
            text, kind = _STATIC[call.path[0]]
            return Response(text, media_type=kind)
        if call.path == ("sign-in",):
            return await self._sign_in.answer(call)
        if call.path != ("",) and call.path[0] not in _SIGNED_IN_PATHS:
            raise RequestFault(404, "There is no such page.")
        visitor = await self._sign_in.visitor(call)
        if visitor is None:
            return RedirectResponse("/sign-in", 303)
        if call.method == "GET":
            return await self._pages.answer(call, visitor)
        await read_form(call, frozenset(), visitor)
        if call.path == ("sign-out",):
            return await self._sign_in.sign_out(call, visitor)
        return await run_in_threadpool(web_actions.perform, self._cloud, visitor.account, call.path)
