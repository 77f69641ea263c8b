"""One HTTP request with its answer, and the errors for refusals and useless answers.

A repeated submit prints twice. So a submit that the server may have accepted has its own error,
SubmitUnanswered. All other requests can be repeated.
"""

from __future__ import annotations

import io
import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from cirrus_bridge.api.redaction import Redaction
from cirrus_bridge.base.errors import (
    ApiError,
    KeyRefused,
    NotPermitted,
    Refused,
    ServerFault,
    ServerMisconfigured,
    SubmitUnanswered,
    TooLarge,
    UnexpectedAnswer,
)
from cirrus_bridge.base.translation import changed, joined, tr
from cirrus_bridge.config.servers import Server

WORDS_CHARS = 300
_MOST_READ = 4 * WORDS_CHARS  # of a text that may be long
# words of a server that does not accept the document's format
_FORMAT = re.compile(r"\bformats?\b|\btakes\b.*\bdocument\b", re.IGNORECASE)
_OTHER_FORMAT = tr(
    "Give the queue the device's driver (lpinfo -v finds the driver, lpadmin "
    "-m sets it), or print a format that the device accepts."
)
_ADVICE: Mapping[int, str] = {  # by status
    402: tr("Ask the server's administrator to check the account and its license."),
    407: tr("Add the user and password for the proxy to its URL (http://USER:PASSWORD@HOST:PORT)."),
    413: tr(
        "Raise the size limit of the server or of the proxy in front of it, or lower segment_bytes "
        "in bridge.toml. If the document itself is too large, print it in parts."
    ),
    414: tr(
        "Raise the request line limit of the server or of the proxy in front of "
        "it, or print with a shorter title."
    ),
    415: _OTHER_FORMAT,
    421: tr(
        "The server does not serve this host name. Ask the server's "
        "administrator for the right name."
    ),
    426: tr("The server requires TLS or another version of HTTP. Use TLS, or correct the port."),
}
_ERRORS: Mapping[int, type[ApiError]] = {
    **dict.fromkeys((413, 414), TooLarge),
    **dict.fromkeys((407, 421, 426), ServerMisconfigured),  # any request to this address
}
_TRY_AGAIN = (408, 425, 429, 511)  # 511 is never a server's own (RFC 6585, 6)
# These ask for the same request elsewhere (RFC 9110, 15.4). 302 and 303 may come after the request
# had an effect.
_NOT_DONE_HERE = (301, 307, 308)


@dataclass(slots=True)
class Exchange:
    """One request to the server of `entry`, and its answer, without secrets (`redaction`). `verb`
    is the API's name of the request. If `sets_up`, the server is being set up, so servers.d has no
    entry yet. `secrets` belong to this request alone, and `words` leaves them out."""

    entry: Server
    verb: str
    body: io.BytesIO
    submits: bool
    sets_up: bool
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    answer: bytes = b""
    secrets: tuple[str, ...] = ()

    @property
    def is_submitted(self) -> bool:
        """Whether the network has a whole submit, so the server may have read and accepted it."""
        return self.submits and 0 < len(self.body.getbuffer()) <= self.body.tell()

    @property
    def server(self) -> str:
        """The server's name, HOST or HOST:PORT."""
        return self.entry.name

    @property
    def text(self) -> str:
        """The answer as text, stripped, without a BOM; invalid UTF-8 becomes U+FFFD."""
        # codec utf-8-sig is imported late, when a purge may have deleted its module
        return self.answer.removeprefix(BOM_UTF8).decode("utf-8", "replace").strip()

    @property
    def words(self) -> str:
        """The server's words for people: one line, no markup."""
        if self.is_web_page:
            return tr("a web page")
        return in_short(Redaction(*self.secrets).text(self.text))

    @property
    def is_web_page(self) -> bool:
        """Whether the answer is HTML, which does not come from the API. The Content-Type header is
        ignored, because the API's document names no content types."""
        return self.text.startswith("<")

    @property
    def detail(self) -> str:
        """The answer as a line for the log."""
        return f"{self.verb}: status {self.status}: {self.words}"

    @property
    def redirects_to(self) -> str:
        """The host to which the answer redirects, for people."""
        try:
            host = urlsplit(self.headers.get("Location", "")).netloc
        except ValueError:
            host = ""
        return in_short(host) if host and host.isprintable() else tr("another address")

    @property
    def is_of_job(self) -> bool:
        """Whether the request is for a job. Neither the setup of a server nor discovery has one."""
        return not (self.sets_up or self.verb == "get location")

    def advice(self, usual: str, *, at_setup: str, of_discovery: str = "") -> str:
        """The advice for this request. Discovery has no queue, so a mistake may be in servers.d."""
        if self.sets_up:
            return at_setup
        return usual if self.is_of_job else of_discovery or usual

    def useless(self, reason: str) -> ApiError:
        """The error for a 2xx answer that is not in the API's document."""
        detail = f"{self.verb}: status {self.status}, {len(self.answer)} bytes: {self.words}"
        text = tr(
            "Unexpected response from {server} ({reason}).", server=self.server, reason=reason
        )
        if self.submits:
            return SubmitUnanswered(text, detail=detail)
        advice = self.advice(
            tr(
                "If this persists, check the server's address in servers.d and anything "
                "in front of the server (login page, proxy)."
            ),
            at_setup=tr(
                "Check the server's address and what is in front of it (login page, proxy)."
            ),
        )
        return UnexpectedAnswer(text, advice, detail=detail)


