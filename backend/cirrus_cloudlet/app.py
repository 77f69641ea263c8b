"""The web application: which request is whose, who may ask, and how a failure is told.

Statuses 400 to 499 say that a request is wrong in its structure; whatever else fails is answered
with 200 and `Error: message`, as the API's document has it. A key is checked before a body is
read, and neither keys nor queries are ever logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from cirrus_cloudlet import __version__
from cirrus_cloudlet.api import inventory, jobs
from cirrus_cloudlet.api.call import Call
from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.errors import Refused, RequestFault
from cirrus_cloudlet.storage.keys import Key
from cirrus_cloudlet.web.routes import Site

log = logging.getLogger(__name__)
_READ = frozenset({"GET", "POST"})
_PUT = frozenset({"PUT"})


class Endpoint(NamedTuple):
    """A request of the API; `ids` follow its name in the path."""

    methods: frozenset[str]
    ids: int
    answer: Callable[[Cloud, Call, Key], Awaitable[Response]]


_ENDPOINTS: Mapping[tuple[str, ...], Endpoint] = {
    ("putfile",): Endpoint(_PUT, 0, jobs.put_file),
    ("submitfile",): Endpoint(_READ, 0, jobs.submit_file),
    ("tempfile",): Endpoint(_READ, 0, jobs.temp_file),
    ("putsegment",): Endpoint(_PUT, 0, jobs.put_segment),
    ("get", "job"): Endpoint(_READ, 4, jobs.get_job),
    ("get", "device"): Endpoint(_READ, 3, inventory.get_device),
    ("put", "device"): Endpoint(_READ, 3, inventory.put_device_fields),
    ("get", "location"): Endpoint(_READ, 2, inventory.get_location),
    ("put", "location"): Endpoint(_READ, 2, inventory.put_location_fields),
}


def application(cloud: Cloud) -> Router:
    """The application that serves a cloud; starts and stops it with the server."""

    @contextlib.asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        await run_in_threadpool(cloud.start)
        yield
        await run_in_threadpool(cloud.stop)

    # no routes: they match decoded paths, in which an id's own `/` cannot be told from a separator
    return Router(default=_served(cloud), lifespan=lifespan)


def _served(cloud: Cloud) -> ASGIApp:
    site = Site(cloud)
    instance = secrets.token_hex(8)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        with contextlib.suppress(ClientDisconnect):  # nobody is left to be answered
            try:
                response = await _answered(cloud, site, request, instance)
            except asyncio.CancelledError:  # the server ends, and has given the request its time
                response = PlainTextResponse("the server is stopping\n", 503)
            await response(scope, receive, send)

    return app


async def _answered(cloud: Cloud, site: Site, request: Request, instance: str) -> Response:
    try:
        call = Call(request)
        if call.path[:1] == ("api",):
            response = await _api(cloud, call)
            # a client that knows this may repeat a submit whose answer it has lost
            response.headers["Idempotency-Supported"] = "1"
            # and one that sees this change no longer relies on what it has uploaded
            response.headers["Server-Instance"] = instance
            return response
        return await site.answer(call)
    except RequestFault as fault:
        headers = {"WWW-Authenticate": "Bearer"} if fault.status == 401 else None
        return PlainTextResponse(f"{fault}\n", fault.status, headers)
    except Refused as refusal:
        return PlainTextResponse(f"Error: {refusal}")
    except (OSError, sqlite3.Error) as error:
        log.exception("a request failed")
        return PlainTextResponse(f"Error: the server could not do it: {error}")


async def _api(cloud: Cloud, call: Call) -> Response:
    path = call.path[1:]
    if path == ("version",):
        _check_method(call, _READ)
        return PlainTextResponse(
            f"cirrus-cloudlet {__version__}\ncirrus-cloudlet {__version__}\n0\nunlicensed"
        )
    endpoint = _ENDPOINTS.get(path[:1]) or _ENDPOINTS.get(path[:2])
    name_length = 1 if path[:1] in _ENDPOINTS else 2
    if endpoint is None or len(path) != name_length + endpoint.ids:
        raise RequestFault(404, "there is no such endpoint")
    _check_method(call, endpoint.methods)
    sent = call.bearer()
    if sent is None:
        raise RequestFault(401, "an API key is needed: Authorization: Bearer KEY")
    key = await run_in_threadpool(cloud.keys.find, sent)
    if key is None:
        raise RequestFault(401, "this API key is not known")
    return await endpoint.answer(cloud, call, key)


def _check_method(call: Call, methods: frozenset[str]) -> None:
    if call.method not in methods:
        allowed = ", ".join(sorted(methods))
        raise RequestFault(405, f"{call.method} is not the way to ask this; use {allowed}")
