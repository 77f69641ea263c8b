"""Signing in and out, the limit on wrong passwords, and the check of a signed-in person's forms.

A session's token is in a cookie that scripts cannot read and other sites cannot send. A form
needs the session's form token, and has to come from a page of this server.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
import re
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import quote

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from cirrus_cloudlet.api.call import Call, require
from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.errors import RequestFault
from cirrus_cloudlet.storage.access import Account
from cirrus_cloudlet.translation import tr
from cirrus_cloudlet.web.rendering import render
from cirrus_http.networks import SITE_BITS, SUBSCRIBER_BITS, network

log = logging.getLogger(__name__)
_WRONG_OF_A_NAME = 10  # from one network, so that nobody is locked out in another
_WRONG_FROM_A_NETWORK = 50  # an office may share an address
# An IPv6 site has 65,536 networks for guesses, or is that many customers of a provider.
_TIMES_FOR_A_SITE = 10
_WINDOW_S = 900.0
# a browser takes `//host` and `/\\host` for another server
_OWN_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]{1,1000}")
_KEYS = 10_000  # above this, the oldest key is forgotten


class Visitor(NamedTuple):
    """A signed-in person."""

    account: Account
    token: str

    @property
    def form_token(self) -> str:
        """The token of this session's forms, which forms of other sites cannot have."""
        return hmac.digest(self.token.encode(), b"form", "sha256").hex()


