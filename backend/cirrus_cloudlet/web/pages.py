"""The pages: the overview, a job, its pictures and its document. No page changes anything."""

from __future__ import annotations

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, PlainTextResponse, Response

from cirrus_cloudlet.api.call import Call
from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.errors import RequestFault
from cirrus_cloudlet.inventory.tags import make_safe
from cirrus_cloudlet.storage.jobs import Job, JobState
from cirrus_cloudlet.storage.previews import NoPicture, Size
from cirrus_cloudlet.web import jobs as web_jobs
from cirrus_cloudlet.web.jobs import JobView
from cirrus_cloudlet.web.rendering import render
from cirrus_cloudlet.web.sign_in import Visitor

_PICTURES_AT_ONCE = 2  # a slow document delays other pictures, and nothing else
# a browser user's jobs by state; deleted jobs are not shown
_MAILBOX = {
    "New": (JobState.SUBMITTED, JobState.RECEIVED, JobState.DELIVERED),
    "Saved": (JobState.SAVED,),
    "Trash": (JobState.TRASHED,),
}


class Pages:
    """The pages of a cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._painters = CapacityLimiter(_PICTURES_AT_ONCE)

    async def answer(self, call: Call, visitor: Visitor) -> Response:
        """Return the page of a path.

        Raises:
            RequestFault: there is no such page.
        """
        match call.path:
            case ("",):
                return await run_in_threadpool(self._home, visitor)
            case ("jobs", job_id):
                return await run_in_threadpool(self._job, visitor, job_id)
            case ("jobs", job_id, "document"):
                job = await run_in_threadpool(self._find, visitor, job_id)
                return document(self._cloud, job)
            case ("jobs", job_id, "thumbnail"):
                return await self._picture(visitor, job_id, 1, Size.SMALL)
            case ("jobs", job_id, "pages", number) if number.isdecimal() and len(number) < 4:
                return await self._picture(visitor, job_id, int(number), Size.LARGE)
        raise RequestFault(404, "There is no such page.")

    def _home(self, visitor: Visitor) -> Response:
        account = visitor.account
        jobs = web_jobs.newest(self._cloud, account)
        if account.location is None:
            locations = list(self._cloud.inventory.current().companies[account.company].values())
            sections = {"Newest jobs": jobs}
        else:
            locations = []
            sections = {
                name: [seen for seen in jobs if seen.job.state in states]
                for name, states in _MAILBOX.items()
            }
        return render("home", visitor=visitor, locations=locations, sections=sections)

    def _job(self, visitor: Visitor, job_id: str) -> Response:
        seen = self._find(visitor, job_id)
        history = self._cloud.jobs.history(job_id)
        return render("job", visitor=visitor, seen=seen, history=history)

    def _find(self, visitor: Visitor, job_id: str) -> JobView:
        return web_jobs.find(self._cloud, visitor.account, job_id)

    async def _picture(self, visitor: Visitor, job_id: str, number: int, size: Size) -> Response:
        seen = await run_in_threadpool(self._find, visitor, job_id)
        if seen.problem:
            raise RequestFault(404, seen.problem)
        page = self._cloud.previews.page
        try:
            picture = await run_sync(page, seen.job.document, number, size, limiter=self._painters)
        except NoPicture as reason:
            return PlainTextResponse(f"{reason}\n", 404)
        return Response(picture, media_type="image/png")


def document(cloud: Cloud, seen: JobView) -> Response:
    """Return a job's document as a download, which browsers never show as a page of this server.

    Raises:
        RequestFault: the document is no longer kept.
    """
    if not seen.has_document:
        raise RequestFault(404, "This job's document is no longer kept.")
    return FileResponse(
        cloud.documents.path(seen.job.document),
        filename=_file_name(seen.job),
        media_type="application/octet-stream",
        content_disposition_type="attachment",
    )


def _file_name(job: Job) -> str:
    name = make_safe(job.title)
    extension = f".{job.format}"
    return name if name.lower().endswith(extension) else name + extension
