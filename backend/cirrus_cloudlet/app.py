"""The HTTP side: the API's endpoints and the status page, over Starlette.

Answers exactly as the API's document says: text or JSON with status 200, `Error: …` with 200 for
a request that can not be granted, 4xx for one that is broken. An early refusal still reads what
the client sends (up to a bound), or the client would see a reset instead of the reason.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from cirrus_cloudlet import __version__, describe
from cirrus_cloudlet.call import Call, Caller, Cloud
from cirrus_cloudlet.faults import Refusal, StructuralFault
from cirrus_cloudlet.page import page_routes
from cirrus_cloudlet.sites import Sites
from cirrus_cloudlet.submit import submit

log = logging.getLogger(__name__)
DRAIN_BYTES = 64 * 1024 * 1024
READ, WRITE = ("GET", "POST"), ("PUT",)


Answer = Callable[[Call], Awaitable[Response]]


async def _version(call: Call) -> Response:
    return _text_answer(f"{__version__}\n{__version__}\nembedded\nCirrus Cloudlet")


async def _put_file(call: Call) -> Response:
    caller = await call.caller()
    name = await run_in_threadpool(call.cloud.uploads.new, caller.key)
    await _receive(call, caller, name, 0)
    if "targets" not in call.query:
        return _text_answer(name)
    ids = await run_in_threadpool(_submit, call, caller, name, "\n")
    return _text_answer("\n".join(ids))


async def _temp_file(call: Call) -> Response:
    caller = await call.caller()
    return _text_answer(await run_in_threadpool(call.cloud.uploads.new, caller.key))


async def _put_segment(call: Call) -> Response:
    caller = await call.caller()
    index = call.need("index")
    if not (index.isascii() and index.isdigit() and len(index) < 19):
        raise StructuralFault(400, "index is not a byte position")
    count = await _receive(call, caller, call.need("file"), int(index))
    return _text_answer(str(count))


async def _submit_file(call: Call) -> Response:
    caller = await call.caller()
    ids = await run_in_threadpool(_submit, call, caller, call.need("file"), "\n;")
    return _text_answer("\n".join(ids))


async def _get_job(call: Call) -> Response:
    company, location, device, job_id = _ids(call, 4)
    await call.caller(company)
    job = await run_in_threadpool(call.cloud.store.job, job_id)
    where = (company, location, device)
    if job is None or (job["company"], job["location"], job["device"]) != where:
        raise Refusal(f"no job '{job_id}' for {location}:{device}")
    return JSONResponse(describe.job_object(job))


async def _get_device(call: Call) -> Response:
    company, location, device = _ids(call, 3)
    await call.caller(company)
    found = call.cloud.sites.device(company, location, device)
    if found is None:
        raise Refusal(f"no device '{device}' at location '{location}'")
    return JSONResponse(describe.device_object(found))


async def _put_device(call: Call) -> Response:
    ids = _ids(call, 3)
    await call.caller(ids[0])
    if call.cloud.sites.location(*ids[:2]) is None:
        raise Refusal(f"no location '{ids[1]}' in company '{ids[0]}'")
    fields = {"type": "file", **describe.device_fields(call.fields)}
    if call.cloud.sites.device(*ids) is not None and "Type" not in call.fields:
        del fields["type"]
    await run_in_threadpool(_define, call.cloud.sites, ids, fields)
    return _text_answer("OK")


async def _get_location(call: Call) -> Response:
    company, location = _ids(call, 2)
    await call.caller(company)
    found = call.cloud.sites.location(company, location)
    if found is None:
        raise Refusal(f"no location '{location}' in company '{company}'")
    return JSONResponse(describe.location_object(found))


async def _put_location(call: Call) -> Response:
    ids = _ids(call, 2)
    await call.caller(ids[0])
    fields = describe.location_fields(call.fields)
    await run_in_threadpool(_define, call.cloud.sites, ids, fields)
    return _text_answer("OK")


ENDPOINTS: dict[tuple[str, ...], tuple[tuple[str, ...], Answer]] = {
    ("version",): (READ, _version),
    ("putfile",): (WRITE, _put_file),
    ("tempfile",): (READ, _temp_file),
    ("putsegment",): (WRITE, _put_segment),
    ("submitfile",): (READ, _submit_file),
    ("get", "job"): (READ, _get_job),
    ("get", "device"): (READ, _get_device),
    ("put", "device"): (READ, _put_device),
    ("get", "location"): (READ, _get_location),
    ("put", "location"): (READ, _put_location),
}


async def _api(request: Request, cloud: Cloud) -> Response:
    try:
        return await _dispatch(Call(request, cloud))
    except StructuralFault as fault:
        await _drain(request)
        return PlainTextResponse(str(fault) + "\n", fault.status)
    except Refusal as refusal:
        await _drain(request)
        return _text_answer(f"Error: {refusal}")
    except ClientDisconnect:
        return Response(status_code=400)


async def _dispatch(call: Call) -> Response:
    verb = tuple(call.path[: 2 if call.path[0] in ("get", "put") else 1])
    if verb not in ENDPOINTS or (len(verb) == 1 and len(call.path) > 1):
        raise StructuralFault(404, "there is no such endpoint")
    methods, answer = ENDPOINTS[verb]
    if call.request.method not in methods:
        raise StructuralFault(405, f"{'/'.join(verb)} takes {' or '.join(methods)}")
    if methods is READ:
        await call.read_form()
    return await answer(call)


async def _receive(call: Call, caller: Caller, name: str, index: int) -> int:
    """Write the request's body into a temporary file; counts only if it came whole."""
    uploads = call.cloud.uploads
    file = await run_in_threadpool(uploads.open_at, name, caller.key, index)
    count = 0
    with file:
        async for chunk in call.request.stream():
            if chunk:
                await run_in_threadpool(_write_all, file, chunk)
                count += len(chunk)
    await run_in_threadpool(uploads.written, name, index, index + count)
    return count


