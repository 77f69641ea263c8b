"""The page of API keys: an administrator makes and revokes the keys of the company."""

from __future__ import annotations

from functools import partial

from starlette.responses import RedirectResponse, Response

from cirrus_cloudlet.storage.keys import Role
from cirrus_cloudlet.translation import isolated, tr
from cirrus_cloudlet.web.pages import show
from cirrus_cloudlet.web.routes import Route, Visit, Who

_PATH = "/keys"


def _list(visit: Visit) -> Response:
    return show(visit, "api_keys", keys=visit.cloud.keys.all(visit.account.company))


def _add(visit: Visit) -> Response:
    name = visit.form.get("name", "").strip()
    role = Role.ADMIN if visit.form.get("role") == Role.ADMIN else Role.PRINT
    key = visit.cloud.keys.add(visit.account.company, name, role, visit.actor)
    title = tr("API key {key}", key=isolated(name))
    return show(visit, "secret", title=title, secret=key, back=_PATH)


def _revoke(visit: Visit) -> Response:
    visit.cloud.keys.revoke(visit.ids[0], visit.actor)
    return RedirectResponse(_PATH, 303)


def _set_role(role: Role, visit: Visit) -> Response:
    visit.cloud.keys.set_role(visit.ids[0], role, visit.actor)
    return RedirectResponse(_PATH, 303)


ROUTES = (
    Route(_PATH, "GET", _list, Who.ADMINISTRATOR),
    Route(_PATH, "POST", _add, Who.ADMINISTRATOR, frozenset({"name", "role"})),
    Route(f"{_PATH}/*/revoke", "POST", _revoke, Who.ADMINISTRATOR),
    *(
        Route(f"{_PATH}/*/{role}", "POST", partial(_set_role, role), Who.ADMINISTRATOR)
        for role in (Role.PRINT, Role.ADMIN)
    ),
)
