"""One HTTP request with its answer, and the errors for refusals and useless answers.

A repeated submit prints twice. So a submit that the server may have accepted has its own error,
SubmitUnanswered. All other requests can be repeated.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

from cirrus_bridge.api.proxy import ProxyRefusal
from cirrus_bridge.base.distrust import ADVICE, ADVICE_FOR_SETUP, CERTIFICATE, PASSING, Distrust
from cirrus_bridge.base.errors import (
    ApiError,
    KeyRefused,
    NotPermitted,
    NotTrusted,
    Refused,
    ServerMisconfigured,
    SubmitUnanswered,
    TooLarge,
    UnexpectedAnswer,
    Unreachable,
)
from cirrus_bridge.base.translation import changed, joined, tr
from cirrus_bridge.config.servers import Secret

WORDS_CHARS = 300
_RELEASE = tr("Then release the job.")
# words of a server that does not accept the document's format
_FORMAT = re.compile(r"\bformats?\b|\btakes\b.*\bdocument\b", re.IGNORECASE)
_OTHER_FORMAT = tr(
    "Give the queue the device's driver (lpinfo -v finds the driver, lpadmin "
    "-m sets it), or print a format that the device accepts."
)
_ADVICE: Mapping[int, str] = {
    HTTPStatus.PAYMENT_REQUIRED: tr(
        "Ask the server's administrator to check the account and its licence."
    ),
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: tr(
        "Add the user and password for the proxy to its URL (http://USER:PASSWORD@HOST:PORT)."
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: tr(
        "Raise the size limit of the server or of the proxy in front of it, or "
        "lower segment_bytes in bridge.toml. If the document itself is too "
        "large, print it in parts."
    ),
    HTTPStatus.REQUEST_URI_TOO_LONG: tr(
        "Raise the request line limit of the server or of the proxy in front of "
        "it, or print with a shorter title."
    ),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: _OTHER_FORMAT,
    HTTPStatus.MISDIRECTED_REQUEST: tr(
        "The server does not serve this host name. Ask the server's "
        "administrator for the right name."
    ),
    HTTPStatus.UPGRADE_REQUIRED: tr(
        "The server requires TLS or another version of HTTP. Use TLS, or correct the port."
    ),
}


class RequestBody:
    """The bytes of a request, with a count of those that were handed to the network."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._at = 0

    def __len__(self) -> int:
        return len(self._data)

    def read(self, size: int = -1) -> bytes:
        """Read the next bytes, like a file."""
        end = len(self._data) if size < 0 else self._at + size
        piece = bytes(self._data[self._at : end])
        self._at += len(piece)
        return piece

    @property
    def is_sent(self) -> bool:
        """Whether all bytes were handed to the network, so the server may have read them all."""
        return self._at >= len(self._data)


