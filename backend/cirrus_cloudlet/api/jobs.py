"""The requests that upload files, submit jobs and get the status of jobs.

Bodies are written to disk as they arrive; an upload counts only when it is complete. Blocking
work runs in the threads of the company's share.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from starlette.responses import JSONResponse, PlainTextResponse, Response

from cirrus_cloudlet.api import answers
from cirrus_cloudlet.api.call import Call, require
from cirrus_cloudlet.cloud import HOUR_S, Cloud
from cirrus_cloudlet.compression import Compression, parse_compression
from cirrus_cloudlet.errors import Refusal, RequestFault
from cirrus_cloudlet.inventory.inventory import LARGEST
from cirrus_cloudlet.receiving import PIECE_BYTES, Receiver, submit_received
from cirrus_cloudlet.shares import Share
from cirrus_cloudlet.storage.keys import Key, Role
from cirrus_cloudlet.storage.quotas import Owner
from cirrus_cloudlet.storage.uploads import Contents, IncomingFile, Upload
from cirrus_cloudlet.submit import Order, Submission

SUBMIT_FIELDS = frozenset({"targets", "title", "compid", "cmp", "props"})


async def put_file(cloud: Cloud, call: Call, key: Key, fields: dict[str, str]) -> Response:
    """`putfile`: upload a file, and submit it if the request has parameters."""
    order = _order(call, fields, key, Compression.ZLIB, semicolons=False) if fields else None
    owner, limit = _owner(key), _limit(cloud)
    share = cloud.shares.of(key.company)

    with cloud.uploads.incoming(owner, limit) as received:

        def store(write_last: Callable[[], None]) -> str:
            write_last()
            upload = cloud.uploads.new(owner, "putfile")
            if received.size:
                cloud.uploads.add_segment(upload, 0, received, limit)
            return upload.name

        async with share.receiving(owner.key):
            write_last = await _receive(call, share, received)
            if order is None:
                return PlainTextResponse(await share.run(store, write_last))

            is_small = not received.size and not call.content_coding()
            ids = await submit_received(
                cloud, share, order, received, write_last, is_small=is_small
            )
            return PlainTextResponse("\n".join(ids))


async def temp_file(cloud: Cloud, call: Call, key: Key, fields: dict[str, str]) -> Response:
    """`tempfile`: begin an upload by segments, and return its name."""
    owner = _owner(key)
    upload = await cloud.shares.of(key.company).run(cloud.uploads.new, owner, "tempfile")
    return PlainTextResponse(upload.name)


async def put_segment(cloud: Cloud, call: Call, key: Key, fields: dict[str, str]) -> Response:
    """`putsegment`: store a segment at its position."""
    name, index = require(fields, "file"), require(fields, "index")
    if not re.fullmatch(r"[0-9]{1,18}", index):
        raise Refusal(f"index {index!r} is not a byte position")
    share = cloud.shares.of(key.company)
    upload = await share.run(_find_upload, cloud, key, name)
    if upload.origin != "tempfile":
        raise Refusal(f"file {name!r} is from putfile and takes no segments")
    position, limit = int(index), _limit(cloud)
    if position > limit:
        raise RequestFault(413, f"the limit is {limit} bytes ({LARGEST})")
    with cloud.uploads.incoming(upload.owner, limit - position) as received:

        def store(write_last: Callable[[], None]) -> None:
            write_last()
            if received.size:
                cloud.uploads.add_segment(upload, position, received, limit)

        async with share.receiving(upload.owner.key):
            await share.run(store, await _receive(call, share, received))
    return PlainTextResponse(str(received.size))


async def submit_file(cloud: Cloud, call: Call, key: Key, fields: dict[str, str]) -> Response:
    """`submitfile`: submit an uploaded file, as often as wanted."""
    name = require(fields, "file")
    share = cloud.shares.of(key.company)

    def receive() -> tuple[Order, Contents, Upload]:
        upload = _find_upload(cloud, key, name)
        # the API document allows semicolons only after an upload by putfile
        semicolons = upload.origin == "putfile"
        order = _order(call, fields, key, Compression.GZIP, semicolons=semicolons)
        return order, cloud.uploads.contents(name), upload

    _company(fields, key)
    require(fields, "targets")
    require(fields, "title")
    ids = await share.submit(Submission(cloud, share, receive), is_small=False)
    return PlainTextResponse("\n".join(ids))


async def get_job(cloud: Cloud, call: Call, key: Key, fields: dict[str, str]) -> Response:
    """`get job`: the status of a job."""
    company, location, device, job_id = call.path[3:]
    cloud.inventory.current().location(company, location)
    job = await cloud.look_up(cloud.jobs.find, job_id)
    if job is None or (job.company, job.location, job.device) != (company, location, device):
        raise Refusal(f"unknown job {job_id!r}")
    # other keys, such as those of other print servers, do not see what waits for its owner
    is_private = job.held_for is not None and job.key != key.name and key.role is not Role.ADMIN
    return JSONResponse(answers.job_fields(job, is_private=is_private))


def check_company(key: Key, company: str) -> str:
    """Return `company`; raise RequestFault if the key is bound to another company."""
    if key.company not in (None, company):
        raise RequestFault(403, f"this key is not valid for company {company!r}")
    return company


def _company(fields: dict[str, str], key: Key) -> str:
    if key.company is not None and "compid" not in fields:
        return key.company
    return check_company(key, require(fields, "compid"))


def _order(
    call: Call, fields: dict[str, str], key: Key, highest: Compression, *, semicolons: bool
) -> Order:
    return Order(
        idempotency_key=call.idempotency_key(),
        owner=Owner(_company(fields, key), key.name),
        targets=require(fields, "targets"),
        title=require(fields, "title"),
        props=fields.get("props", ""),
        compression=parse_compression(fields.get("cmp"), highest),
        semicolons=semicolons,
    )


async def _receive(call: Call, share: Share, received: IncomingFile) -> Callable[[], None]:
    """Receive a body; return what writes its last piece, for the thread that needs the body."""
    length = call.headers.get("content-length")
    announced = int(length) if length is not None else None
    received.check_size(announced or 0)
    receiver = Receiver(share, received, call.content_coding())
    if announced and announced > PIECE_BYTES:
        await share.run(received.reserve, announced)  # before the body is read
    async for piece in call.stream():
        await receiver.add(piece)
    if announced is not None and announced != receiver.arrived_bytes:
        raise RequestFault(400, f"received {receiver.arrived_bytes} of {announced} announced bytes")
    return receiver.finish()


def _owner(key: Key) -> Owner:
    return Owner(key.company or "", key.name)


def _limit(cloud: Cloud) -> int:
    return cloud.inventory.current().limits.largest_bytes


def _find_upload(cloud: Cloud, key: Key, name: str) -> Upload:
    lifetime_s = cloud.inventory.current().limits.upload_hours * HOUR_S
    # any key of the company: a key may be replaced between an upload and its submit
    return cloud.uploads.find(name, key.company or "", lifetime_s)
