"""The pages on which people release their jobs, and the sheets with the devices' QR codes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote

import segno
from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from cirrus_cloudlet.delivery.queue import Place
from cirrus_cloudlet.inventory.inventory import Device, Location
from cirrus_cloudlet.storage.releases import viewer_of
from cirrus_cloudlet.web.job_views import JobView, make_view
from cirrus_cloudlet.web.pages import show
from cirrus_cloudlet.web.routes import Route, Visit, Who, no_page

_JOBS = 200
_RELEASED = "released"
_NOTHING = "0"


class DeviceJobs(NamedTuple):
    """A device, and the jobs that a person may release there."""

    path: str
    location: str
    device: str
    jobs: list[JobView]
    own: int


class Code(NamedTuple):
    """What the sheet of a device shows."""

    device: str
    location: str
    url: str
    picture: Markup


def device_path(location: str, device: str) -> str:
    """The path of the page on which people release their jobs for a device."""
    return f"/release/{quote(location, safe='')}/{quote(device, safe='')}"


def _overview(visit: Visit) -> Response:
    jobs = visit.cloud.releases.waiting(viewer_of(visit.account), _JOBS)
    views = [make_view(visit.cloud, job) for job in jobs]
    places = dict.fromkeys((job.location, job.device) for job in jobs)
    groups = [_group(visit, place, views) for place in places]
    return show(visit, "release", here=None, groups=groups, released=0)


def _device(visit: Visit) -> Response:
    location, device = _find(visit)
    place = (location.id, device.id)
    jobs = visit.cloud.releases.waiting(viewer_of(visit.account), _JOBS, place)
    here = _group(visit, place, [make_view(visit.cloud, job) for job in jobs])
    sent = visit.form.get(_RELEASED, _NOTHING)
    released = int(sent) if sent.isascii() and sent.isdecimal() and len(sent) < 7 else 0
    return show(visit, "release", here=here, groups=[here], released=released)


def _release_all(visit: Visit) -> Response:
    location, device = _find(visit)
    place = (location.id, device.id)
    count = visit.cloud.releases.release_all(viewer_of(visit.account), place, visit.actor)
    visit.cloud.worker.notice([Place(visit.account.company, *place)])
    return RedirectResponse(f"{device_path(*place)}?{_RELEASED}={count}", 303)


def _sheets(visit: Visit) -> Response:
    scheme = "https" if visit.call.is_secure() else "http"
    codes = [
        _code(f"{scheme}://{visit.call.authority}{device_path(location.id, device.id)}", *each)
        for each in _holding(visit)
        for location, device in [each]
    ]
    return show(visit, "sheets", codes=codes)


def _code(url: str, location: Location, device: Device) -> Code:
    made = segno.make(url, error="m", micro=False)
    picture = made.svg_inline(svgclass="code", lineclass=None, omitsize=True, border=4)
    safe = Markup(picture)  # noqa: S704 - it has numbers and our class only
    return Code(device.name or device.id, location.name or location.id, url, safe)


def _holding(visit: Visit) -> Iterable[tuple[Location, Device]]:
    """The devices of the company that hold jobs."""
    for location in visit.cloud.inventory.current().companies[visit.account.company].values():
        for device in location.devices.values():
            if location.holds(device):
                yield location, device


def _find(visit: Visit) -> tuple[Location, Device]:
    inventory = visit.cloud.inventory.current()
    location, device = inventory.find(visit.account.company, *visit.ids)
    if location is None or device is None:
        raise no_page()
    return location, device


def _group(visit: Visit, place: tuple[str, str], views: Iterable[JobView]) -> DeviceJobs:
    location, device = visit.cloud.inventory.current().find(visit.account.company, *place)
    jobs = [each for each in views if (each.job.location, each.job.device) == place]
    viewer = viewer_of(visit.account)
    return DeviceJobs(
        path=device_path(*place),
        location=(location.name if location else "") or place[0],
        device=(device.name if device else "") or place[1],
        jobs=jobs,
        own=sum(viewer.owns(each.job) for each in jobs),
    )


ROUTES = (
    Route("/release", "GET", _overview),
    Route("/release/*/*", "GET", _device, fields=frozenset({_RELEASED})),
    Route("/release/*/*", "POST", _release_all),
    Route("/release-codes", "GET", _sheets, Who.COMPANY),
)
