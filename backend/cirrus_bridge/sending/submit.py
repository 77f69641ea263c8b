"""Use case: submit one document, in this order of effects.

journal(intent) → upload → journal(confirmed bytes) → journal(about to submit) → submit →
journal(accepted). Retryable requests are retried until the queue's `contimeout` is over. A submit
is repeated if the server certainly did not accept it, or recognizes the repetition. In other cases
the queue's `onambiguous`, or a person by releasing the held job, has to allow it.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import (
    CirrusError,
    Definitive,
    Interrupted,
    Kind,
    QueueError,
    Refused,
    RepeatedId,
    Retryable,
    SubmitDropped,
    SubmitUnanswered,
    TimeIsOver,
    TooLarge,
)
from cirrus_bridge.base.model import Compression, DocumentKey, PrintJob, Receipt, Ticket
from cirrus_bridge.base.translation import joined, tr
from cirrus_bridge.config.load import UploadSettings
from cirrus_bridge.config.queue_uri import QueueUri, company_uri
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.lifecycle import IN_DOUBT, State
from cirrus_bridge.journal.submissions import Journal
from cirrus_bridge.sending.misfits import UNCHANGED, has_no_pages, nothing_to_print
from cirrus_bridge.sending.patience import FOR_CORRECTION, Patience, Report
from cirrus_bridge.sending.segments import deflate
from cirrus_bridge.sending.upload import Upload

SINGLE_REQUEST_BYTES = 500_000  # the API's document asks for segments beyond this size
_INTERRUPTED = tr("This job was interrupted while it was sent.")
_CHANGED = tr("This job was changed after it was sent.")
_STOPPED_IN_DOUBT = tr(
    "The job was stopped. An earlier submit got no response, so the document may be printed "
    "already."
)
_STILL_IN_DOUBT = tr("An earlier submit got no response, so the document may be printed already.")
_HELD_UNTIL_CORRECTED = tr("The job is held and continues by itself once the problem is corrected.")
JOB_REMEMBERED_S = 86_400.0  # assumed: servers remember jobs for a day
_HEAD_BYTES = 16
QUERY_BYTES = 4_000  # of title, targets and props; common servers take 8 KiB in a request line


@dataclass(slots=True)
class Submission:
    """The submission of one document. `data` is read once at most; `expected_bytes` is its size for
    progress (0 if unknown). `warns` makes messages say that the document may be printed already,
    even after a person decided. `secret_props` are further props, only for the submit.
    `gives_way` is that of `Patience`."""

    job: PrintJob
    queue: QueueUri
    key: DocumentKey
    data: Iterable[bytes]
    props: dict[str, str]
    api: CloudApi
    journal: Journal
    clock: Clock
    report: Report
    upload_settings: UploadSettings
    expected_bytes: int = 0
    warns: bool = False
    secret_props: Mapping[str, str] = field(default_factory=dict, repr=False)
    gives_way: Callable[[], bool] = lambda: False
    _patience: Patience = field(init=False)
    _size_bytes: int = 0  # the bytes of the document that were read
    _head: bytes = b""  # the first of them
    _sha256: str = ""
    _has_progressed: bool = False

    def __post_init__(self) -> None:
        self._patience = Patience(
            self.clock, self.report, self.journal, self.job, self.key, self.queue
        )
        self._patience.gives_way = self.gives_way

    def run(self, earlier: Document | None) -> list[Receipt]:
        """Upload and submit the document; `earlier` is its entry of an unfinished run.

        Raises:
            SubmitUnanswered: the document may have been accepted, and a person has to decide.
            CirrusError: the document was not submitted for another reason.
        """
        in_doubt = earlier is not None and earlier.state in IN_DOUBT - {State.UNANSWERED}
        if earlier and in_doubt and earlier.key != self.key:
            self._settle_unanswered(SubmitUnanswered(_INTERRUPTED), earlier.key)
            in_doubt = False
        now_s = self.clock.wall_s()
        self._patience.in_doubt = in_doubt
        self.warns |= earlier is not None and earlier.may_be_printed
        self.journal.intent(self.key, self.job, self.queue.targets, now_s=now_s)
        if self.warns:
            self.journal.doubted(self.key, now_s=now_s)
        try:
            return self._bring(now_s)
        except Interrupted as error:
            if self.warns:
                raise type(error)(_STOPPED_IN_DOUBT) from error
            raise
        except CirrusError as error:
            if isinstance(error, Refused) and error.of_format and self.job.is_unchanged:
                error.hint = UNCHANGED
                error.told_to_person = error.text
            told = [error.consequence]
            if isinstance(error, Definitive) and error.kind is Kind.CONFIGURATION:
                if self._patience.can_hold:
                    self._patience.hold(FOR_CORRECTION)
                    told.append(_HELD_UNTIL_CORRECTED)
                else:
                    error.afterwards = tr("Then release the job.")
            if self.warns and not isinstance(error, SubmitUnanswered):
                told.append(_STILL_IN_DOUBT)
            error.consequence = joined(" ", filter(None, told))
            raise

    def _bring(self, began_s: float) -> list[Receipt]:
        try:
            if self._patience.in_doubt:
                self._settle_unanswered(SubmitUnanswered(_INTERRUPTED), self.key)
            return self._upload_and_submit()
        except TimeIsOver:
            if not self._has_progressed:
                self._patience.count_useless_run(began_s)
            raise

    def _upload_and_submit(self) -> list[Receipt]:
        upload = Upload(self.api, self._patience, self.upload_settings, self._progressed)
        level = self.queue.settings.level
        stream = iter(self._read() if level is None else deflate(self._read(), level))
        data = self._head_of(stream)
        if self._size_bytes == len(self._head) and has_no_pages(self.job, self._head):
            raise nothing_to_print(self.job)
        if data and not upload.file.earlier and self._fits_one_request(data):
            try:
                return self._submit(len(data), functools.partial(self.api.put_file, data))
            except TooLarge as error:
                self.report.debug(f"{error} It is sent in segments instead.")
        segments = upload.cut(itertools.chain([data], stream))
        name = upload.send(segments, self.expected_bytes)
        submit = functools.partial(self.api.submit_file, name)
        try:
            return self._submit(upload.size_bytes, submit, upload.file.check)
        except Refused as error:
            raise upload.file.useless_error(error) from error

    def _head_of(self, stream: Iterator[bytes]) -> bytes:
        """Read the stream, at least as much as shows whether it fits in one request."""
        head = bytearray()
        while len(head) <= self._single_request_bytes and (chunk := next(stream, None)) is not None:
            head += chunk
        return bytes(head)

    def _read(self) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for chunk in self.data:
            digest.update(chunk)
            self._head = self._head or chunk[:_HEAD_BYTES]
            self._size_bytes += len(chunk)
            yield chunk
        self._sha256 = digest.hexdigest()

    def _progressed(self) -> None:
        self._has_progressed = True
        if self.expected_bytes:
            self.report.progress(min(99, self._size_bytes * 100 // self.expected_bytes))

    def _submit(
        self,
        sent_bytes: int,
        request: Callable[[Ticket], list[Receipt]],
        check: Callable[[], None] = lambda: None,
    ) -> list[Receipt]:
        """Submit until the outcome is certain, as far as the queue allows.

        Args:
            sent_bytes: the size of the upload.
            check: called after an outage; raises an error if the upload may be lost.
        """
        self.report.debug(f"document sha256={self._sha256} bytes={self._size_bytes}")
        form = self._form
        submit_key, earlier_form = self.journal.submit_key(self.key)
        if not submit_key or earlier_form != form:
            submit_key = str(uuid.uuid4())  # random: clients may choose all other data
        ticket = Ticket(
            *(self.queue.targets, self.job.title, self.props, self._compression, submit_key),
            self.secret_props,
        )
        while True:
            self.journal.submitting(
                self.key,
                self._sha256,
                self._size_bytes,
                sent_bytes,
                submit_key=submit_key,
                submit_form=form,
                now_s=self.clock.wall_s(),
            )
            try:
                return self._ask(request, ticket)
            except SubmitUnanswered as error:
                self._patience.in_doubt = self.warns = True
                self._settle_unanswered(error, self.key)
                self._patience.wait_after(error)
            except (Retryable, Definitive, QueueError) as error:
                if not self._patience.in_doubt:
                    self.journal.not_submitted(self.key, now_s=self.clock.wall_s())
                if not isinstance(error, Retryable):
                    raise
                self._patience.wait_after(error)
                check()

    def _ask(self, request: Callable[[Ticket], list[Receipt]], ticket: Ticket) -> list[Receipt]:
        """Submit once. A signal may interrupt the request, but not the journaling of its answer."""
        with self.clock.undisturbed():
            try:
                with self.clock.reluctant():
                    receipts = request(ticket)
            except Interrupted as error:
                # the signal may have come just after the answer
                raise SubmitUnanswered(_INTERRUPTED) from error
            self.warns = True  # if the journal fails now, the answer is lost
            if taken := self.journal.accepted(self.key, receipts, now_s=self.clock.wall_s()):
                raise RepeatedId(
                    tr(
                        "{server} gave this job the id {id}, which belongs to another job.",
                        server=self.queue.server,
                        id=taken,
                    )
                )
        self.report.server_back()
        return receipts

    @property
    def _compression(self) -> Compression:
        return Compression.NONE if self.queue.settings.level is None else Compression.ZLIB

    @property
    def _form(self) -> str:
        """A digest of the submit's parameters. The document's bytes are not part of the digest: a
        filter that runs again may write another date into them. Nor is a PIN, which could be found
        by trying out all PINs."""
        asked = [list(map(str, self.queue.targets)), self.job.title, sorted(self.props.items())]
        return hashlib.sha256(json.dumps([*asked, int(self._compression)]).encode()).hexdigest()

    def _repeats_safely(self) -> bool:
        """Whether the server recognizes a repeated submit. A server that was restored from an older
        backup does not. Such a server no longer knows the last job that it accepted from here."""
        if not self._patience.insist(self.api.repeats_safely):
            return False
        since_s = self.clock.wall_s() - JOB_REMEMBERED_S
        newest = self.journal.newest_receipt(company_uri(self.queue), since_s=since_s)
        if newest is not None:
            try:
                self._patience.insist(functools.partial(self.api.job_status, newest))
            except Refused:
                self.report.debug(f"the server no longer knows job {newest.cloud_job_id}")
                return False
        return True

    def _settle_unanswered(self, error: SubmitUnanswered, key: DocumentKey) -> None:
        """Return if the unanswered submit is to be repeated.

        Raises:
            Interrupted: a signal asked the program to stop; the next run decides.
            SubmitUnanswered: a person has to decide.
            SubmitDropped: the queue's `onambiguous` gives the document up.
        """
        if self.clock.stop_requested and not isinstance(error, RepeatedId):
            raise self.clock.interruption() from error
        submit_key, form = self.journal.submit_key(key)
        is_known = key == self.key and bool(submit_key)
        is_same = is_known and form == self._form
        if is_known and not is_same:
            error = SubmitUnanswered(_CHANGED)
        decision = self.queue.settings.onambiguous
        if isinstance(error, RepeatedId):  # the server would give the same id again
            decision = "hold"
        elif is_same and self._repeats_safely():
            decision = "resubmit"
        if decision == "resubmit":
            self.report.debug(f"{error} The submit is repeated.")
        elif decision == "drop":
            self.journal.dropped(key, now_s=self.clock.wall_s())
            raise SubmitDropped(
                tr(
                    "It is not known whether the cloud accepted this job, and this queue "
                    "never sends a job twice."
                ),
                tr("If nothing prints, restart the job."),
                detail=str(error),
            ) from error
        else:
            self.journal.unanswered(key, now_s=self.clock.wall_s())
            raise error

    @property
    def _single_request_bytes(self) -> int:
        return min(SINGLE_REQUEST_BYTES, self.upload_settings.largest_segment_bytes)

    def _fits_one_request(self, data: bytes) -> bool:
        """Whether the document and its parameters are short enough for a single-step `putfile`, and
        not secret: servers log URLs, and `putfile` has its parameters there."""
        if self.secret_props:
            return False
        props = itertools.chain(*self.props.items())
        texts = (self.job.title, *map(str, self.queue.targets), *props)
        parameter_bytes = sum(len(quote(text, safe="")) + 3 for text in texts)
        return len(data) <= self._single_request_bytes and parameter_bytes <= QUERY_BYTES
