"""A job's own page, its document and page images, and what people do with the job."""

from __future__ import annotations

import textwrap
from functools import partial

from starlette.responses import FileResponse, RedirectResponse, Response

from cirrus_cloudlet.delivery.queue import Place
from cirrus_cloudlet.errors import RequestFault
from cirrus_cloudlet.inventory.tags import make_safe
from cirrus_cloudlet.storage.previews import NoPicture, Size
from cirrus_cloudlet.translation import tr, verbatim
from cirrus_cloudlet.web.job_views import VERBS, JobView, find
from cirrus_cloudlet.web.pages import show
from cirrus_cloudlet.web.release import device_path
from cirrus_cloudlet.web.rendering import render_text
from cirrus_cloudlet.web.routes import Route, Visit, no_page


def _job(visit: Visit) -> Response:
    seen = _find(visit)
    return show(visit, "job", seen=seen, history=visit.cloud.jobs.history(seen.job.id))


def _document(visit: Visit) -> Response:
    return _download(visit, _find(visit))


async def _thumbnail(visit: Visit) -> Response:
    return await _picture(visit, 1, Size.SMALL)


async def _page(visit: Visit) -> Response:
    number = visit.ids[1]
    if not (number.isdecimal() and len(number) < 4):
        raise no_page()
    return await _picture(visit, int(number), Size.LARGE)


async def _picture(visit: Visit, number: int, size: Size) -> Response:
    seen = await visit.share.run(_find, visit)
    if seen.problem:
        return _in_words(seen.problem, size)
    page = visit.cloud.previews.page
    try:
        picture = await visit.share.paint(page, seen.job.document, number, size)
    except NoPicture as reason:
        return _in_words(tr("No page image: {cause}.", cause=verbatim(str(reason))), size)
    return Response(picture, media_type="image/png")


def _in_words(problem: str, size: Size) -> Response:
    """A picture that says why there is no page image; browsers show it in spite of its status."""
    characters = 16 if size is Size.SMALL else 40
    lines = textwrap.wrap(problem, characters, max_lines=9)
    text = render_text("no_picture.svg", lines=lines, size=size.value, characters=characters)
    return Response(text, 404, media_type="image/svg+xml")


def _change(verb: str, visit: Visit) -> Response:
    seen = _find(visit)
    if verb not in seen.actions:
        raise RequestFault(
            409, tr("This is no longer possible. State of the job: {state}.", state=seen.word)
        )
    job = seen.job
    place = Place(job.company, job.location, job.device)
    if verb == "release":
        visit.cloud.releases.release(job.id, visit.actor)
        visit.cloud.worker.notice([place])
        return RedirectResponse(device_path(place.location, place.device), 303)
    if verb == "retry":
        visit.cloud.jobs.retry(job.id, visit.actor)
        visit.cloud.worker.notice([place])
    else:
        visit.cloud.jobs.end(job.id, verb, visit.actor)
    if verb == "save" and seen.has_document:
        return _download(visit, seen)
    return RedirectResponse("/", 303)


def _find(visit: Visit) -> JobView:
    return find(visit.cloud, visit.account, visit.ids[0])


def _download(visit: Visit, seen: JobView) -> Response:
    if not seen.has_document:
        raise RequestFault(404, tr("This job's document is no longer kept."))
    name, extension = make_safe(seen.job.title), f".{seen.job.format}"
    return FileResponse(
        visit.cloud.documents.path(seen.job.document),
        filename=name if name.lower().endswith(extension) else name + extension,
        media_type="application/octet-stream",
        content_disposition_type="attachment",  # never shown as a page of this server
    )


ROUTES = (
    Route("/jobs/*", "GET", _job),
    Route("/jobs/*/document", "GET", _document),
    Route("/jobs/*/thumbnail", "GET", _thumbnail),
    Route("/jobs/*/pages/*", "GET", _page),
    *(Route(f"/jobs/*/{verb}", "POST", partial(_change, verb)) for verb in VERBS),
)
