"""The list of jobs, its filters, and what people do with many jobs at once."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, unquote, urlencode

from starlette.responses import RedirectResponse, Response

from cirrus_cloudlet.delivery.queue import Place
from cirrus_cloudlet.errors import RequestFault
from cirrus_cloudlet.inventory.inventory import DeviceType
from cirrus_cloudlet.storage.job_lists import MAX_COUNT, Filter, JobPage, Status
from cirrus_cloudlet.storage.jobs import JobState
from cirrus_cloudlet.storage.releases import viewer_of
from cirrus_cloudlet.translation import tr
from cirrus_cloudlet.web.job_views import JobView, find, views_of
from cirrus_cloudlet.web.pages import show
from cirrus_cloudlet.web.routes import Route, Visit

_JOBS = 50  # of a page
_VERBS = ("retry", "delete")  # for many jobs
FILTERS = frozenset({"q", "status", "place", "person", "day"})
_LIST = FILTERS | {"before", "changed", "left"}


class ListFields(NamedTuple):
    """The fields of a list's query, as texts for its form and its links."""

    q: str = ""
    status: str = ""
    place: str = ""
    person: str = ""
    day: str = ""

    def query(self, **more: object) -> str:
        """A query with these fields, and more."""
        named = {**self._asdict(), **{name: str(value) for name, value in more.items()}}
        return urlencode({name: value for name, value in named.items() if value})


def read_filter(visit: Visit) -> tuple[ListFields, Filter]:
    """Read the filter of a query, within what the account may see.

    Raises:
        RequestFault: a field has no valid value.
    """
    form = visit.form
    fields = ListFields(*(form.get(name, "").strip() for name in ListFields._fields))
    location, device = _place(fields.place)
    account = visit.account
    if account.location is not None:
        location = account.location
    try:
        status = Status(fields.status)
        day = datetime.date.fromisoformat(fields.day) if fields.day else None
        if day and not 1970 < day.year < 9999:
            raise ValueError(day)
    except ValueError as error:
        raise RequestFault(400, tr("This filter is not valid.")) from error
    wanted = Filter(viewer_of(account), location, device, status, fields.q, fields.person, day)
    return fields, wanted


def place_of(location: str, device: str | None = None) -> str:
    """A location, or a device, as the value of the field `place`."""
    parts = (location,) if device is None else (location, device)
    return ":".join(quote(part, safe="") for part in parts)


def _place(value: str) -> tuple[str | None, str | None]:
    if not value:
        return None, None
    location, colon, device = value.partition(":")
    return unquote(location), unquote(device) if colon else None


def _home(visit: Visit) -> Response:
    account = visit.account
    fields, wanted = read_filter(visit)
    page = visit.cloud.lists.page(wanted, _JOBS)
    jobs, values = views_of(visit.cloud, page.jobs), _values(visit, fields, page)
    places = visit.cloud.inventory.current().companies[account.company]
    own = places.get(account.location) if account.location else None
    has_mailbox = own and any(each.type is DeviceType.VIEWER for each in own.devices.values())
    return show(
        visit,
        "home",
        locations=list(places.values()) if account.location is None else [],
        sections=_mailbox(jobs) if has_mailbox else {tr("Newest jobs"): jobs},
        **values,
    )


def _mailbox(jobs: list[JobView]) -> dict[str, list[JobView]]:
    """A browser user's jobs by state; deleted jobs are not shown."""
    states = {
        tr("New"): (JobState.SUBMITTED, JobState.RECEIVED, JobState.DELIVERED),
        tr("Saved"): (JobState.SAVED,),
        tr("Trash"): (JobState.TRASHED,),
    }
    return {
        name: [seen for seen in jobs if seen.job.state in among] for name, among in states.items()
    }


def _list(visit: Visit) -> Response:
    fields, wanted = read_filter(visit)
    before = _number(visit.form, "before")
    page = visit.cloud.lists.page(wanted, _JOBS, before or None)
    values = _values(visit, fields, page)
    numbers = {name: _number(visit.form, name) for name in ("before", "changed", "left")}
    jobs = views_of(visit.cloud, page.jobs)
    return show(visit, "jobs", jobs=jobs, **values, **numbers)


def _values(visit: Visit, fields: ListFields, page: JobPage) -> dict[str, object]:
    account = visit.account
    places = visit.cloud.inventory.current().companies[account.company]
    return {
        "fields": fields,
        "page": page,
        "counts": visit.cloud.lists.count(viewer_of(account)),
        "max_count": MAX_COUNT,
        "places": places.values() if account.location is None else (),
        "place_of": place_of,
    }


def _number(form: Mapping[str, str], name: str) -> int:
    value = form.get(name, "")
    return int(value) if value.isdecimal() and len(value) < 19 else 0


def _confirm(visit: Visit) -> Response:
    verb, seen = _selected(visit)
    possible = [each for each in seen if verb in each.actions]
    return show(
        visit,
        "confirm",
        verb=verb,
        jobs=possible,
        left=len(seen) - len(possible),
        fields=read_filter(visit)[0],
    )


def _change(visit: Visit) -> Response:
    verb, seen = _selected(visit)
    possible = [each for each in seen if verb in each.actions]
    changed = visit.cloud.jobs.change_all([each.job.id for each in possible], verb, visit.actor)
    if verb == "retry":
        places = {Place(each.job.company, each.job.location, each.job.device) for each in possible}
        visit.cloud.worker.notice(list(places))
    query = read_filter(visit)[0].query(changed=len(changed), left=len(seen) - len(changed))
    return RedirectResponse(f"/jobs?{query}", 303)


def _selected(visit: Visit) -> tuple[str, list[JobView]]:
    """What is to be done, and the jobs that were selected.

    Raises:
        RequestFault: no job was selected, or the account may not see one of them.
    """
    verb, ids = visit.form.get("verb", ""), visit.form.get("job", "").split("\n")
    if verb not in _VERBS:
        raise RequestFault(400, tr("This page does not work that way."))
    if ids == [""]:
        raise RequestFault(400, tr("Select the jobs first."))
    return verb, [find(visit.cloud, visit.account, job_id) for job_id in dict.fromkeys(ids)]


_SELECTION = FILTERS | {"verb", "job"}
ROUTES = (
    Route("/", "GET", _home, fields=FILTERS),
    Route("/jobs", "GET", _list, fields=_LIST),
    Route("/jobs/selected", "GET", _confirm, fields=_SELECTION, repeated=frozenset({"job"})),
    Route("/jobs/selected", "POST", _change, fields=_SELECTION, repeated=frozenset({"job"})),
)
