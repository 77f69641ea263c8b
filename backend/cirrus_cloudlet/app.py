"""The web application: dispatch, API keys, and error responses.

A request with a wrong structure gets a 4xx status. A full quota gets status 429, because a client
then tries again later. Any other failure gets status 200 and `Error: message`, as the API document
says. The key is checked before the body is read. Keys and queries are never logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import logging
import secrets
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from cirrus_cloudlet.api import inventory, jobs, location_client
from cirrus_cloudlet.api.call import Call
from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.errors import QuotaFull, Refusal, RequestFault
from cirrus_cloudlet.log_lines import describe
from cirrus_cloudlet.storage.engine import CommitInDoubt, ConnectionLost, DatabaseFault
from cirrus_cloudlet.storage.keys import Key, Role
from cirrus_cloudlet.version import __version__
from cirrus_cloudlet.web.site import Site

log = logging.getLogger(__name__)
_RETRY_AFTER_S = 10  # clients wait longer each time
_READ = frozenset({"GET", "HEAD", "POST"})
_CHANGE = frozenset({"GET", "POST"})  # HEAD changes nothing (RFC 9110, section 9.2.1)
_POST = frozenset({"POST"})
_PUT = frozenset({"PUT"})
_ASK_FOR_KEY = {"WWW-Authenticate": "Bearer"}


class Endpoint(NamedTuple):
    """A request of the API; `ids` is the number of ids after its name in the path."""

    methods: frozenset[str]
    ids: int
    answer: Callable[[Cloud, Call, Key, dict[str, str]], Awaitable[Response]] | None
    fields: frozenset[str] = frozenset()
    role: Role = Role.PRINT  # that a key needs; an admin may also print


_ENDPOINTS: Mapping[tuple[str, ...], Endpoint] = {
    ("version",): Endpoint(_READ, 0, None),  # needs no key
    ("putfile",): Endpoint(_PUT, 0, jobs.put_file, jobs.SUBMIT_FIELDS),
    ("submitfile",): Endpoint(_CHANGE, 0, jobs.submit_file, jobs.SUBMIT_FIELDS | {"file"}),
    ("tempfile",): Endpoint(_CHANGE, 0, jobs.temp_file),
    ("putsegment",): Endpoint(_PUT, 0, jobs.put_segment, frozenset({"file", "index"})),
    ("get", "job"): Endpoint(_READ, 4, jobs.get_job),
    ("get", "device"): Endpoint(_READ, 3, inventory.get_device),
    ("put", "device"): Endpoint(
        _CHANGE, 3, inventory.put_device, inventory.DEVICE_FIELDS, Role.ADMIN
    ),
    ("get", "location"): Endpoint(_READ, 2, inventory.get_location),
    ("put", "location"): Endpoint(
        _CHANGE, 2, inventory.put_location, inventory.LOCATION_FIELDS, Role.ADMIN
    ),
    ("client", "poll"): Endpoint(
        _POST, 0, location_client.poll, location_client.POLL_FIELDS, Role.CLIENT
    ),
    ("client", "printers"): Endpoint(
        _POST, 0, location_client.put_printers, location_client.PRINTER_FIELDS, Role.CLIENT
    ),
    ("client", "document"): Endpoint(
        _READ, 4, location_client.get_document, location_client.DOCUMENT_FIELDS, Role.CLIENT
    ),
    ("client", "report"): Endpoint(
        _POST, 4, location_client.report, location_client.REPORT_FIELDS, Role.CLIENT
    ),
}


@functools.cache
def _headers() -> tuple[tuple[bytes, bytes], ...]:
    """The headers of each response of this process."""
    return (
        (b"idempotency-supported", b"1"),  # lets a client repeat a submit whose response was lost
        # after a change of this, a client no longer relies on its uploaded segments
        (b"server-instance", secrets.token_hex(8).encode()),
    )


def make_application(cloud: Cloud) -> Router:
    """Make the application that serves a cloud, and starts and stops it with the server."""
    site = Site(cloud)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            try:
                response = await _answer(cloud, site, scope, receive)
            except asyncio.CancelledError:  # the server stops, and the grace period is over
                response = PlainTextResponse("the server is stopping\n", 503)
            await response(scope, receive, send)
        except ClientDisconnect:  # the client is gone
            pass
        except Exception as error:  # noqa: BLE001 - uvicorn would log a traceback for each request
            log.error("internal error in a request (%s)", describe(error))
            with contextlib.suppress(RuntimeError):  # the response has begun; uvicorn ends it
                await PlainTextResponse("internal error\n", 500)(scope, receive, send)

    @contextlib.asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        await run_in_threadpool(cloud.start)
        yield
        await run_in_threadpool(cloud.stop)

    # no routes: they match decoded paths, in which a `/` of an id looks like a separator
    return Router(default=app, lifespan=lifespan)


async def _answer(cloud: Cloud, site: Site, scope: Scope, receive: Receive) -> Response:
    try:
        call = Call(scope, receive)
        if call.path[:1] != ("api",):
            return await site.answer(call)
        response = await _api(cloud, call)
        response.raw_headers.extend(_headers())  # `headers` would look for each of them first
        return response
    except RequestFault as fault:
        return PlainTextResponse(f"{fault}\n", fault.status, fault.headers)
    except QuotaFull as full:
        log.warning("a request has to wait: %s", full)
        return _busy(str(full))
    except Refusal as refusal:
        return PlainTextResponse(f"Error: {refusal}")
    except CommitInDoubt as doubt:
        log.error("a request may have been carried out (%s)", doubt)
        return PlainTextResponse("the server lost its database; ask again\n", 503)
    except ConnectionLost as lost:
        log.error("a request has to wait: no connection to the database (%s)", lost)
        return _busy("the server cannot reach its database")
    except (OSError, sqlite3.Error, DatabaseFault) as error:
        log.error("a request failed (%s)", error)
        if _is_full(error):
            return _busy("the disk is full")
        # the text of a file's or a server's error may name what clients need not know
        cause = error.strerror if isinstance(error, OSError) else error
        cause = "database" if isinstance(error, DatabaseFault) else cause
        return PlainTextResponse(f"Error: internal error of the server ({cause})")


def _is_full(error: OSError | sqlite3.Error | DatabaseFault) -> bool:
    if isinstance(error, DatabaseFault):
        return error.is_full
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def _busy(text: str) -> Response:
    # no 503 or 507: they would leave open whether a submit was accepted (RFC 6585, 4)
    return PlainTextResponse(f"{text}\n", 429, {"Retry-After": str(_RETRY_AFTER_S)})


def _check_role(has: Role, needs: Role) -> None:
    """Raise RequestFault if a key's role is not enough for a request."""
    if has is Role.CLIENT and needs is not Role.CLIENT:
        raise RequestFault(403, "this API key may only fetch and report the jobs of its location")
    if needs is Role.CLIENT and has is not Role.CLIENT:
        raise RequestFault(403, "only a key with the role client may fetch jobs")
    if needs is Role.ADMIN and has is not Role.ADMIN:
        raise RequestFault(
            403,
            "this API key may only print; changing devices and locations needs the role admin"
            " (on the server: cirrus-cloudlet key role)",
        )


