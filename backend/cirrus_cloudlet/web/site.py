"""The page for people: its routes, pages and actions, and the security headers of its responses.

Only signed-in people see anything. No page changes anything; an action switches a location, or
delivers, saves, trashes or deletes a job. Scripts, styles and pictures come from this server
alone, and none is inline. No URL has a secret.
"""

from __future__ import annotations

from functools import partial
from importlib.resources import files

from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response

from cirrus_cloudlet.api.call import Call
from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.delivery.queue import Place
from cirrus_cloudlet.errors import RequestFault, SettingsError
from cirrus_cloudlet.inventory.tags import make_safe
from cirrus_cloudlet.shares import Share
from cirrus_cloudlet.storage.access import Account
from cirrus_cloudlet.storage.jobs import ENDS, JobState
from cirrus_cloudlet.storage.previews import NoPicture, Size
from cirrus_cloudlet.web import jobs as web_jobs
from cirrus_cloudlet.web.jobs import JobView
from cirrus_cloudlet.web.rendering import render
from cirrus_cloudlet.web.sign_in import SignIn, Visitor, read_form

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # not `no-referrer`: browsers would send forms with `Origin: null` (Fetch standard)
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_TYPES = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
_STATIC = {name: files(__package__).joinpath("static", name).read_text() for name in _TYPES}
_SIGNED_IN_PATHS = ("jobs", "locations", "sign-out")
# a browser user's jobs by state; deleted jobs are not shown
_MAILBOX = {
    "New": (JobState.SUBMITTED, JobState.RECEIVED, JobState.DELIVERED),
    "Saved": (JobState.SAVED,),
    "Trash": (JobState.TRASHED,),
}


class Site:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._find = partial(web_jobs.find, cloud)
        self._sign_in = SignIn(cloud)

    async def answer(self, call: Call) -> Response:
        """Answer a request outside of the API."""
        try:
            response = await self._answer(call)
        except RequestFault as fault:
            response = render("message", fault.status, text=str(fault))
            response.headers.update(fault.headers)
        tag = response.headers.get("etag")
        if tag and response.status_code == 200 and call.headers.get("if-none-match") == tag:
            response = Response(status_code=304, headers={"ETag": tag})
        response.headers.update(_HEADERS)
        return response

    async def _answer(self, call: Call) -> Response:
        if not call.is_read and call.method != "POST":
            raise RequestFault(
                405, "Use GET or POST to request a page.", {"Allow": "GET, HEAD, POST"}
            )
        if call.path[0] in _STATIC and len(call.path) == 1:
            return Response(_STATIC[call.path[0]], media_type=_TYPES[call.path[0]])
        if call.path == ("sign-in",):
            return await self._sign_in.answer(call)
        if call.path != ("",) and call.path[0] not in _SIGNED_IN_PATHS:
            raise RequestFault(404, "There is no such page.")
        visitor = await self._sign_in.visitor(call)
        if visitor is None:
            return RedirectResponse("/sign-in", 303)
        share = self._cloud.shares.of(visitor.account.company)
        with share.request():
            if call.is_read:
                return await self._page(call, visitor, share)
            await read_form(call, frozenset(), visitor)
            if call.path == ("sign-out",):
                return await self._sign_in.sign_out(call, visitor)
            return await share.run(self._perform, visitor.account, call.path)

    async def _page(self, call: Call, visitor: Visitor, share: Share) -> Response:
        match call.path:
            case ("",):
                return await share.run(self._home, visitor)
            case ("jobs", job_id):
                return await share.run(self._job, visitor, job_id)
            case ("jobs", job_id, "document"):
                return self._document(await share.run(self._find, visitor.account, job_id))
            case ("jobs", job_id, "thumbnail"):
                return await self._picture(visitor, share, job_id, 1, Size.SMALL)
            case ("jobs", job_id, "pages", number) if number.isdecimal() and len(number) < 4:
                return await self._picture(visitor, share, job_id, int(number), Size.LARGE)
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
        seen = self._find(visitor.account, job_id)
        history = self._cloud.jobs.history(job_id)
        return render("job", visitor=visitor, seen=seen, history=history)

    async def _picture(
        self, visitor: Visitor, share: Share, job_id: str, number: int, size: Size
    ) -> Response:
        seen = await share.run(self._find, visitor.account, job_id)
        if seen.problem:
            raise RequestFault(404, seen.problem)
        page = self._cloud.previews.page
        try:
            picture = await share.paint(page, seen.job.document, number, size)
        except NoPicture as reason:
            return PlainTextResponse(f"{reason}\n", 404)
        return Response(picture, media_type="image/png")

    def _document(self, seen: JobView) -> Response:
        if not seen.has_document:
            raise RequestFault(404, "This job's document is no longer kept.")
        name, extension = make_safe(seen.job.title), f".{seen.job.format}"
        return FileResponse(
            self._cloud.documents.path(seen.job.document),
            filename=name if name.lower().endswith(extension) else name + extension,
            media_type="application/octet-stream",
            content_disposition_type="attachment",  # never shown as a page of this server
        )

    def _perform(self, account: Account, path: tuple[str, ...]) -> Response:
        try:
            match path:
                case ("locations", location, ("online" | "offline") as wanted):
                    known = self._cloud.inventory.current().companies[account.company]
                    if account.location is not None or location not in known:
                        raise RequestFault(404, "There is no such location.")
                    place = (account.company, location)
                    self._cloud.inventory.change({place: {"online": wanted == "online"}})
                case ("jobs", job_id, verb) if verb == "retry" or verb in ENDS:
                    return self._end_or_retry(account, job_id, verb)
                case _:
                    raise RequestFault(404, "There is no such page.")
        except SettingsError as error:  # another person was faster, or cloudlet.toml is broken
            raise RequestFault(409, f"{error}") from error
        return RedirectResponse("/", 303)

    def _end_or_retry(self, account: Account, job_id: str, verb: str) -> Response:
        seen = self._find(account, job_id)
        if verb not in seen.actions:
            raise RequestFault(409, f"This is no longer possible: the job is {seen.word.lower()}.")
        if verb == "retry":
            self._cloud.jobs.retry(job_id)
            job = seen.job
            self._cloud.worker.notice([Place(job.company, job.location, job.device)])
        else:
            self._cloud.jobs.end(job_id, verb)
        if verb == "save" and seen.has_document:
            return self._document(seen)
        return RedirectResponse("/", 303)
