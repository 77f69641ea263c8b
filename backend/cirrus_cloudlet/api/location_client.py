"""The requests of a location's clients: wait for jobs, fetch documents, report.

A key with the role `client` is bound to one location, and reaches nothing else. Each request is
safe to repeat, because its answer may be lost. Status 410 means that the claim is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
from typing import Any

from starlette.responses import FileResponse, JSONResponse, Response

from cirrus_cloudlet.api.call import Call, require
from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.delivery.claims import Claim, find_ended
from cirrus_cloudlet.delivery.kinds import waits_for_a_person
from cirrus_cloudlet.delivery.queue import Place
from cirrus_cloudlet.delivery.ways import JOB_WAITS
from cirrus_cloudlet.errors import RequestFault
from cirrus_cloudlet.inventory.inventory import Device, DeviceType
from cirrus_cloudlet.printers import read_printers
from cirrus_cloudlet.storage.audit import Actor, Origin
from cirrus_cloudlet.storage.clients import ClientName
from cirrus_cloudlet.storage.jobs import Job
from cirrus_cloudlet.storage.keys import Key

POLL_FIELDS = frozenset({"location", "client", "have", "room", "wait"})
PRINTER_FIELDS = frozenset({"client", "name", "version", "printers"})
DOCUMENT_FIELDS = frozenset({"token"})
REPORT_FIELDS = frozenset({"token", "event", "message", "again", "age", "target"})
_CLIENT_ID = re.compile(r"[0-9A-Za-z-]{8,64}")
_TOKEN = re.compile(r"[0-9A-Za-z_-]{20,100}")
_MOST_ROOM = 32
# less than the 30 seconds after which many proxies close a connection
_MOST_WAIT_S = 25.0
_MOST_WAITING = 250  # requests of a company; half of what it may have at once
_NAME_CHARACTERS = 200


async def poll(cloud: Cloud, call: Call, key: Key, fields: dict[str, str]) -> Response:
    """`client/poll`: claim jobs, and wait for some.

    Fields: `have` has the tokens of the jobs that the client has, separated by commas; `room` is
    the number of jobs that it takes besides; `wait` is in seconds.
    """
    client = _client(key, require(fields, "client"))
    if fields.get("location", client.location) != client.location:
        raise RequestFault(403, f"this key is for the location {client.location!r} only")
    have = [token for token in fields.get("have", "").split(",") if token]
    room = int(_number(fields, "room", _MOST_ROOM))
    wait_s = _number(fields, "wait", _MOST_WAIT_S)
    share = cloud.shares.of(key.company)
    if cloud.waiting.count(client.company) >= _MOST_WAITING:
        wait_s = 0.0
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    with cloud.waiting.at(client.company, client.location) as news:
        while True:
            news.clear()
            answer = await share.run(_claim, cloud, client, have, room)
            left_s = until - loop.time()
            is_over = left_s <= 0 or cloud.waiting.is_over
            if answer["jobs"] or answer["ended"] or is_over:
                return JSONResponse(answer)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), left_s)
            # a claim for a client that is gone would wait for nobody
            if cloud.waiting.is_over or await call.is_disconnected():
                return JSONResponse({"jobs": [], "ended": []})


async def put_printers(cloud: Cloud, call: Call, key: Key, fields: dict[str, str]) -> Response:
    """`client/printers`: replace what the client has reported of itself and its printers."""
    client = _client(key, require(fields, "client"))
    printers = read_printers(require(fields, "printers"))
    name, version = (_line(fields.get(each, "")) for each in ("name", "version"))
    by = Actor(key.name, Origin.KEY, key.company)

    def store() -> None:
        cloud.clients.describe(client, name, version, printers)
        cloud.add_printers(client, printers, by)

    await cloud.shares.of(key.company).run(store)
    for device in {str(each["queue"]) for each in printers}:  # their jobs may have waited for this
        cloud.waiting.tell(Place(client.company, client.location, device))
    return JSONResponse({})


async def get_document(cloud: Cloud, call: Call, key: Key, fields: dict[str, str]) -> Response:
    """`client/document`: the bytes of a claimed job's document, or a range of them."""
    token = _token(fields)
    job = await _find(cloud, call, key, token)
    path = cloud.documents.path(job.document)
    share = cloud.shares.of(key.company)
    try:
        found = await share.run(path.stat)
    except FileNotFoundError as error:  # such as after the loss of a disk
        message = f"the server has lost the document; {JOB_WAITS}"
        await share.run(cloud.claims.fail, job, token, message, again=False)
        raise _over(job.id) from error
    return FileResponse(path, stat_result=found, media_type="application/octet-stream")


