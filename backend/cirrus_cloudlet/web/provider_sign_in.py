"""Signing in with a company's identity provider.

A sign-in is known by its state, works once and for ten minutes, and only in the browser that has
begun it: that browser has a cookie. Afterwards the session is a new one, so nobody can prepare it.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.responses import RedirectResponse, Response

from cirrus_cloudlet.api.call import Call
from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.errors import RequestFault
from cirrus_cloudlet.identity.openid import OpenId, ProviderRefusal, ProviderSilent
from cirrus_cloudlet.storage.access import AccountRole
from cirrus_cloudlet.storage.provider_accounts import sign_in
from cirrus_cloudlet.translation import isolated, tr
from cirrus_cloudlet.web.rendering import render
from cirrus_cloudlet.web.routes import no_page
from cirrus_cloudlet.web.sign_in import cookie_name, own_path, set_session
from cirrus_http.networks import network

log = logging.getLogger(__name__)
_PENDING_S = 600.0
_PENDING_OF_A_NETWORK = 200
_PENDING = 10_000
_QUERY_BYTES = 16 * 1024
_THREADS = 4  # that wait for a provider


class Pending(NamedTuple):
    """A sign-in that has begun.

    Attributes:
        browser: the digest of the cookie of the browser that has begun it.
        path: the path to which the person goes then.
    """

    company: str
    browser: bytes
    nonce: str
    verifier: str
    path: str
    where: str
    begun: float


class PendingSignIns:
    """Sign-ins that have begun, by state, in memory only."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._lock = threading.Lock()
        self._found: OrderedDict[str, Pending] = OrderedDict()

    def add(self, state: str, pending: Pending) -> None:
        """Keep a sign-in; the oldest ones of a network with many, or of all, are forgotten."""
        with self._lock:
            own = [key for key, each in self._found.items() if each.where == pending.where]
            if len(own) >= _PENDING_OF_A_NETWORK:
                del self._found[own[0]]
            elif len(self._found) >= _PENDING:
                self._found.popitem(last=False)
            self._found[state] = pending

    def take(self, state: str) -> Pending | None:
        """Return a sign-in, once; None if it is unknown or too old."""
        with self._lock:
            found = self._found.pop(state, None)
        return found if found and self._now_s() - found.begun < _PENDING_S else None


class ProviderSignIn:
    """The requests below /sign-in: `with/COMPANY` begins, and `done/COMPANY` ends a sign-in."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._pending = PendingSignIns(time.monotonic)
        # one for each company: a provider that is away delays no other
        self._doors = {company: CapacityLimiter(_THREADS) for company in cloud.providers}

    async def answer(self, call: Call) -> Response:
        """Answer a request.

        Raises:
            RequestFault: the sign-in does not work; its text says why.
        """
        if len(call.path) != 3 or not call.is_read:
            raise no_page()
        _, verb, company = call.path
        client = self._cloud.providers.get(company)
        if client is None or company not in self._cloud.inventory.current().companies:
            raise no_page()
        query = _query(call)
        perform = {"with": self._begin, "done": self._end}.get(verb)
        if perform is None:
            raise no_page()
        name = isolated(client.provider.name)
        try:
            return await run_sync(perform, call, client, query, limiter=self._doors[company])
        except ProviderSilent as error:
            log.warning("a sign-in with %s failed: %s", client.provider.name, error)
            raise RequestFault(
                503, tr("{provider} does not respond. Try again later.", provider=name)
            ) from error
        except ProviderRefusal as error:
            log.warning("a sign-in with %s was refused: %s", client.provider.name, error)
            text = tr(
                "{provider} did not confirm the sign-in. Try again, or ask an administrator.",
                provider=name,
            )
            raise RequestFault(403, text) from error

    def _begin(self, call: Call, client: OpenId, query: Mapping[str, str]) -> Response:
        state, nonce, browser = (secrets.token_urlsafe(32) for _ in range(3))
        verifier = secrets.token_urlsafe(48)
        response = RedirectResponse(client.authorization_url(state, nonce, verifier), 303)
        self._pending.add(
            state,
            Pending(
                company=client.provider.company,
                browser=_digest(browser),
                nonce=nonce,
                verifier=verifier,
                path=own_path(query.get("next", "")),
                where=network(call.client.host if call.client else ""),
                begun=time.monotonic(),
            ),
        )
        response.set_cookie(
            _cookie(call),
            browser,
            max_age=int(_PENDING_S),
            secure=call.is_secure(),
            httponly=True,
            samesite="lax",  # the provider's page leads back here
        )
        return response

    def _end(self, call: Call, client: OpenId, query: Mapping[str, str]) -> Response:
        provider = client.provider
        pending = self._pending.take(query.get("state", ""))
        if "error" in query:  # some providers leave out the state then (RFC 6749, section 4.1.2.1)
            raise ProviderRefusal("the person or the provider has ended the sign-in")
        if (
            pending is None
            or pending.company != provider.company
            or not hmac.compare_digest(pending.browser, _digest(call.cookie(_cookie(call))))
        ):
            raise RequestFault(
                403,
                tr("This sign-in has expired or was started in another browser. Try again."),
            )
        if query.get("iss", provider.issuer) != provider.issuer:  # RFC 9207
            raise ProviderRefusal("the answer is from another provider")
        person = client.find_person(query.get("code", ""), pending.verifier, pending.nonce)
        role = AccountRole(person.role) if person.role else None
        token = sign_in(
            self._cloud.store, provider.company, provider.issuer, person.subject, person.user, role
        )
        if token is None:
            why = "the account is disabled" if role else "no role for the person's groups"
            log.warning("a sign-in with %s was refused: %s", provider.name, why)
            raise RequestFault(
                403, tr("You may not use this page. Ask an administrator for access.")
            )
        # not a redirect: a browser sends the session's cookie only to requests of this site's pages
        response = render("signed_in_by_provider", path=pending.path or "/")
        set_session(call, response, token)
        del response.headers["etag"]
        return response


def _query(call: Call) -> dict[str, str]:
    """The parameters of the query; providers add some of their own."""
    raw = call.scope["query_string"]
    try:
        pairs = parse_qsl(raw.decode("ascii"), errors="strict", max_num_fields=50)
    except ValueError:
        pairs = []
    found = dict(pairs)
    if len(raw) > _QUERY_BYTES or len(found) != len(pairs):
        raise RequestFault(400, tr("There is no such page."))
    return found


def _cookie(call: Call) -> str:
    return f"{cookie_name(call)}-sign-in"


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
