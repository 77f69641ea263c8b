"""What can go wrong with one HTTP request, translated into the tree of `errors`.

What requests and urllib3 raise, and the status of an answer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from cirrus_bridge.api_exchange import MAY_BE_PRINTED, Exchange, RequestBody
from cirrus_bridge.errors import (
    BadConfiguration,
    Interrupted,
    NotTrusted,
    ServerFault,
    SubmitUnanswered,
)
from cirrus_bridge.words import joined, tr

_TRY_AGAIN = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
NO_TLS = tr(
    "this port does not speak TLS. Correct the port; or, for a server on this machine that has no "
    'TLS, put encryption = "never" into its entry in servers.d'
)
NO_TLS_YET = tr(
    "this port does not speak TLS. Correct the port; or, for a server on this machine that has no "
    "TLS, say --plain"
)


@contextlib.contextmanager
def translated(exchange: Exchange, sent: RequestBody) -> Iterator[None]:
    """Translate what requests and urllib3 raise within.

    Raises:
        Unreachable, NotTrusted, SubmitUnanswered, BadConfiguration.
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
                "Address or proxy of {server} can not be used: {error}.",
                server=exchange.server,
                error=error,
            )
            if exchange.sets_up
            else tr(
                "The entry of {server} in servers.d can not be used: {error}.",
                server=exchange.server,
                error=error,
            )
        ) from error
    except (rq.RequestException, u3.HTTPError, OSError) as error:
        reason = _reason(error)
        if isinstance(error, rq.SSLError) and "CERTIFICATE_VERIFY_FAILED" in reason:
            why = reason.partition("CERTIFICATE_VERIFY_FAILED]")[2].partition("(_ssl")[0]
            raise NotTrusted(
                joined(
                    " ",
                    (
                        tr(
                            "The certificate of {server} is not trusted: {why}.",
                            server=exchange.server,
                            why=why.removeprefix(" certificate verify failed:").strip(),
                        ),
                        tr("Renew it, or name its CA by --ca-file.")
                        if exchange.sets_up
                        else tr("Renew it, or name its CA as ca_file in servers.d."),
                    ),
                ),
                detail=f"{exchange.verb}: {reason}",
            ) from error
        words = _plain(error, reason)
        if words == NO_TLS and exchange.sets_up:
            words = NO_TLS_YET
        raise exchange.lost(words, sent) from error


def check_status(exchange: Exchange) -> None:
    """Take any answer but a 2xx one that is no `Error: …` for the error that it is."""
    status, server = exchange.status, exchange.server
    detail = f"{exchange.verb}: status {status}: {exchange.words}"
    if 200 <= status < 300:
        if exchange.text.startswith("Error:"):
            raise exchange.refused(exchange.words.removeprefix("Error:").strip())
        if exchange.is_web_page:
            raise exchange.useless(tr("it sent a web page"))
    elif 300 <= status < 400:
        where = exchange.host_of(exchange.headers.get("Location", ""))
        if exchange.submits:
            raise exchange.useless(tr("it sends us on to {where}", where=where))
        raise exchange.sent_on(where)
    elif status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise exchange.key_refused()
    elif status in _TRY_AGAIN or (status >= 500 and not exchange.submits):
        raise ServerFault(
            tr("{server} can not answer now (status {status}).", server=server, status=status),
            detail=detail,
            retry_after_s=_retry_after_s(exchange.headers),
        )
    elif status >= 500:
        text = tr(
            "{server} failed while it took the job (status {status}).", server=server, status=status
        )
        raise SubmitUnanswered(joined(" ", (text, MAY_BE_PRINTED)), detail=detail)
    else:
        raise exchange.refused(exchange.words, by_status=True)


def _reason(error: BaseException) -> str:
    """The innermost cause: requests and urllib3 wrap it several times."""
    inner: BaseException = error
    while True:
        reason = getattr(inner, "reason", None)
        deeper = [item for item in (reason, *inner.args) if isinstance(item, BaseException)]
        if not deeper:
            return str(inner)
        inner = deeper[0]


def _plain(error: BaseException, reason: str) -> str:
    """The cause in a few words that people know."""
    name = type(error).__name__
    for sign, words in _PLAIN:
        if sign in reason:
            return words
    return f"{name}: {' '.join(reason.split())[:120]}"


_NOT_LOOKED_UP = tr("its name can not be looked up")
_PLAIN = (
    ("refused", tr("connection refused")),
    ("Name or service not known", tr("its name is not known")),
    ("Temporary failure in name", _NOT_LOOKED_UP),
    ("getaddrinfo", _NOT_LOOKED_UP),
    ("resolve", _NOT_LOOKED_UP),
    ("timed out", tr("no answer in time")),
    ("reset", tr("connection reset")),
    ("without response", tr("connection closed without an answer")),
    ("No route", tr("no route to it")),
    ("unreachable", tr("network unreachable")),
    ("Broken pipe", tr("connection broken")),
    ("WRONG_VERSION_NUMBER", NO_TLS),
    ("record layer failure", NO_TLS),  # the same, as OpenSSL 3.5 says it
)


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds from Retry-After, a number or a date (RFC 9110, 10.2.3); a day at most."""
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
