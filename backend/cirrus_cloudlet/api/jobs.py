"""The requests that upload files, submit jobs and get the status of jobs.

Bodies are written to disk as they arrive; an upload counts only when it is complete. Blocking
work runs in threads, so that a slow disk does not delay other requests.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, PlainTextResponse, Response

from cirrus_cloudlet.api import answers
from cirrus_cloudlet.api.call import Call, require
from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.compression import Compression, parse_compression
from cirrus_cloudlet.errors import Refusal, RequestFault
from cirrus_cloudlet.storage.keys import Key
from cirrus_cloudlet.storage.uploads import IncomingFile, Segment
from cirrus_cloudlet.submit import Order

SUBMIT_FIELDS = frozenset({"targets", "title", "compid", "cmp", "props"})
_PIECE_BYTES = 1024 * 1024
_HOUR_S = 3600.0
_PUTFILE = (Compression.NONE, Compression.ZLIB)
_SUBMITFILE = (*_PUTFILE, Compression.GZIP)


async def put_file(cloud: Cloud, call: Call, key: Key) -> Response:
    """`putfile`: upload a file, and submit it if the request has parameters."""
    fields = await call.fields(SUBMIT_FIELDS)
    if not fields:
        with cloud.uploads.incoming(_limit(cloud)) as received:
            await _receive(call, received)
            return PlainTextResponse(await run_in_threadpool(_store_upload, cloud, key, received))
    order = _order(call, fields, key, _PUTFILE, semicolons=False)
    with cloud.uploads.incoming(_limit(cloud)) as received:
        await _receive(call, received)
        whole = Segment(0, 0, received.size, received.path.name)
        ids = await run_in_threadpool(
            cloud.submission.submit, order, [whole] if received.size else []
        )
    return PlainTextResponse("\n".join(ids))


async def temp_file(cloud: Cloud, call: Call, key: Key) -> Response:
    """`tempfile`: begin an upload by segments, and return its name."""
    await call.fields(frozenset())
    return PlainTextResponse(await run_in_threadpool(cloud.uploads.new, _owner(key), "tempfile"))


async def put_segment(cloud: Cloud, call: Call, key: Key) -> Response:
    """`putsegment`: store a segment at its position."""
    fields = await call.fields(frozenset({"file", "index"}))
    name, index = require(fields, "file"), require(fields, "index")
    if not re.fullmatch(r"[0-9]{1,18}", index):
        raise Refusal(f"index {index!r} is not a byte position")
    upload = await run_in_threadpool(cloud.uploads.find, name, _owner(key), _lifetime_s(cloud))
    if upload.origin != "tempfile":
        raise Refusal(f"file {name!r} is from putfile and takes no segments")
    position, limit = int(index), _limit(cloud)
    if position > limit:
        raise RequestFault(413, f"the limit is {limit} bytes")
    with cloud.uploads.incoming(limit - position) as received:
        await _receive(call, received)
        if received.size:
            await run_in_threadpool(cloud.uploads.add_segment, name, position, received)
    return PlainTextResponse(str(received.size))


async def submit_file(cloud: Cloud, call: Call, key: Key) -> Response:
    """`submitfile`: submit an uploaded file, as often as wanted."""
    fields = await call.fields(SUBMIT_FIELDS | {"file"})
    name = require(fields, "file")

    def submit() -> list[str]:
        upload = cloud.uploads.find(name, _owner(key), _lifetime_s(cloud))
        # the API document allows semicolons only after an upload by putfile
        order = _order(call, fields, key, _SUBMITFILE, semicolons=upload.origin == "putfile")
        return cloud.submission.submit(order, cloud.uploads.segments(name))

    _company(fields, key)
    require(fields, "targets")
    require(fields, "title")
    return PlainTextResponse("\n".join(await run_in_threadpool(submit)))


async def get_job(cloud: Cloud, call: Call, key: Key) -> Response:
    """`get job`: the status of a job."""
    await call.fields(frozenset())
    company, location, device, job_id = call.path[3:]
    check_company(key, company)

    def found() -> dict[str, object]:
        cloud.inventory.current().location(company, location)
        job = cloud.jobs.find(job_id)
        if job is None or (job.company, job.location, job.device) != (company, location, device):
            raise Refusal(f"unknown job {job_id!r}")
        return answers.job_fields(job)

    return JSONResponse(await run_in_threadpool(found))


def check_company(key: Key, company: str) -> str:
    """Return `company`, if the key may act for it.

    Raises:
        RequestFault: the key is bound to another company.
    """
    if key.company not in (None, company):
        raise RequestFault(403, f"this key is not valid for company {company!r}")
    return company


def _company(fields: dict[str, str], key: Key) -> str:
    if key.company is not None and "compid" not in fields:
        return key.company
    return check_company(key, require(fields, "compid"))


def _order(
    call: Call,
    fields: dict[str, str],
    key: Key,
    allowed: tuple[Compression, ...],
    *,
    semicolons: bool,
) -> Order:
    return Order(
        idempotency_key=call.idempotency_key(),
        company=_company(fields, key),
        targets=require(fields, "targets"),
        title=require(fields, "title"),
        props=fields.get("props", ""),
        compression=parse_compression(fields.get("cmp"), allowed),
        semicolons=semicolons,
    )


async def _receive(call: Call, received: IncomingFile) -> None:
    announced = call.length()
    received.check_size(announced or 0)
    async for data in _gather(call.body()):
        await run_in_threadpool(received.write, data)
    if announced is not None and announced != received.size:
        raise RequestFault(400, f"received {received.size} of {announced} announced bytes")


async def _gather(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Join small pieces, because a thread for each packet would cost more than the writing."""
    held = bytearray()
    async for piece in pieces:
        held += piece
        if len(held) >= _PIECE_BYTES:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


def _store_upload(cloud: Cloud, key: Key, received: IncomingFile) -> str:
    name = cloud.uploads.new(_owner(key), "putfile")
    if received.size:
        cloud.uploads.add_segment(name, 0, received)
    return name


def _owner(key: Key) -> str:
    # the company, not the key: a key may be replaced between an upload and its submit
    return key.company or ""


def _limit(cloud: Cloud) -> int:
    return cloud.inventory.current().limits.document_bytes


def _lifetime_s(cloud: Cloud) -> float:
    return cloud.inventory.current().limits.upload_hours * _HOUR_S
