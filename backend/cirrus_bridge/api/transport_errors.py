"""Translates the exceptions of requests and urllib3 into the tree of `errors`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from cirrus_bridge.api import proxy as proxies
from cirrus_bridge.api.exchange import Exchange, in_short
from cirrus_bridge.api.redaction import Redaction
from cirrus_bridge.base.distrust import (
    ADVICE_FOR_SETUP,
    CERTIFICATE,
    PASSING,
    Distrust,
    distrust,
    openssl_words,
)
from cirrus_bridge.base.errors import (
    ApiError,
    BadConfiguration,
    CirrusError,
    Interrupted,
    NotTrusted,
    ServerMisconfigured,
    SubmitUnanswered,
    Unreachable,
    WrongUser,
)
from cirrus_bridge.base.translation import tr


@contextlib.contextmanager
def translated(exchange: Exchange, redaction: Redaction) -> Iterator[None]:
    """Translate the exceptions inside the context into Unreachable, NotTrusted, WrongUser,
    ServerMisconfigured, SubmitUnanswered or BadConfiguration. Their texts have no secrets, and they
    do not refer to the libraries' exceptions, which quote the server."""
    from requests import exceptions as rq

    from cirrus_bridge.api.local_peer import UntrustedPeer

    server = exchange.server
    trouble: CirrusError
    try:
        yield
        return
    except CirrusError as error:
        is_lost = isinstance(error, Interrupted) and exchange.submits
        trouble = _lost(exchange, tr("stopped by a signal")) if is_lost else error
    except (rq.InvalidURL, rq.InvalidProxyURL, rq.MissingSchema) as error:
        why = redaction.text(str(error))
        trouble = BadConfiguration(
            tr("Invalid address or proxy of {server} ({error}).", server=server, error=why)
            if exchange.sets_up
            else tr("Invalid entry of {server} in servers.d ({error}).", server=server, error=why)
        )
    except UntrustedPeer as error:
        trouble = _other_user(exchange, error.user)
    except Exception as error:  # noqa: BLE001 - a library that a strange answer confuses
        trouble = _failure(exchange, error, redaction)
    try:
        raise trouble
    finally:
        trouble.__context__ = None


