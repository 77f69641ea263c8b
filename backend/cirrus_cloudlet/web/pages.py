"""The pages of signed-in people: their navigation, and how a template becomes a response."""

from __future__ import annotations

from typing import NamedTuple

from starlette.responses import Response

from cirrus_cloudlet.translation import marked
from cirrus_cloudlet.web.rendering import render
from cirrus_cloudlet.web.routes import Visit, Who


class Entry(NamedTuple):
    """An entry of the navigation; `label` is a text for `tr`."""

    path: str
    label: str
    who: Who = Who.ANYONE


# in the order of the page; shown if there are several for an account
NAVIGATION = (
    Entry("/", marked("Jobs")),
    Entry("/overview", marked("Overview"), Who.COMPANY),
    Entry("/print", marked("Print")),
    Entry("/release", marked("Release")),
    Entry("/devices", marked("Devices"), Who.ADMINISTRATOR),
    Entry("/accounts", marked("Accounts"), Who.ADMINISTRATOR),
    Entry("/keys", marked("API keys"), Who.ADMINISTRATOR),
    Entry("/changes", marked("Changes"), Who.ADMINISTRATOR),
)


def show(visit: Visit, template: str, /, **values: object) -> Response:
    """Render a template that extends `signed_in.html`."""
    group = visit.call.path[0]
    path = "/" if group == "jobs" else f"/{group}"  # the entry of this page
    entries = [each for each in NAVIGATION if each.who.includes(visit.account)]
    return render(template, visitor=visit.visitor, entries=entries, path=path, **values)