class Exchange:
    """One request and its answer.

    Args:
        server: the server's name, HOST or HOST:PORT.
        verb: the API's name of the request.
        submits: whether the request is a submit.
        proxy: HOST:PORT, or empty.
        sets_up: whether the server is being set up, so servers.d has no entry yet.
    """

    def __init__(
        self,
        server: str,
        verb: str,
        submits: bool,
        api_key: Secret,
        *,
        proxy: str = "",
        sets_up: bool = False,
    ) -> None:
        self.server = server
        self.verb = verb
        self.submits = submits
        self.proxy = proxy
        self.sets_up = sets_up
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.answer = b""
        self._api_key = api_key

    def received(self, status: int, headers: Mapping[str, str], answer: bytes) -> None:
        """Store the answer, with the key masked: parts of the answer are shown to people."""
        self.status, self.headers = status, headers
        self.answer = answer.replace(self._api_key.reveal().encode(), b"***")

    @property
    def text(self) -> str:
        """The answer as text, stripped, without a BOM; invalid UTF-8 becomes U+FFFD."""
        # codec utf-8-sig is imported late, when a purge may have deleted its module
        return self.answer.removeprefix(BOM_UTF8).decode("utf-8", "replace").strip()

    @property
    def words(self) -> str:
        """The server's words for people: one line, no markup, no key."""
        if self.is_web_page:
            return tr("a web page")
        line = " ".join(self.text.split())
        return line if len(line) <= WORDS_CHARS else line[:WORDS_CHARS] + "…"

    @property
    def is_web_page(self) -> bool:
        """Whether the answer is HTML, which does not come from the API.

        The Content-Type header is ignored, because the API's document names no content types.
        """
        return self.text.startswith("<")

    @property
    def discovers(self) -> bool:
        """Whether the request is a discovery without a queue, so a mistake may be in servers.d."""
        return self.verb == "get location"

    def refused(self, words: str, *, by_status: bool = False) -> Refused:
        """The error for a refusal with the server's `words`."""
        advice: str
        if self.submits and _FORMAT.search(words):
            advice = _OTHER_FORMAT
        elif by_status and self.status in _ADVICE:
            advice = _ADVICE[self.status]
        elif self.sets_up:
            advice = tr("Use the server's ids for company and location.")
        elif self.discovers:
            advice = tr(
                "Correct the company and locations of {server} in servers.d.", server=self.server
            )
        else:
            advice = tr(
                "If the server does not know the location or device, correct the queue's "
                "target with lpadmin -v."
            )
        text = self._refusal(words, by_status=by_status)
        return Refused(text, self._then_release(advice), detail=self._detail)

    def too_large(self) -> TooLarge:
        """The error for a request whose size is refused (status 413 or 414)."""
        text = self._refusal(self.words, by_status=True)
        return TooLarge(text, self._then_release(_ADVICE[self.status]), detail=self._detail)

    def misconfigured(self) -> ServerMisconfigured:
        """The error for a status that every request to this address gets."""
        text = self._refusal(self.words, by_status=True)
        return ServerMisconfigured(text, _ADVICE[self.status], detail=self._detail)

    def key_refused(self) -> KeyRefused:
        """The error for a key that is not accepted (status 401)."""
        text = tr(
            "{server} refused the API key (status {status}: {words}).",
            server=self.server,
            status=self.status,
            words=self.words,
        )
        advice = tr("Put a valid key for {server} into servers.d.", server=self.server)
        if self.sets_up:
            advice = tr("Check that the key is complete and valid and belongs to this company.")
        return KeyRefused(text, advice, detail=self._detail)

    def not_permitted(self) -> NotPermitted:
        """The error for a key that is accepted, but not for this request (status 403)."""
        text = tr(
            "{server} accepts the API key, but does not permit this request (status {status}: "
            "{words}).",
            server=self.server,
            status=self.status,
            words=self.words,
        )
        if self.sets_up:
            advice = tr(
                "Ask the server's administrator to grant the key this right, or check that the key "
                "belongs to this company."
            )
        elif self.discovers:
            advice = tr(
                "Ask the server's administrator to grant the key this right, or correct the "
                "company and locations of {server} in servers.d.",
                server=self.server,
            )
        else:
            advice = tr(
                "Ask the server's administrator to grant the key this right, or correct the "
                "queue's company and target with lpadmin -v."
            )
        return NotPermitted(text, advice, detail=self._detail)

    def _refusal(self, words: str, *, by_status: bool) -> str:
        reason = changed(words, lambda said: said.rstrip(".")) or tr("it gave no reason")
        if not by_status:
            return tr("{server} refused the request: {reason}.", server=self.server, reason=reason)
        return tr(
            "{server} refused the request (status {status}): {reason}.",
            server=self.server,
            status=self.status,
            reason=reason,
        )

    def _then_release(self, advice: str) -> str:
        """The advice; for a request of a job, with the advice to release the job."""
        has_job = not (self.sets_up or self.discovers)
        return joined(" ", (advice, _RELEASE)) if has_job else advice

    def host_of(self, location: str) -> str:
        """The host of a URL, for people."""
        try:
            host = urlsplit(location).netloc.replace(self._api_key.reveal(), "***")
        except ValueError:
            host = ""
        return host if host and host.isprintable() else tr("another address")

    def useless(self, reason: str) -> ApiError:
        """The error for a 2xx answer that is not in the API's document."""
        detail = f"{self.verb}: status {self.status}, {len(self.answer)} bytes: {self.words}"
        text = tr(
            "Unexpected answer from {server} ({reason}).",
            server=self.server,
            reason=reason,
        )
        if self.submits:
            return SubmitUnanswered(text, detail=detail)
        advice = tr(
            "If this persists, check the server's address in servers.d and anything "
            "in front of the server (login page, proxy)."
        )
        if self.sets_up:
            advice = tr(
                "Check the server's address and what is in front of it (login page, proxy)."
            )
        return UnexpectedAnswer(text, advice, detail=detail)

    def redirected(self, where: str) -> ServerMisconfigured:
        """The error for a redirect."""
        text = tr(
            "{server} redirects to {where}. The API key is never sent to another host.",
            server=self.server,
            where=where,
        )
        advice = tr("If that is the right server, name it in servers.d and in the queue's URI.")
        if self.sets_up:
            advice = tr("If that is the right server, give its address.")
        return ServerMisconfigured(text, advice, detail=self._detail)

    def lost(self, reason: str, sent: RequestBody) -> ApiError:
        """The error for a connection that failed."""
        detail = f"{self.verb}: {reason}"
        if self.submits and sent.is_sent and len(sent):
            text = tr(
                "The answer of {server} was lost ({reason}).", server=self.server, reason=reason
            )
            return SubmitUnanswered(text, detail=detail)
        text = tr("Cannot reach {server} ({reason}).", server=self.server, reason=reason)
        return Unreachable(text, detail=detail)

    def distrusted(self, why: Distrust, words: str, *, is_proxy: bool) -> ApiError:
        """The error for a failed TLS connection to the server or to the proxy."""
        server: str = self.server
        if is_proxy:
            server = tr("the proxy {proxy}", proxy=self.proxy)
        if why in CERTIFICATE:
            text = tr(
                "The certificate of {server} is not trusted ({words}).", server=server, words=words
            )
        elif why is Distrust.NO_TLS:
            text = tr("The port of {server} does not speak TLS.", server=server)
        elif why is Distrust.CLIENT_CERTIFICATE:
            text = tr(
                "{server} requires a client certificate ({words}).",
                server=server,
                words=words,
            )
        else:
            text = tr(
                "Cannot establish a TLS connection to {server} ({words}).",
                server=server,
                words=words,
            )
        advice = ADVICE_FOR_SETUP[why] if self.sets_up else ADVICE[why]
        detail = f"{self.verb}: {words}"
        if why in PASSING:
            return NotTrusted(text, advice, detail=detail)
        error = ServerMisconfigured(text, advice, detail=detail)
        error.distrust = why
        return error

    def no_proxy(self, reason: str) -> Unreachable:
        """The error for a proxy that cannot be reached."""
        text = tr("Cannot reach the proxy {proxy} ({reason}).", proxy=self.proxy, reason=reason)
        advice = tr("Check that the proxy is running, or correct its address in servers.d.")
        if self.sets_up:
            advice = tr("Check that the proxy is running, or correct --proxy.")
        return Unreachable(text, advice, detail=f"{self.verb}: {reason}")

    def no_tunnel(self, refusal: ProxyRefusal) -> ApiError:
        """The error for a proxy that does not connect to the server (method CONNECT)."""
        text = tr(
            "The proxy {proxy} did not connect to {server} (status {status}: {words}).",
            proxy=self.proxy,
            server=self.server,
            status=refusal.status,
            words=refusal.words,
        )
        detail = f"{self.verb}: CONNECT: status {refusal.status}: {refusal.words}"
        if not refusal.is_lasting:
            return Unreachable(text, detail=detail)
        advice = tr(
            "Have the proxy let this machine through to the server (method CONNECT), or correct "
            "proxy in servers.d; it may need a user and password there."
        )
        if self.sets_up:
            advice = tr(
                "Allow this machine to reach the server through the proxy (method "
                "CONNECT), or correct --proxy. The proxy may need a user and password."
            )
        return ServerMisconfigured(text, advice, detail=detail)

    @property
    def _detail(self) -> str:
        return f"{self.verb}: status {self.status}: {self.words}"