class SignIn:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._wrong = WrongPasswords(time.monotonic)
        # one password at a time: Argon2 costs memory, and parallel guesses would pass the limits
        self._door = CapacityLimiter(1)

    async def visitor(self, call: Call) -> Visitor | None:
        """Find the signed-in person of a request; None without a session or its company."""
        token = call.cookie(cookie_name(call))
        account = await run_in_threadpool(self._cloud.accounts.find_by_session, token)
        known = self._cloud.inventory.current().companies
        return Visitor(account, token) if account and account.company in known else None

    async def answer(self, call: Call) -> Response:
        """Return the sign-in page, or sign in by its form.

        Raises:
            RequestFault: the form does not come from this page.
        """
        if call.is_read:
            fields = await call.fields(frozenset({"next"}))
            return self._page(200, path=own_path(fields.get("next", "")))
        fields = await read_form(call, frozenset({"name", "password", "link", "next"}))
        path = own_path(fields.get("next", ""))
        if "link" in fields:
            result = await run_in_threadpool(self._sign_in_by_link, fields["link"])
        else:
            name, password = require(fields, "name"), require(fields, "password")
            client = (call.client.host if call.client else "", path)
            result = await run_sync(self._sign_in, name, password, *client, limiter=self._door)
        if isinstance(result, Response):
            return result
        response = RedirectResponse(path or "/", 303)
        set_session(call, response, result)
        return response

    async def sign_out(self, call: Call, visitor: Visitor) -> Response:
        await run_in_threadpool(self._cloud.accounts.end_session, visitor.token)
        response = RedirectResponse("/sign-in", 303)
        response.delete_cookie(cookie_name(call), secure=call.is_secure())
        return response

    def _page(self, status: int, problem: str = "", name: str = "", path: str = "") -> Response:
        known = self._cloud.inventory.current().companies
        providers = [
            client.provider for company, client in self._cloud.providers.items() if company in known
        ]
        return render("sign_in", status, problem=problem, name=name, next=path, providers=providers)

    def _sign_in_by_link(self, secret: str) -> str | Response:
        """Return the token of a new session, or the page of the refusal."""
        token = self._cloud.accounts.use_link(secret)
        if token:
            return token
        problem = tr("This link has been used, or is too old. Sign in with your password.")
        return self._page(403, problem)

    def _sign_in(self, name: str, password: str, address: str, path: str) -> str | Response:
        """Return the token of a new session, or the page of the refusal."""
        wait_s = self._wrong.wait_s(name, address)
        if wait_s:
            log.warning("a sign-in from %s was not checked: too many wrong passwords", address)
            problem = tr(
                "Too many wrong passwords. Try again in {minutes} min.", minutes=-(-wait_s // 60)
            )
            response = self._page(429, problem, name, path)
            response.headers["Retry-After"] = str(wait_s)
            return response
        accounts = self._cloud.accounts
        verified = accounts.verify(name, password)
        token = accounts.begin_session(name, verified) if verified else None
        if token:
            return token
        self._wrong.count(name, address)
        # the name is not logged: a person may have typed a password there
        log.warning("a sign-in from %s was refused", address)
        problem = tr("Wrong name or password.")
        return self._page(403, problem, name, path)


def set_session(call: Call, response: Response, token: str) -> None:
    """Give the browser the token of a session."""
    secure = call.is_secure()
    response.set_cookie(cookie_name(call), token, secure=secure, httponly=True, samesite="strict")


def sign_in_path(call: Call) -> str:
    """The path of the sign-in page, which then leads back to a requested page."""
    path = own_path(call.scope["raw_path"].decode("ascii", "replace"))
    return f"/sign-in?next={quote(path)}" if call.is_read and path else "/sign-in"


def own_path(path: str) -> str:
    """A path of a page of this server; empty for the first page, and for all other addresses."""
    return path if _OWN_PATH.fullmatch(path) else ""


async def read_form(
    call: Call,
    known: frozenset[str],
    visitor: Visitor | None = None,
    repeated: frozenset[str] = frozenset(),
) -> dict[str, str]:
    """Read a form of this server's page and, with `visitor`, of this session.

    Raises:
        RequestFault: the form is from another site or session, or has unknown fields.
    """
    if call.method != "POST":
        raise RequestFault(405, tr("Use POST to send this form."))
    check_site(call)
    fields = await call.fields(known | {"token"} if visitor else known, repeated)
    if visitor:
        check_token(visitor, fields.get("token", ""))
    return fields


def check_form(call: Call, visitor: Visitor) -> None:
    """Check a request whose body is no form: the header `Form-Token` has the form's token.

    Raises:
        RequestFault: the request comes from another site or session.
    """
    check_site(call)
    check_token(visitor, call.headers.get("form-token", ""))


def check_site(call: Call) -> None:
    """Raise RequestFault if a request was made by a page of another site."""
    # a form without these headers is checked by its token alone
    origin = call.headers.get("origin")
    if (call.headers.get("sec-fetch-site") or "same-origin") != "same-origin" or (
        origin and origin.partition("://")[2] != call.authority
    ):
        raise RequestFault(403, tr("This form comes from another site."))


def check_token(visitor: Visitor, sent: str) -> None:
    """Raise RequestFault if the token of a form is not that of the visitor's session."""
    if not hmac.compare_digest(visitor.form_token.encode(), sent.encode()):
        raise RequestFault(403, tr("This form is from an earlier session. Load the page again."))


def cookie_name(call: Call) -> str:
    # browsers send a cookie to all ports of a host, which may have several servers
    return f"{'__Host-' if call.is_secure() else ''}cirrus-{call.scope['server'][1]}"


class WrongPasswords:
    """The limits on wrong passwords: by network, and by name within a network."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._limits = {
            bits: (
                SignInLimit(times * _WRONG_OF_A_NAME, now_s),
                SignInLimit(times * _WRONG_FROM_A_NETWORK, now_s),
            )
            for bits, times in ((SUBSCRIBER_BITS, 1), (SITE_BITS, _TIMES_FOR_A_SITE))
        }

    def wait_s(self, name: str, address: str) -> int:
        """The seconds until the next password for a name is checked; 0 for now."""
        return max(limit.wait_s(key) for limit, key in self._counts(name, address))

    def count(self, name: str, address: str) -> None:
        for limit, key in self._counts(name, address):
            limit.count(key)

    def _counts(self, name: str, address: str) -> Iterator[tuple[SignInLimit, str]]:
        for bits, (by_name, by_network) in self._limits.items():
            where = network(address, bits)
            yield by_name, f"{where} {name}"
            yield by_network, where


class SignInLimit:
    """Counts of wrong passwords by key, such as an account's name or a client's network.

    Counts are in memory only, so a restart forgets them. A right password does not reset a count.
    """

    def __init__(self, allowed: int, now_s: Callable[[], float]) -> None:
        self._allowed = allowed
        self._now_s = now_s
        self._wrong: OrderedDict[bytes, deque[float]] = OrderedDict()

    def wait_s(self, key: str) -> int:
        """The seconds until the next password of this key is checked; 0 for now."""
        wrong = self._wrong.get(_digest(key), deque())
        while wrong and wrong[0] <= self._now_s() - _WINDOW_S:
            wrong.popleft()
        if len(wrong) < self._allowed:
            return 0
        return math.ceil(wrong[0] + _WINDOW_S - self._now_s())

    def count(self, key: str) -> None:
        self._wrong.setdefault(_digest(key), deque(maxlen=self._allowed)).append(self._now_s())
        if len(self._wrong) > _KEYS:
            self._wrong.popitem(last=False)


def _digest(key: str) -> bytes:
    # a name may be as long as a form, and many would fill the memory
    return hashlib.sha256(key.encode()).digest()
