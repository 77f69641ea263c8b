"""The page "Changes": who changed what in the company."""

from __future__ import annotations

from starlette.responses import Response

from cirrus_cloudlet.storage.audit import Origin
from cirrus_cloudlet.translation import marked, tr
from cirrus_cloudlet.web.pages import show
from cirrus_cloudlet.web.routes import Route, Visit, Who

_CHANGES = 100  # on a page
_ACTIONS = {
    "company add": marked("Company added"),
    "location add": marked("Location added"),
    "location change": marked("Location changed"),
    "device add": marked("Device added"),
    "device change": marked("Device changed"),
    "key add": marked("API key created"),
    "key role": marked("Role of an API key changed"),
    "key revoke": marked("API key revoked"),
    "account add": marked("Account added"),
    "account change": marked("Account changed"),
    "account role": marked("Role of an account changed"),
    "account password": marked("New password for an account"),
    "account link": marked("Sign-in link created for an account"),
    "account disable": marked("Account disabled"),
    "account enable": marked("Account enabled"),
    "account remove": marked("Account removed"),
    "job save": marked("Job saved"),
    "job trash": marked("Job moved to the trash"),
    "job delete": marked("Job deleted"),
    "job retry": marked("Job delivered again"),
    "job release": marked("Job released"),
}
_ORIGINS = {
    Origin.PAGE: marked("page"),
    Origin.KEY: marked("API key"),
    Origin.CLI: marked("command on the server"),
    Origin.PROVIDER: marked("sign-in"),
}


def _list(visit: Visit) -> Response:
    number = visit.form.get("before", "")
    before = int(number) if number.isdecimal() and len(number) < 18 else None
    found = visit.cloud.audit.newest(visit.account.company, before, _CHANGES + 1)
    return show(
        visit,
        "changes",
        changes=[
            (each, tr(_ACTIONS[each.action]) if each.action in _ACTIONS else each.action,
             tr(_ORIGINS[each.origin]))
            for each in found[:_CHANGES]
        ],
        older=found[_CHANGES - 1].number if len(found) > _CHANGES else None,
        is_first=before is None,
    )  # fmt: skip


ROUTES = (Route("/changes", "GET", _list, Who.ADMINISTRATOR, frozenset({"before"})),)
