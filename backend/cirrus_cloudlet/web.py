"""The page for people: locations, devices and the newest jobs of one company.

Signed in to with the company and an API key of it. Shows and hands out, changes nothing; there is
no script, and a document is only ever downloaded, never shown in the page's own name.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response

from cirrus_cloudlet.answers import timestamp
from cirrus_cloudlet.call import Call
from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.errors import RequestFault
from cirrus_cloudlet.jobs import Job, JobState
from cirrus_cloudlet.tags import safe

_JOBS = 100
_STATES = {
    JobState.SUBMITTED: "submitted, waiting for the location",
    JobState.RECEIVED: "received at the location",
    JobState.DELIVERED: "delivered",
    JobState.DELETED: "deleted",
    JobState.SAVED: "saved",
    JobState.TRASHED: "in the trash",
}


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("cirrus_cloudlet"), autoescape=select_autoescape(default=True)
    )
    environment.filters["segment"] = lambda text: quote(text, safe="")
    environment.filters["time"] = _local_time
    environment.filters["timestamp"] = timestamp
    return environment


def _local_time(time_s: float) -> str:
    return datetime.fromtimestamp(time_s).astimezone().strftime("%Y-%m-%d %H:%M:%S")


_ENVIRONMENT = _environment()
_STYLE = _ENVIRONMENT.get_template("page.css").render()
_STYLE_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


async def page(cloud: Cloud, call: Call) -> Response:
    """Whatever is not of the API: the page, or a document to download.

    Raises:
        RequestFault: there is no such page, or it is not asked for by GET.
    """
    download = len(call.path) == 2 and call.path[0] == "documents"
    if not download and call.path != ("",):
        raise RequestFault(404, "there is no such page")
    if call.method != "GET":
        raise RequestFault(405, "pages are asked for with GET")
    company = await run_in_threadpool(_signed_in, cloud, call)
    if company is None:
        ask = {"WWW-Authenticate": 'Basic realm="cirrus-cloudlet", charset="UTF-8"'}
        text = "Sign in with the company as the user name and an API key as the password.\n"
        return PlainTextResponse(text, 401, _HEADERS | ask)
    if download:
        return await run_in_threadpool(_document, cloud, company, call.path[1])
    return await run_in_threadpool(_home, cloud, company)


def _signed_in(cloud: Cloud, call: Call) -> str | None:
    sign_in = call.sign_in()
    key = cloud.keys.find(sign_in.key) if sign_in else None
    if sign_in is None or key is None or key.company not in (None, sign_in.company):
        return None
    known = sign_in.company in cloud.inventory.current().companies
    return sign_in.company if known else None


def _home(cloud: Cloud, company: str) -> Response:
    jobs = cloud.jobs.newest(company, _JOBS)
    text = _ENVIRONMENT.get_template("page.html").render(
        company=company,
        locations=cloud.inventory.current().companies[company].values(),
        jobs=jobs,
        states=_STATES,
        style=_STYLE,
        has_document={job.id: cloud.documents.path(job.document).exists() for job in jobs},
    )
    return HTMLResponse(text, headers=_HEADERS)


def _document(cloud: Cloud, company: str, job_id: str) -> Response:
    job = cloud.jobs.find(job_id)
    if job is None or job.company != company:
        raise RequestFault(404, "there is no such job")
    path = cloud.documents.path(job.document)
    if not path.exists():
        raise RequestFault(404, "this job's document is no longer kept")
    return FileResponse(
        path,
        filename=_file_name(job),
        media_type="application/octet-stream",
        content_disposition_type="attachment",
        headers=_HEADERS,
    )


def _file_name(job: Job) -> str:
    name = safe(job.title)
    extension = f".{job.format}"
    return name if name.lower().endswith(extension) else name + extension