async def report(cloud: Cloud, call: Call, key: Key, fields: dict[str, str]) -> Response:
    """`client/report`: what has become of a claimed job."""
    token, event = _token(fields), require(fields, "event")
    message = _line(fields.get("message", ""), 1000)
    share = cloud.shares.of(key.company)
    claims = cloud.claims
    job = await _find(cloud, call, key, token, is_late=event in ("delivered", "failed"))
    if event == "received":
        is_known = await share.run(claims.begin, job, token)
    elif event == "progress":
        await share.run(claims.note_progress, job, message)
        is_known = True
    elif event == "delivered":
        target = _line(fields.get("target", ""), 1000)
        age_s = _number(fields, "age", math.inf)
        is_known = await share.run(claims.finish, job.id, token, target, message, age_s)
    elif event == "failed":
        again = fields.get("again") == "1"
        is_known = await share.run(claims.fail, job, token, message, again=again)
    else:
        raise RequestFault(400, f"event {event!r} is not known")
    if not is_known:
        raise _over(job.id)
    cloud.waiting.tell(_place(job))  # the device is free for its next job
    return JSONResponse({})


def _claim(cloud: Cloud, client: ClientName, have: list[str], room: int) -> dict[str, Any]:
    cloud.clients.hear(client)
    location = cloud.inventory.current().companies.get(client.company, {}).get(client.location)
    devices = location.devices if location else {}
    if room and location and location.clients and location.online and not location.inactive:
        queues = cloud.clients.queues(client)

        def takes(job: Job) -> bool:
            device = devices.get(job.device)
            if device is None or device.inactive or waits_for_a_person(device):
                return False
            return device.type is not DeviceType.PRINTER or device.target in queues

        cloud.claims.claim(client, room, takes)
    active = cloud.claims.list_active(client)
    new = [claim for claim in active if claim.token not in have]
    jobs = [_job(each, devices[each.job.device]) for each in new if each.job.device in devices]
    return {"jobs": jobs, "ended": find_ended(active, have)}


def _job(claim: Claim, device: Device) -> dict[str, Any]:
    """A claimed job and its device, as a client needs them."""
    job = claim.job
    return {
        "token": claim.token,
        "id": job.id,
        "company": job.company,
        "location": job.location,
        "device": {
            "id": device.id,
            "type": device.type.name.lower(),
            "target": device.target,
            "formats": list(device.formats),
            "charset": device.charset,
            "props": dict(device.props),
        },
        "title": job.title,
        "props": dict(job.props),
        "size": job.size,
        "sha256": job.sha256,
        "format": job.format,
        "charset": job.charset,
        "submitted": job.submitted,
    }


async def _find(cloud: Cloud, call: Call, key: Key, token: str, *, is_late: bool = False) -> Job:
    company, location, device, job_id = call.path[3:]
    if location != key.location:
        raise RequestFault(403, f"this key is for the location {key.location!r} only")
    share = cloud.shares.of(key.company)
    if is_late:  # the claim may be inactive; the report checks the token
        job = await share.run(cloud.jobs.find, job_id)
    else:
        job = await share.run(cloud.claims.find, company, location, job_id, token)
    if job is None or (job.company, job.location, job.device) != (company, location, device):
        raise _over(job_id)
    return job


def _over(job_id: str) -> RequestFault:
    return RequestFault(410, f"the claim of the job {job_id!r} is over")


def _place(job: Job) -> Place:
    return Place(job.company, job.location, job.device)


def _client(key: Key, client_id: str) -> ClientName:
    if not _CLIENT_ID.fullmatch(client_id):
        raise RequestFault(400, "the id of a client has 8 to 64 letters, digits and hyphens")
    # a key with the role client has both
    return ClientName(key.company or "", key.location or "", client_id)


def _token(fields: dict[str, str]) -> str:
    token = require(fields, "token")
    if not _TOKEN.fullmatch(token):
        raise RequestFault(400, "the token is malformed")
    return token


def _number(fields: dict[str, str], name: str, most: float) -> float:
    text = fields.get(name, "0")
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text):
        raise RequestFault(400, f"{name} {text!r} is not a number")
    return min(float(text), most)


def _line(text: str, characters: int = _NAME_CHARACTERS) -> str:
    """A text of a client in one line."""
    return "".join(each if each.isprintable() else " " for each in text)[:characters]