async def _api(cloud: Cloud, call: Call) -> Response:
    path = call.path[1:]
    name = path[:1] if path[:1] in _ENDPOINTS else path[:2]
    endpoint = _ENDPOINTS.get(name)
    if endpoint is None or len(path) != len(name) + endpoint.ids:
        raise RequestFault(404, "there is no such endpoint")
    if call.method not in endpoint.methods:
        allowed = ", ".join(sorted(endpoint.methods))
        raise RequestFault(
            405, f"{call.method} is not allowed here; use {allowed}", {"Allow": allowed}
        )
    if endpoint.answer is None:
        return PlainTextResponse(
            f"cirrus-cloudlet {__version__}\ncirrus-cloudlet {__version__}\n0\nunlicensed"
        )
    sent = call.bearer()
    if sent is None:
        raise RequestFault(401, "an API key is required: Authorization: Bearer KEY", _ASK_FOR_KEY)
    key = await cloud.look_up(cloud.keys.find, sent)
    if key is None:
        raise RequestFault(401, "unknown API key", _ASK_FOR_KEY)
    if endpoint.ids:
        jobs.check_company(key, call.path[3])
    _check_role(key.role, endpoint.role)
    with cloud.shares.of(key.company).request():
        fields = await call.fields(endpoint.fields)
        return await endpoint.answer(cloud, call, key, fields)
