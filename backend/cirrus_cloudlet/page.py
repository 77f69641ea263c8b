"""The status page for a browser: locations, devices and the newest jobs, read-only.

Server-rendered, no script. Signed in by HTTP Basic over the API's own keys (user: the company,
password: a key), so that no key is ever part of an address. Documents leave as downloads only.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from urllib.parse import quote

import jinja2
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from cirrus_cloudlet.sites import Sites
from cirrus_cloudlet.store import Store
from cirrus_cloudlet.uploads import Uploads

JOBS = 100
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors "
    "'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("cirrus_cloudlet"), autoescape=True, trim_blocks=True
)


def page_routes(sites: Sites, store: Store, uploads: Uploads) -> list[Route]:
    """The routes of the page and its downloads."""

    async def overview(request: Request, company: str) -> Response:
        jobs = await run_in_threadpool(store.jobs, company=company, limit=JOBS)
        html = _ENVIRONMENT.get_template("overview.html").render(
            company=company, locations=sites.companies.get(company, {}).values(), jobs=jobs
        )
        return HTMLResponse(html, headers=HEADERS)

    async def download(request: Request, company: str) -> Response:
        job = await run_in_threadpool(store.job, request.path_params["job_id"])
        if job is None or job["company"] != company:
            return PlainTextResponse("no such job\n", 404, headers=HEADERS)
        name = quote(f"{job['id']}.{job['format']}")
        headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
        path = uploads.path(job["document"])
        return FileResponse(path, media_type="application/octet-stream", headers=headers)

    return [
        Route("/", _signed_in(store, overview)),
        Route("/document/{job_id}", _signed_in(store, download)),
    ]


def _signed_in(
    store: Store, view: Callable[[Request, str], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    async def checked(request: Request) -> Response:
        user, key = _credentials(request.headers.get("authorization", ""))
        entry = await run_in_threadpool(store.find_key, key) if key else None
        if entry is None or entry["company"] not in (None, user) or not user:
            headers = {**HEADERS, "WWW-Authenticate": 'Basic realm="Cirrus Cloudlet"'}
            text = "Sign in: the user is the company, the password is an API key.\n"
            return PlainTextResponse(text, 401, headers=headers)
        return await view(request, user)

    return checked


def _credentials(header: str) -> tuple[str, str]:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, key = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, key
