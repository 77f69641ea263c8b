"""Switching a location on and off."""

from __future__ import annotations

from functools import partial

from starlette.responses import RedirectResponse, Response

from cirrus_cloudlet.errors import RequestFault
from cirrus_cloudlet.translation import tr
from cirrus_cloudlet.web.routes import Route, Visit, Who


def _switch(is_online: bool, visit: Visit) -> Response:
    (location,) = visit.ids
    company = visit.account.company
    if location not in visit.cloud.inventory.current().companies[company]:
        raise RequestFault(404, tr("There is no such location."))
    visit.cloud.change({(company, location): {"online": is_online}}, visit.actor)
    return RedirectResponse("/", 303)


ROUTES = (
    Route("/locations/*/online", "POST", partial(_switch, True), Who.COMPANY),
    Route("/locations/*/offline", "POST", partial(_switch, False), Who.COMPANY),
)
