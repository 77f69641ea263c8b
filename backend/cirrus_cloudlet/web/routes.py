"""Routes: which request is answered by which function, and who may send it."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from starlette.responses import Response

from cirrus_cloudlet.api.call import Call
from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.errors import RequestFault
from cirrus_cloudlet.shares import Share
from cirrus_cloudlet.storage.access import Account
from cirrus_cloudlet.storage.audit import Actor, Origin
from cirrus_cloudlet.translation import tr
from cirrus_cloudlet.web.sign_in import Visitor

NO_FIELDS: frozenset[str] = frozenset()
_ID = "*"  # in a pattern: any one part of the path


class Who(enum.Enum):
    """Which accounts see a page or may send its forms."""

    ANYONE = enum.auto()  # any account, which then sees the jobs of its own location
    COMPANY = enum.auto()  # an account that sees its whole company
    ADMINISTRATOR = enum.auto()

    def includes(self, account: Account) -> bool:
        """Tell whether an account is among these."""
        if self is Who.ANYONE:
            return True
        if self is Who.COMPANY:
            return account.location is None
        return account.location is None and account.is_administrator


class Visit(NamedTuple):
    """A request of a signed-in person to a route.

    Attributes:
        ids: the parts of the path that the pattern leaves open.
        form: the fields of the form, or of a page's query.
    """

    cloud: Cloud
    call: Call
    visitor: Visitor
    share: Share
    ids: Sequence[str]
    form: Mapping[str, str]

    @property
    def account(self) -> Account:
        return self.visitor.account

    @property
    def actor(self) -> Actor:
        """Who changes something by this request."""
        return Actor(self.account.name, Origin.PAGE, self.account.company)


class Route(NamedTuple):
    """One kind of request.

    Attributes:
        pattern: a path, in which `*` stands for one part of any text.
        method: GET (and HEAD), or POST for a form, whose token is checked.
        answer: a function that runs in a thread of the company's share, or a coroutine function.
        who: to other accounts, there is no such page.
        fields: which fields a form may have, or a page's query; without any, a query is ignored.
        repeated: which of the fields may come several times; line breaks join their values.
        has_form: whether the fields of a POST are read; else `answer` has to read the body, and
            call `check_form` before.
    """

    pattern: str
    method: str
    answer: Callable[[Visit], Response | Awaitable[Response]]
    who: Who = Who.ANYONE
    fields: frozenset[str] = NO_FIELDS
    has_form: bool = True
    repeated: frozenset[str] = NO_FIELDS


class Routes:
    """A table of routes."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = [(tuple(each.pattern.split("/")[1:]), each) for each in routes]

    def find(self, call: Call) -> tuple[Route, list[str]]:
        """Find the route of a request, and the ids of its path.

        Raises:
            RequestFault: there is no such page (404), or not by this method (405).
        """
        found = [each for pattern, each in self._routes if _matches(pattern, call.path)]
        if not found:
            raise no_page()
        method = "GET" if call.is_read else call.method
        for route in found:
            if route.method == method:
                parts = zip(route.pattern.split("/")[1:], call.path, strict=True)
                return route, [part for wanted, part in parts if wanted == _ID]
        methods = {each.method for each in found}
        allowed = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
        raise RequestFault(405, tr("This page does not work that way."), {"Allow": allowed})


def no_page() -> RequestFault:
    """The error for a path without a page, or with a page that an account may not see."""
    return RequestFault(404, tr("There is no such page."))


def _matches(pattern: Sequence[str], path: Sequence[str]) -> bool:
    return len(pattern) == len(path) and all(
        wanted in (_ID, part) for wanted, part in zip(pattern, path, strict=True)
    )
