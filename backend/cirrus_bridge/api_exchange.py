"""One HTTP request and its answer, and which error an answer is that says no or nothing.

The question behind each: may the server have acted on the request? Only a submit can do harm by
acting twice, so only there the answer is kept open (SubmitUnanswered).
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from cirrus_bridge.config_servers import Secret
from cirrus_bridge.errors import (
    ApiError,
    KeyRefused,
    Refused,
    SubmitUnanswered,
    UnexpectedAnswer,
    Unreachable,
)
from cirrus_bridge.words import changed, joined, tr

WORDS_CHARS = 300
MAY_BE_PRINTED = tr(
    "The document was sent and it is not known whether the cloud took it: it may be printed "
    "already. Look at the printer; then cancel this job, or release it to print (again)."
)


class RequestBody:
    """The bytes of a request, which knows how much of itself has been handed to the network."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._at = 0

    def __len__(self) -> int:
        return len(self._data)

    def read(self, size: int = -1) -> bytes:
        """The next bytes, as a file has them."""
        end = len(self._data) if size < 0 else self._at + size
        piece = bytes(self._data[self._at : end])
        self._at += len(piece)
        return piece

    @property
    def is_sent(self) -> bool:
        """All of it was handed over, so the server may have read the whole request."""
        return self._at >= len(self._data)


class Exchange:
    """One request (`verb`, to the server called `server`) and its answer. With `sets_up`, nothing
    is in servers.d yet."""

    def __init__(
        self, server: str, verb: str, submits: bool, api_key: Secret, *, sets_up: bool = False
    ) -> None:
        self.server = server
        self.verb = verb
        self.submits = submits
        self.sets_up = sets_up
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.answer = b""
        self._api_key = api_key

    def received(self, status: int, headers: Mapping[str, str], answer: bytes) -> None:
        """Keep the answer, without the key if the server repeats it: parts of it are shown."""
        self.status, self.headers = status, headers
        self.answer = answer.replace(self._api_key.reveal().encode(), b"***")

    @property
    def text(self) -> str:
        """The answer as text, stripped; what is not UTF-8 becomes U+FFFD."""
        return self.answer.decode("utf-8", "replace").strip()

    @property
    def words(self) -> str:
        """What the server says, fit to be shown: one line, no markup, never the key."""
        if self.is_web_page:
            return tr("a web page")
        line = " ".join(self.text.split())
        return line if len(line) <= WORDS_CHARS else line[:WORDS_CHARS] + "…"

    @property
    def is_web_page(self) -> bool:
        """The answer is HTML, so something else than the API has answered."""
        return "html" in self.headers.get("Content-Type", "").lower() or self.text.startswith("<")

    @property
    def discovers(self) -> bool:
        """It is asked for no job and no queue: what may be wrong is in servers.d."""
        return self.verb == "get location"

    def refused(self, words: str, *, by_status: bool = False) -> Refused:
        """The error for a no, in the server's `words`."""
        if self.sets_up:
            advice = tr("Give company and location by the ids that they have there.")
        elif self.discovers:
            advice = tr(
                "Correct the company and locations of {server} in servers.d.", server=self.server
            )
        else:
            advice = tr(
                "If it does not know the location or device, correct the queue's target with "
                "lpadmin -v. Then release the job."
            )
        reason = changed(words, lambda said: said.rstrip(".")) or tr("it gave no reason")
        if by_status:
            text = tr(
                "{server} refused the request (status {status}): {reason}.",
                server=self.server,
                status=self.status,
                reason=reason,
            )
        else:
            text = tr("{server} refused the request: {reason}.", server=self.server, reason=reason)
        detail = f"{self.verb}: status {self.status}: {self.words}"
        return Refused(joined(" ", (text, advice)), detail=detail)

    def host_of(self, location: str) -> str:
        """The host of a URL, fit to be shown."""
        try:
            host = urlsplit(location).netloc.replace(self._api_key.reveal(), "***")
        except ValueError:
            host = ""
        return host if host and host.isprintable() else tr("another address")

    def useless(self, reason: str) -> ApiError:
        """The error for a 2xx answer that is none of the API's document."""
        detail = f"{self.verb}: status {self.status}, {len(self.answer)} bytes: {self.words}"
        text = tr(
            "{server} did not answer as the print API does: {reason}.",
            server=self.server,
            reason=reason,
        )
        if self.submits:
            return SubmitUnanswered(joined(" ", (text, MAY_BE_PRINTED)), detail=detail)
        if self.sets_up:
            advice = tr(
                "Check the server's address and what is in front of it (login page, proxy)."
            )
        elif self.discovers:
            advice = tr(
                "Check the server's address in servers.d and what is in front of it (login page, "
                "proxy)."
            )
        else:
            advice = tr(
                "Check the server's address in servers.d and what is in front of it (login page, "
                "proxy), then release the job."
            )
        return UnexpectedAnswer(joined(" ", (text, advice)), detail=detail)

    def sent_on(self, where: str) -> UnexpectedAnswer:
        """The error for a redirect."""
        text = tr(
            "{server} sends us on to {where}, and the key is for {server} alone.",
            server=self.server,
            where=where,
        )
        advice = tr("If that is the right server, name it in servers.d and in the queue's URI.")
        if self.sets_up:
            advice = tr("If that is the right server, give its address.")
        return UnexpectedAnswer(joined(" ", (text, advice)), detail=self._detail)

    def key_refused(self) -> KeyRefused:
        """The error for a key that is not accepted."""
        text = tr(
            "{server} refused the API key (status {status}: {words}).",
            server=self.server,
            status=self.status,
            words=self.words,
        )
        if self.sets_up:
            advice = tr("Check that the key is whole, still valid, and of this company.")
        elif self.discovers:
            advice = tr("Put a valid key for {server} into servers.d.", server=self.server)
        else:
            advice = tr(
                "Put a valid key for {server} into servers.d, then release the job.",
                server=self.server,
            )
        return KeyRefused(joined(" ", (text, advice)), detail=self._detail)

    @property
    def _detail(self) -> str:
        return f"{self.verb}: status {self.status}: {self.words}"

    def lost(self, reason: str, sent: RequestBody) -> ApiError:
        """The error for a connection that failed."""
        detail = f"{self.verb}: {reason}"
        if self.submits and sent.is_sent and len(sent):
            text = tr(
                "The answer of {server} got lost ({reason}).", server=self.server, reason=reason
            )
            return SubmitUnanswered(joined(" ", (text, MAY_BE_PRINTED)), detail=detail)
        text = tr("{server} can not be reached: {reason}.", server=self.server, reason=reason)
        return Unreachable(text, detail=detail)
