"""Translates failures of HTTP requests into the tree of `errors`.

The failures are exceptions of requests and urllib3, and the status of an answer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from cirrus_bridge.api import proxy as proxies
from cirrus_bridge.api.exchange import Exchange, RequestBody
from cirrus_bridge.base.distrust import Distrust, distrust, openssl_words
from cirrus_bridge.base.errors import (
    ApiError,
    BadConfiguration,
    Interrupted,
    ServerFault,
    SubmitUnanswered,
)
from cirrus_bridge.base.translation import tr

_TRY_AGAIN = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED,  # never a server's own (RFC 6585, 6)
)
_REFUSALS: Mapping[int, Callable[[Exchange], ApiError]] = {
    HTTPStatus.UNAUTHORIZED: Exchange.key_refused,
    HTTPStatus.FORBIDDEN: Exchange.not_permitted,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Exchange.too_large,
    HTTPStatus.REQUEST_URI_TOO_LONG: Exchange.too_large,
    # every request to this address gets these
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: Exchange.misconfigured,
    HTTPStatus.MISDIRECTED_REQUEST: Exchange.misconfigured,
    HTTPStatus.UPGRADE_REQUIRED: Exchange.misconfigured,
}
# RFC 9110, 15.4: these ask for the same request elsewhere. 302 and 303 may come after the request
# had an effect.
_NOT_DONE_HERE = (
    HTTPStatus.MOVED_PERMANENTLY,
    HTTPStatus.TEMPORARY_REDIRECT,
    HTTPStatus.PERMANENT_REDIRECT,
)


@contextlib.contextmanager
def translated(exchange: Exchange, sent: RequestBody) -> Iterator[None]:
    """Translate the exceptions of requests and urllib3 inside the context.

    Raises:
        Unreachable, NotTrusted, ServerMisconfigured, SubmitUnanswered, BadConfiguration.
    """
    from requests import exceptions as rq
    from urllib3 import exceptions as u3

    try:
        yield
    except Interrupted as error:
        if exchange.submits:
            raise exchange.lost(tr("stopped by a signal"), sent) from error
        raise
    except (rq.InvalidURL, rq.InvalidProxyURL, rq.MissingSchema) as error:
        raise BadConfiguration(
            tr(
                "Invalid address or proxy of {server} ({error}).",
                server=exchange.server,
                error=error,
            )
            if exchange.sets_up
            else tr(
                "Invalid entry of {server} in servers.d ({error}).",
                server=exchange.server,
                error=error,
            )
        ) from error
    except (rq.RequestException, u3.HTTPError, OSError) as error:
        raise _failure(exchange, sent, error) from error


def _failure(exchange: Exchange, sent: RequestBody, error: BaseException) -> ApiError:
    import ssl

    from urllib3.exceptions import ProxyError

    chain = list(_causes(error))
    cause, is_proxy = chain[-1], any(isinstance(each, ProxyError) for each in chain)
    why = distrust(cause) if isinstance(cause, ssl.SSLError) else None
    # If TLS breaks after a submit was sent, the outcome is unknown. A demand for a client
    # certificate is different, because it comes before the server reads the request.
    if why and (why is Distrust.CLIENT_CERTIFICATE or not (exchange.submits and sent.is_sent)):
        return exchange.distrusted(why, openssl_words(cause), is_proxy=is_proxy)
    if refusal := proxies.refusal(cause):
        return exchange.no_tunnel(refusal)
    reason = _plain(error, openssl_words(cause) if isinstance(cause, ssl.SSLError) else str(cause))
    return exchange.no_proxy(reason) if is_proxy else exchange.lost(reason, sent)


def check_status(exchange: Exchange) -> None:
    """Raise the error for an answer whose status is not 2xx, or that begins with `Error:`."""
    status, server = exchange.status, exchange.server
    detail = f"{exchange.verb}: status {status}: {exchange.words}"
    if 200 <= status < 300:
        if exchange.text.startswith("Error:"):
            raise exchange.refused(exchange.words.removeprefix("Error:").strip())
        if exchange.is_web_page:
            raise exchange.useless(tr("it sent a web page"))
    elif 300 <= status < 400:
        where = exchange.host_of(exchange.headers.get("Location", ""))
        if exchange.submits and status not in _NOT_DONE_HERE:
            raise exchange.useless(tr("it redirects to {where}", where=where))
        raise exchange.redirected(where)
    elif status in _REFUSALS:
        raise _REFUSALS[status](exchange)
    elif status in _TRY_AGAIN or (status >= 500 and not exchange.submits):
        raise ServerFault(
            tr("{server} cannot answer right now (status {status}).", server=server, status=status),
            detail=detail,
            retry_after_s=_retry_after_s(exchange.headers),
        )
    elif status >= 500:
        text = tr(
            "{server} failed while accepting the job (status {status}).",
            server=server,
            status=status,
        )
        raise SubmitUnanswered(text, detail=detail)
    else:
        raise exchange.refused(exchange.words, by_status=True)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, innermost last. requests and urllib3 wrap errors repeatedly."""
    inner: BaseException | None = error
    while inner is not None:
        yield inner
        inside = (getattr(inner, "reason", None), *inner.args)
        inner = next((item for item in inside if isinstance(item, BaseException)), None)


def _plain(error: BaseException, reason: str) -> str:
    """The cause in a few words for people."""
    name = type(error).__name__
    for sign, words in _PLAIN:
        if sign in reason:
            return words
    return f"{name}: {' '.join(reason.split())[:120].rstrip('.')}"


_NOT_LOOKED_UP = tr("cannot look up its name")
_CLOSED = tr("connection closed without an answer")
_PLAIN = (
    ("refused", tr("connection refused")),
    ("Name or service not known", tr("its name is not known")),
    ("Temporary failure in name", _NOT_LOOKED_UP),
    ("getaddrinfo", _NOT_LOOKED_UP),
    ("resolve", _NOT_LOOKED_UP),
    ("timed out", tr("no answer in time")),
    ("reset", tr("connection reset")),
    ("without response", _CLOSED),
    ("EOF occurred", _CLOSED),
    ("No route", tr("no route to the host")),
    ("unreachable", tr("network unreachable")),
    ("Broken pipe", tr("connection broken")),
)


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds from Retry-After, a number or a date (RFC 9110, 10.2.3), at most a day."""
    from datetime import UTC, datetime

    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:9]), 86_400))
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max((until - datetime.now(UTC)).total_seconds(), 0.0), 86_400.0)
