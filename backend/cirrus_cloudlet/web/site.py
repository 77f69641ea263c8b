"""The page for people: who may see what, and the security headers of its responses.

Only signed-in people see anything. A page changes nothing; forms do. Scripts, styles and pictures
come from this server alone, and none is inline. No URL has a secret. Each group of pages is a
module of its own, with its routes in `ROUTES`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib.resources import files
from typing import cast

from starlette.responses import RedirectResponse, Response

from cirrus_cloudlet.api.call import Call
from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.errors import RequestFault, SettingsError
from cirrus_cloudlet.translation import answering, tr, verbatim
from cirrus_cloudlet.web import (
    accounts,
    api_keys,
    audit_list,
    devices,
    export,
    job_list,
    job_pages,
    locations,
    overview,
    print_page,
    release,
)
from cirrus_cloudlet.web.provider_sign_in import ProviderSignIn
from cirrus_cloudlet.web.rendering import render
from cirrus_cloudlet.web.routes import Route, Routes, Visit, no_page
from cirrus_cloudlet.web.sign_in import SignIn, read_form, sign_in_path

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
_TYPES = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "print.js": "text/javascript",
    "sign_in.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_STATIC = {name: files(__package__).joinpath("static", name).read_text() for name in _TYPES}


class Site:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._sign_in = SignIn(cloud)
        self._provider_sign_in = ProviderSignIn(cloud)
        self._routes = Routes(
            (
                *job_list.ROUTES,
                *job_pages.ROUTES,
                *locations.ROUTES,
                *print_page.ROUTES,
                *overview.ROUTES,
                *export.ROUTES,
                *release.ROUTES,
                *devices.ROUTES,
                *accounts.ROUTES,
                *api_keys.ROUTES,
                *audit_list.ROUTES,
                Route("/sign-out", "POST", self._sign_out),
            )
        )

    async def answer(self, call: Call) -> Response:
        """Answer a request outside of the API."""
        with answering(call.headers.get("accept-language", "")):
            try:
                response = await self._answer(call)
            except RequestFault as fault:
                response = render("message", fault.status, text=str(fault))
                response.headers.update(fault.headers)
        tag = response.headers.get("etag")
        if tag and response.status_code == 200 and call.headers.get("if-none-match") == tag:
            response = Response(status_code=304, headers={"ETag": tag})
        response.headers.update(_HEADERS)
        return response

    async def _answer(self, call: Call) -> Response:
        if not call.is_read and call.method != "POST":
            raise RequestFault(
                405, tr("Use GET or POST to request a page."), {"Allow": "GET, HEAD, POST"}
            )
        if call.path[0] in _STATIC and len(call.path) == 1:
            return Response(_STATIC[call.path[0]], media_type=_TYPES[call.path[0]])
        if call.path == ("sign-in",):
            return await self._sign_in.answer(call)
        if call.path[0] == "sign-in":
            return await self._provider_sign_in.answer(call)
        route, ids = self._routes.find(call)
        visitor = await self._sign_in.visitor(call)
        if visitor is None:
            return RedirectResponse(sign_in_path(call), 303)
        if not route.who.includes(visitor.account):
            raise no_page()
        share = self._cloud.shares.of(visitor.account.company)
        with share.request():
            form: dict[str, str] = {}
            if route.method == "POST" and route.has_form:
                form = await read_form(call, route.fields, visitor, route.repeated)
            elif route.fields:
                form = await call.fields(route.fields, route.repeated)
            return await _call(route, Visit(self._cloud, call, visitor, share, ids, form))

    async def _sign_out(self, visit: Visit) -> Response:
        return await self._sign_in.sign_out(visit.call, visit.visitor)


async def _call(route: Route, visit: Visit) -> Response:
    try:
        if inspect.iscoroutinefunction(route.answer):
            response: Response = await route.answer(visit)
            return response
        return await visit.share.run(cast("Callable[[Visit], Response]", route.answer), visit)
    except SettingsError as error:  # another person was faster, or cloudlet.toml is broken
        raise RequestFault(409, verbatim(error.template, **error.fields)) from error