def in_short(text: str) -> str:
    """A stranger's text on one line, cut to WORDS_CHARS."""
    line = " ".join(text[:_MOST_READ].split())
    is_whole = len(text) <= _MOST_READ and len(line) <= WORDS_CHARS
    return line if is_whole else line[:WORDS_CHARS] + "…"


def check_status(exchange: Exchange) -> None:
    """Raise the error for an answer whose status is not 2xx, or that begins with `Error:`."""
    status, server = exchange.status, exchange.server
    if 200 <= status < 300:
        if exchange.text.startswith("Error:"):
            raise _refused(exchange, exchange.words.removeprefix("Error:").strip(), 0)
        if exchange.is_web_page:
            raise exchange.useless(tr("it sent a web page"))
    elif 300 <= status < 400:
        raise _redirected(exchange)
    elif status in (401, 403):
        raise _forbidden(exchange)
    elif status in _TRY_AGAIN or (status >= 500 and not exchange.submits):
        raise _cannot_now(exchange)
    elif status >= 500:
        text = tr(
            "{server} failed while accepting the job (status {status}).",
            server=server,
            status=status,
        )
        raise SubmitUnanswered(text, detail=exchange.detail)
    else:
        raise _refused(exchange, exchange.words, status)


def _cannot_now(exchange: Exchange) -> ApiError:
    """The error for an answer such as "the quota is full", with the server's reason if it gave one
    for people."""
    server, status = exchange.server, exchange.status
    reason = "" if exchange.is_web_page else changed(exchange.words, lambda said: said.rstrip("."))
    text = (
        tr(
            "{server} cannot answer right now (status {status}): {reason}.",
            server=server,
            status=status,
            reason=reason,
        )
        if reason
        else tr("{server} cannot answer right now (status {status}).", server=server, status=status)
    )
    wait_s = _retry_after_s(exchange.headers)
    return ServerFault(text, detail=exchange.detail, retry_after_s=wait_s)


def _redirected(exchange: Exchange) -> ApiError:
    where = exchange.redirects_to
    if exchange.submits and exchange.status not in _NOT_DONE_HERE:
        return exchange.useless(tr("it redirects to {where}", where=where))
    text = tr(
        "{server} redirects to {where}. The API key is never sent to another host.",
        server=exchange.server,
        where=where,
    )
    advice = exchange.advice(
        tr("If that is the right server, name it in servers.d and in the queue's URI."),
        at_setup=tr("If that is the right server, give its address."),
    )
    return ServerMisconfigured(text, advice, detail=exchange.detail)


def _forbidden(exchange: Exchange) -> ApiError:
    """The error for a key that is not accepted (401), or not for this request (403)."""
    server, status, words = exchange.server, exchange.status, exchange.words
    if status == 401:
        text = tr(
            "{server} refused the API key (status {status}: {words}).",
            server=server,
            status=status,
            words=words,
        )
        advice = exchange.advice(
            tr("Put a valid key for {server} into servers.d.", server=server),
            at_setup=tr("Check that the key is complete and valid and belongs to this company."),
        )
        return KeyRefused(text, advice, detail=exchange.detail)
    text = tr(
        "{server} accepts the API key, but does not permit this request (status {status}: "
        "{words}).",
        server=server,
        status=status,
        words=words,
    )
    advice = exchange.advice(
        tr(
            "Ask the server's administrator to grant the key this right, or correct the "
            "queue's company and target with lpadmin -v."
        ),
        at_setup=tr(
            "Ask the server's administrator to grant the key this right, or check that the key "
            "belongs to this company."
        ),
        of_discovery=tr(
            "Ask the server's administrator to grant the key this right, or correct the "
            "company and locations of {server} in servers.d.",
            server=server,
        ),
    )
    return NotPermitted(text, advice, detail=exchange.detail)


def _refused(exchange: Exchange, words: str, status: int) -> ApiError:
    """The error for a refusal with the server's `words`. Without a status (0), the words decide."""
    server = exchange.server
    error, advice = _ERRORS.get(status, Refused), _ADVICE.get(status)
    if error is Refused and exchange.submits and _FORMAT.search(words):
        advice = _OTHER_FORMAT
    is_of_format = advice is _OTHER_FORMAT
    advice = advice or exchange.advice(
        tr(
            "If the server does not know the location or device, correct the queue's "
            "target with lpadmin -v."
        ),
        at_setup=tr("Use the server's ids for company and location."),
        of_discovery=tr(
            "Correct the company and locations of {server} in servers.d.", server=server
        ),
    )
    if exchange.is_of_job and error is not ServerMisconfigured:
        advice = joined(" ", (advice, tr("Then release the job.")))
    reason = changed(words, lambda said: said.rstrip(".")) or tr("it gave no reason")
    text = (
        tr(
            "{server} refused the request (status {status}): {reason}.",
            server=server,
            status=status,
            reason=reason,
        )
        if status
        else tr("{server} refused the request: {reason}.", server=server, reason=reason)
    )
    refusal = error(text, advice, detail=exchange.detail)
    if isinstance(refusal, Refused):
        refusal.of_format = is_of_format
    return refusal


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds from Retry-After, a number or a date (RFC 9110, 10.2.3), at most a day."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:9]), 86_400))
    if (until := http_date(text)) is None:
        return None
    return min(max((until - datetime.now(UTC)).total_seconds(), 0.0), 86_400.0)


def http_date(text: str) -> datetime | None:
    """The time in a header (RFC 9110, 5.6.7), if there is one."""
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
