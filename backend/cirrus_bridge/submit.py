"""Use case: one document → receipts. Owns the order of effects.

journal(intent) → upload → journal(confirmed bytes) → journal(about to submit) → submit →
journal(accepted). What is retryable is retried here until the queue's `contimeout` is over; a
submit is repeated only if it is certain that the server did not take it, or if the queue's
`onambiguous` or a person (who released the held job) wants it.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from cirrus_bridge.api import CloudApi
from cirrus_bridge.api_exchange import MAY_BE_PRINTED
from cirrus_bridge.clock import Clock
from cirrus_bridge.config import UploadSettings
from cirrus_bridge.crowd import Crowd
from cirrus_bridge.deflate import deflate
from cirrus_bridge.errors import (
    Definitive,
    EmptyDocument,
    Interrupted,
    QueueError,
    Refused,
    Retryable,
    SubmitDropped,
    SubmitUnanswered,
    TooLarge,
)
from cirrus_bridge.journal import Entry, Journal, Phase
from cirrus_bridge.model import Compression, DocumentKey, PrintJob, Receipt, Segment, Ticket
from cirrus_bridge.patience import Patience
from cirrus_bridge.upload import Upload
from cirrus_bridge.uri import QueueUri
from cirrus_bridge.words import joined, tr

SINGLE_REQUEST_BYTES = 500_000  # the API's document: larger files go by segments
# any fixed name space (RFC 9562, 6.5): equal documents get equal keys, in every run
IDEMPOTENCY = uuid.UUID("5f0f6e0c-3f0b-4a53-9a5e-6d0a4c9a7a10")
_BROKEN_OFF = joined(" ", (tr("This job was interrupted while it was sent."), MAY_BE_PRINTED))
QUERY_BYTES = 4_000  # of title, targets and props; common servers take 8 KiB in a request line


class Report(Protocol):
    """Where a submission says how it goes."""

    def debug(self, text: str) -> None: ...
    def info(self, text: str) -> None: ...
    def progress(self, percent: int) -> None: ...
    def server_away(self, text: str) -> None: ...
    def server_back(self) -> None: ...


@dataclass(slots=True)
class Document:
    """The document while it streams by: its size and digest so far."""

    chunks: Iterable[bytes]
    size_bytes: int = 0
    sha256: str = ""

    def __iter__(self) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for chunk in self.chunks:
            digest.update(chunk)
            self.size_bytes += len(chunk)
            yield chunk
        self.sha256 = digest.hexdigest()


@dataclass(slots=True)
class Submission:
    """Everything that one document's way to the cloud needs.

    `expected_bytes` is the document's size where it is known (for progress), else 0; `attempt`
    how often the document has been printed anew because the cloud did not deliver it.
    """

    job: PrintJob
    queue: QueueUri
    key: DocumentKey
    props: dict[str, str]
    api: CloudApi
    journal: Journal
    clock: Clock
    report: Report
    sizes: UploadSettings
    expected_bytes: int = 0
    attempt: int = 0

    def run(self, document: Document, earlier: Entry | None) -> list[Receipt]:
        """Bring a document to the cloud.

        Args:
            document: what to send; read at most once.
            earlier: what the journal knows of a run that did not come to its end.

        Raises:
            SubmitUnanswered: it may be accepted or not, and a person has to decide.
            CirrusError: any other reason why it was not submitted.
        """
        if earlier and earlier.phase is Phase.SUBMITTING:
            error = SubmitUnanswered(_BROKEN_OFF)
            self._decide_unanswered(error, earlier.key)
        self.journal.intent(self.key, self.job, self.queue.targets, now_s=self.clock.wall_s())
        upload = Upload(
            api=self.api,
            journal=self.journal,
            key=self.key,
            clock=self.clock,
            patience=self._patience(in_class=self.job.in_class),
            crowd=Crowd(1 if self._takes_one_at_a_time() else self.sizes.connections),
            segment_bytes=self.sizes.segment_bytes,
            largest_bytes=self.sizes.largest_segment_bytes,
            earlier=self.journal.upload(self.key),
            progressed=lambda: self._progressed(document),
            found_one_at_a_time=self._remember_one_at_a_time,
        )
        level = self.queue.settings.level
        segments = upload.cut(document if level is None else deflate(document, level))
        head = list(itertools.islice(segments, 2))
        if document.size_bytes == 0:
            raise EmptyDocument(
                tr(
                    "There is nothing to print: the document is empty, or a filter failed. Print "
                    "it anew, or cancel this job."
                )
            )
        if len(head) == 1 and upload.earlier is None and self._fits_one_request(head[0]):
            try:
                return self._submit(document, functools.partial(self.api.put_file, head[0].data))
            except TooLarge as error:
                self.report.debug(f"{error} It is sent in segments instead.")
        name = upload.send(itertools.chain(head, segments))
        try:
            return self._submit(document, functools.partial(self.api.submit_file, name))
        except Refused as error:
            raise upload.useless(error) from error

    def _takes_one_at_a_time(self) -> bool:
        return self.journal.takes_one_at_a_time(self.queue.server, now_s=self.clock.wall_s())

    def _remember_one_at_a_time(self) -> None:
        self.report.debug(f"{self.queue.server} takes one segment at a time")
        self.journal.found_one_at_a_time(self.queue.server, now_s=self.clock.wall_s())

    def _progressed(self, document: Document) -> None:
        if self.expected_bytes:
            self.report.progress(min(99, document.size_bytes * 100 // self.expected_bytes))

    def _submit(
        self, document: Document, request: Callable[[Ticket], list[Receipt]]
    ) -> list[Receipt]:
        """Submit until it is clear what became of it, as far as the queue allows."""
        self.report.debug(f"document sha256={document.sha256} bytes={document.size_bytes}")
        ticket = Ticket(
            self.queue.targets,
            self.job.title,
            self.props,
            Compression.NONE if self.queue.settings.level is None else Compression.ZLIB,
            str(uuid.uuid5(IDEMPOTENCY, f"{self.key!r}{self.attempt or ''}")),
        )
        patience = self._patience(in_class=self.job.in_class)
        while True:
            self.journal.submitting(
                self.key, document.sha256, document.size_bytes, now_s=self.clock.wall_s()
            )
            try:
                receipts = self._ask(request, ticket)
            except SubmitUnanswered as error:
                patience.in_class = False  # another member could only print it a second time
                self._decide_unanswered(error, self.key)
                patience.wait_after(error)
            except (Retryable, Definitive, QueueError) as error:
                self.journal.not_submitted(self.key, now_s=self.clock.wall_s())
                if not isinstance(error, Retryable):
                    raise
                patience.wait_after(error)
            else:
                self.report.server_back()
                return receipts

    def _ask(self, request: Callable[[Ticket], list[Receipt]], ticket: Ticket) -> list[Receipt]:
        """One submit. A signal may cut it off, but not what is noted of its answer."""
        with self.clock.undisturbed():
            try:
                with self.clock.reluctant():
                    receipts = request(ticket)
            except Interrupted as error:
                # it may have come just behind the answer
                raise SubmitUnanswered(_BROKEN_OFF) from error
            self.journal.accepted(self.key, receipts, now_s=self.clock.wall_s())
            return receipts

    def _patience(self, *, in_class: bool) -> Patience:
        limit_s = self.queue.settings.contimeout_s
        return Patience(self.clock, self.report, limit_s, in_class=in_class)

    def _decide_unanswered(self, error: SubmitUnanswered, key: DocumentKey) -> None:
        """Return if an unanswered submit is to be repeated, because the server tells repeated
        ones or the queue wants it; raise otherwise."""
        if self.clock.stop_requested:
            raise error  # the journal still says SUBMITTING: the next run decides
        here = key.destination == self.key.destination
        if here and self._patience(in_class=False).insist(self.api.repeats_safely):
            self.report.debug(f"{error} The server knows a repeated submit, so it is repeated.")
            return
        if self.queue.settings.onambiguous == "resubmit":
            return
        if self.queue.settings.onambiguous == "drop":
            self.journal.ended(key, now_s=self.clock.wall_s())
            raise SubmitDropped(
                tr(
                    "It is not known whether the cloud took this job, and this queue never sends "
                    "a job twice. If the pages do not come out, restart the job."
                ),
                detail=str(error),
            ) from error
        self.journal.unanswered(key, now_s=self.clock.wall_s())
        raise error

    def _fits_one_request(self, segment: Segment) -> bool:
        """Whether the whole document, and the request line with its parameters, are short enough
        for a single-step putfile."""
        props = itertools.chain(*self.props.items())
        texts = (self.job.title, *map(str, self.queue.targets), *props)
        parameter_bytes = sum(len(quote(text, safe="")) + 3 for text in texts)
        return len(segment.data) <= SINGLE_REQUEST_BYTES and parameter_bytes <= QUERY_BYTES
