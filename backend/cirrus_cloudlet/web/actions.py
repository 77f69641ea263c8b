"""Actions of a person: switch a location, and deliver, save, trash or delete a job."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.errors import RequestFault, SettingsError
from cirrus_cloudlet.inventory.edit import put_location
from cirrus_cloudlet.storage.accounts import Account
from cirrus_cloudlet.web import jobs as web_jobs
from cirrus_cloudlet.web import pages as web_pages


def perform(cloud: Cloud, account: Account, path: tuple[str, ...]) -> Response:
    """Perform the action that a path names, for this account.

    Raises:
        RequestFault: there is no such action, or it is not possible now.
    """
    try:
        match path:
            case ("locations", location, ("online" | "offline") as wanted):
                _switch(cloud, account, location, online=wanted == "online")
            case ("jobs", job_id, verb) if verb == "retry" or verb in web_jobs.VERBS:
                return _end_or_retry(cloud, account, job_id, verb)
            case _:
                raise RequestFault(404, "There is no such page.")
    except SettingsError as error:  # another person was faster, or cloudlet.toml is broken
        raise RequestFault(409, f"{error}") from error
    return RedirectResponse("/", 303)


def _switch(cloud: Cloud, account: Account, location: str, *, online: bool) -> None:
    known = cloud.inventory.current().companies[account.company]
    if account.location is not None or location not in known:
        raise RequestFault(404, "There is no such location.")
    cloud.inventory.change(put_location(account.company, location, {"online": online}))


def _end_or_retry(cloud: Cloud, account: Account, job_id: str, verb: str) -> Response:
    seen = web_jobs.find(cloud, account, job_id)
    if verb not in seen.actions:
        raise RequestFault(409, f"This is no longer possible: the job is {seen.word.lower()}.")
    if verb == "retry":
        cloud.jobs.retry(job_id)
        cloud.worker.notice()
    else:
        cloud.jobs.end(job_id, web_jobs.VERBS[verb])
    if verb == "save" and seen.has_document:
        return web_pages.document(cloud, seen)
    return RedirectResponse("/", 303)
