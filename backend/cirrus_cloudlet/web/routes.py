"""The page for people: which request is for what, and how browsers are told to treat the answers.

Nothing is shown to whoever has not signed in. Scripts, styles and pictures come from this server
alone, none is part of a page, and no address carries a secret.
"""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from cirrus_cloudlet.api.call import Call
from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.errors import RequestFault
from cirrus_cloudlet.web import actions as web_actions
from cirrus_cloudlet.web.pages import Pages
from cirrus_cloudlet.web.rendering import rendered, static_file
from cirrus_cloudlet.web.sign_in import SignIn, own_form

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # not `no-referrer`: with it a browser does not say of a form where it comes from
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_STATIC = {
    name: (static_file(name), kind)
    for name, kind in (
        ("page.css", "text/css"),
        ("page.js", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
    )
}
_BEHIND_THE_DOOR = ("jobs", "locations", "sign-out")


class Site:
    """The page of a cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._sign_in = SignIn(cloud)
        self._pages = Pages(cloud)

    async def answer(self, call: Call) -> Response:
        """Answer a request that is not of the API."""
        try:
            response = await self._answer(call)
        except RequestFault as fault:
            response = rendered("message", fault.status, text=str(fault))
        tag = response.headers.get("etag")
        if tag and response.status_code == 200 and call.header("if-none-match") == tag:
            response = Response(status_code=304, headers={"ETag": tag})
        response.headers.update(_HEADERS)
        return response

    async def _answer(self, call: Call) -> Response:
        if call.method not in ("GET", "POST"):
            raise RequestFault(405, "This is not the way to ask for a page.")
        if call.path[0] in _STATIC and len(call.path) == 1:
            text, kind = _STATIC[call.path[0]]
            return Response(text, media_type=kind)
        if call.path == ("sign-in",):
            return await self._sign_in.answer(call)
        if call.path != ("",) and call.path[0] not in _BEHIND_THE_DOOR:
            raise RequestFault(404, "There is no such page.")
        visitor = await self._sign_in.visitor(call)
        if visitor is None:
            return RedirectResponse("/sign-in", 303)
        if call.method == "GET":
            return await self._pages.answer(call, visitor)
        await own_form(call, frozenset(), visitor)
        if call.path == ("sign-out",):
            return await self._sign_in.out(call, visitor)
        return await run_in_threadpool(web_actions.done, self._cloud, visitor.account, call.path)