def _write_all(file: Any, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[file.write(left) :]


def _submit(call: Call, caller: Caller, name: str, separators: str) -> list[str]:
    cloud = call.cloud
    return submit(
        call.fields,
        file=name,
        owner=caller.key,
        company=caller.company,
        separators=separators,
        sites=cloud.sites,
        store=cloud.store,
        uploads=cloud.uploads,
    )


def _define(sites: Sites, ids: tuple[str, ...], fields: Mapping[str, Any]) -> None:
    try:
        with sites.edit() as table:
            entry = table(*ids)
            for name, value in fields.items():
                entry[name] = value
    except ValueError as error:  # BadSites and ids that can not be
        raise Refusal(str(error)) from None


def _ids(call: Call, count: int) -> tuple[str, ...]:
    ids = tuple(call.path[2:])
    if len(ids) != count or not all(ids):
        raise StructuralFault(400, f"the path needs {count} ids")
    return ids


async def _drain(request: Request) -> None:
    left = DRAIN_BYTES
    try:
        async for chunk in request.stream():
            left -= len(chunk)
            if left < 0:
                return
    except (ClientDisconnect, RuntimeError):  # gone, or read already
        return


def _text_answer(text: str) -> Response:
    return PlainTextResponse(text)


def make_app(cloud: Cloud, lifespan: Any) -> Starlette:
    """The ASGI application."""
    api = functools.partial(_api_route, cloud=cloud)
    routes = [Route("/api/{rest:path}", api, methods=["GET", "POST", "PUT", "DELETE"])]
    return Starlette(
        routes=[*routes, *page_routes(cloud.sites, cloud.store, cloud.uploads)], lifespan=lifespan
    )


async def _api_route(request: Request, *, cloud: Cloud) -> Response:
    try:
        return await _api(request, cloud)
    except Exception:
        log.exception("a request failed")
        return PlainTextResponse("internal error\n", 500)