def _failure(exchange: Exchange, error: BaseException, redaction: Redaction) -> ApiError:
    import ssl

    from urllib3.exceptions import ProxyError

    chain = list(_causes(error))
    cause, is_proxy = chain[-1], any(isinstance(each, ProxyError) for each in chain)
    words = openssl_words(cause) if isinstance(cause, ssl.SSLError) else str(cause)
    words = in_short(redaction.text(words))
    why = distrust(cause) if isinstance(cause, ssl.SSLError) else None
    # If TLS breaks after a submit was sent, the outcome is unknown. A demand for a client
    # certificate is different, because it comes before the server reads the request.
    if why and (why is Distrust.CLIENT_CERTIFICATE or not exchange.is_submitted):
        return _distrusted(exchange, why, words, is_proxy=is_proxy)
    if refusal := proxies.refusal(cause):
        return _no_tunnel(exchange, refusal)
    kind = type(cause).__name__
    # other errors quote lines of the answer, and a line may have a part of a secret
    said = f"{kind}: {words.rstrip('.')}" if isinstance(cause, OSError) else _not_http(kind)
    reason = next((plain for sign, plain in _PLAIN if sign in words), said)
    if not is_proxy:
        return _lost(exchange, reason)
    return Unreachable(
        tr(
            "Cannot reach the proxy {proxy} ({reason}).",
            proxy=proxies.name(exchange.entry.proxy or ""),
            reason=reason,
        ),
        exchange.advice(
            tr("Check that the proxy is running, or correct its address in servers.d."),
            at_setup=tr("Check that the proxy is running, or correct --proxy."),
        ),
        detail=f"{exchange.verb}: {reason}",
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, innermost last. requests and urllib3 wrap errors repeatedly."""
    inner: BaseException | None = error
    while inner is not None:
        yield inner
        inside = (getattr(inner, "reason", None), *inner.args)
        inner = next((item for item in inside if isinstance(item, BaseException)), None)


_NOT_LOOKED_UP = tr("cannot look up its name")
_CLOSED = tr("connection closed without a response")
_PLAIN = (
    ("refused", tr("connection refused")),
    ("Name or service not known", tr("its name is not known")),
    ("Temporary failure in name", _NOT_LOOKED_UP),
    ("getaddrinfo", _NOT_LOOKED_UP),
    ("resolve", _NOT_LOOKED_UP),
    ("timed out", tr("no response in time")),
    ("reset", tr("connection reset")),
    ("not connected", tr("connection reset")),  # found by the check of the other end
    ("without response", _CLOSED),
    ("EOF occurred", _CLOSED),
    ("No route", tr("no route to the host")),
    ("unreachable", tr("network unreachable")),
    ("Broken pipe", tr("connection broken")),
)


def _not_http(kind: str) -> str:
    return tr("its response is not valid HTTP: {kind}", kind=kind)


def _lost(exchange: Exchange, reason: str) -> ApiError:
    server, detail = exchange.server, f"{exchange.verb}: {reason}"
    if exchange.is_submitted:
        text = tr("The response of {server} was lost ({reason}).", server=server, reason=reason)
        return SubmitUnanswered(text, detail=detail)
    text = tr("Cannot reach {server} ({reason}).", server=server, reason=reason)
    return Unreachable(text, detail=detail)


def _distrusted(exchange: Exchange, why: Distrust, words: str, *, is_proxy: bool) -> ApiError:
    """The error for a failed TLS connection to the server or to the proxy."""
    server: str = exchange.server
    if is_proxy:
        server = tr("the proxy {proxy}", proxy=proxies.name(exchange.entry.proxy or ""))
    if why in CERTIFICATE:
        text = tr(
            "The certificate of {server} is not trusted ({words}).", server=server, words=words
        )
    elif why is Distrust.NO_TLS:
        text = tr("The port of {server} does not speak TLS.", server=server)
    elif why is Distrust.CLIENT_CERTIFICATE:
        text = tr("{server} requires a client certificate ({words}).", server=server, words=words)
    else:
        text = tr(
            "Cannot establish a TLS connection to {server} ({words}).", server=server, words=words
        )
    advice = ADVICE_FOR_SETUP.get(why, why.value) if exchange.sets_up else why.value
    detail = f"{exchange.verb}: {words}"
    if why in PASSING:
        return NotTrusted(text, advice, detail=detail)
    error = ServerMisconfigured(text, advice, detail=detail)
    error.distrust = why
    return error


def _other_user(exchange: Exchange, user: str) -> ApiError:
    """The error for an unencrypted connection that `user` has accepted (empty if unknown)."""
    if user:
        text = tr(
            "A program of user {user} answers at {server}, so nothing was sent to it.",
            user=user,
            server=exchange.server,
        )
        advice = exchange.advice(
            tr(
                "Tell the administrator to stop that program and start the server. If this user "
                'may run the server, set local_user = "{user}" in the server\'s entry in '
                "servers.d.",
                user=user,
            ),
            at_setup=tr(
                "Stop that program, or use --local-user {user} if this user may run the server.",
                user=user,
            ),
        )
    else:
        text = tr(
            "A program of an unknown user answers at {server}, so nothing was sent to it.",
            server=exchange.server,
        )
        advice = exchange.advice(
            tr(
                "Tell the administrator: use TLS, or set allow_plaintext = true in the server's "
                "entry in servers.d if the connection leads into a container."
            ),
            at_setup=tr("Use TLS, or set allow_plaintext = true in an entry in servers.d."),
        )
    error = WrongUser(text, advice, detail=f"{exchange.verb}: peer of user {user or 'unknown'}")
    error.user = user
    return error


def _no_tunnel(exchange: Exchange, refusal: proxies.ProxyRefusal) -> ApiError:
    """The error for a proxy that does not connect to the server (method CONNECT)."""
    text = tr(
        "The proxy {proxy} did not connect to {server} (status {status}: {words}).",
        proxy=proxies.name(exchange.entry.proxy or ""),
        server=exchange.server,
        status=refusal.status,
        words=refusal.words,
    )
    detail = f"{exchange.verb}: CONNECT: status {refusal.status}: {refusal.words}"
    if not refusal.is_lasting:
        return Unreachable(text, detail=detail)
    advice = exchange.advice(
        tr(
            "Have the proxy let this machine through to the server (method CONNECT), or correct "
            "proxy in servers.d; it may need a user and password there."
        ),
        at_setup=tr(
            "Allow this machine to reach the server through the proxy (method "
            "CONNECT), or correct --proxy. The proxy may need a user and password."
        ),
    )
    return ServerMisconfigured(text, advice, detail=detail)
