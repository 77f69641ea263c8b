"""The page of accounts: an administrator adds, changes, disables and removes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from starlette.responses import RedirectResponse, Response

from cirrus_cloudlet.errors import RequestFault
from cirrus_cloudlet.storage.access import AccountRole, Accounts, make_password
from cirrus_cloudlet.storage.audit import Actor
from cirrus_cloudlet.translation import isolated, tr
from cirrus_cloudlet.web.pages import show
from cirrus_cloudlet.web.routes import Route, Visit, Who

_PATH = "/accounts"
_ADD_FIELDS = frozenset({"name", "location", "role"})
_CHANGES: dict[str, Callable[[Accounts, str, Actor], None]] = {
    "disable": Accounts.disable,
    "enable": Accounts.enable,
    "remove": Accounts.remove,
    "admin": lambda accounts, name, by: accounts.set_role(name, AccountRole.ADMIN, by),
    "user": lambda accounts, name, by: accounts.set_role(name, AccountRole.USER, by),
}


def _list(visit: Visit) -> Response:
    company = visit.account.company
    return show(
        visit,
        "accounts",
        accounts=visit.cloud.accounts.all(company),
        locations=list(visit.cloud.inventory.current().companies[company].values()),
    )


def _add(visit: Visit) -> Response:
    name = visit.form.get("name", "").strip()
    location = visit.form.get("location") or None
    known = visit.cloud.inventory.current().companies[visit.account.company]
    if location is not None and location not in known:
        raise RequestFault(404, tr("There is no such location."))
    role = AccountRole.ADMIN if visit.form.get("role") == AccountRole.ADMIN else AccountRole.USER
    password = make_password()
    visit.cloud.accounts.add(name, visit.account.company, location, password, visit.actor, role)
    return _show_password(visit, name, password)


def _set_password(visit: Visit) -> Response:
    (name,) = visit.ids
    password = make_password()
    visit.cloud.accounts.set_password(name, password, visit.actor)
    return _show_password(visit, name, password)


def _show_password(visit: Visit, name: str, password: str) -> Response:
    title = tr("Password of {account}", account=isolated(name))
    return show(visit, "secret", title=title, secret=password, back=_PATH)


def _change(verb: str, visit: Visit) -> Response:
    (name,) = visit.ids
    _CHANGES[verb](visit.cloud.accounts, name, visit.actor)
    return RedirectResponse(_PATH, 303)


ROUTES = (
    Route(_PATH, "GET", _list, Who.ADMINISTRATOR),
    Route(_PATH, "POST", _add, Who.ADMINISTRATOR, _ADD_FIELDS),
    Route(f"{_PATH}/*/password", "POST", _set_password, Who.ADMINISTRATOR),
    *(
        Route(f"{_PATH}/*/{verb}", "POST", partial(_change, verb), Who.ADMINISTRATOR)
        for verb in _CHANGES
    ),
)
