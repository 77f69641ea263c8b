"""Use case: submit one document, in this order of effects.

journal(intent) → upload → journal(confirmed bytes) → journal(about to submit) → submit →
journal(accepted). Retryable requests are retried until the queue's `contimeout` is over. A submit
is repeated if the server certainly did not accept it, or recognises the repetition. In other cases
the queue's `onambiguous`, or a person by releasing the held job, has to allow it.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import itertools
import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import (
    CirrusError,
    Definitive,
    EmptyDocument,
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
from cirrus_bridge.base.model import Compression, DocumentKey, PrintJob, Receipt, Segment, Ticket
from cirrus_bridge.base.translation import joined, tr
from cirrus_bridge.config.load import UploadSettings
from cirrus_bridge.config.queue_uri import QueueUri, company_uri
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.lifecycle import IN_DOUBT, State
from cirrus_bridge.journal.submissions import Journal
from cirrus_bridge.sending.patience import FOR_CORRECTION, QUEUE_WAIT_S, Patience
from cirrus_bridge.sending.report import Report
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
REMEMBERED_S = 86_400.0  # assumed: servers remember jobs for a day
QUERY_BYTES = 4_000  # of title, targets and props; common servers take 8 KiB in a request line


class _Decision(enum.Enum):
    """The next step after a submit whose answer was lost."""

    REPEAT = enum.auto()
    DROP = enum.auto()  # the document is given up
    ASK = enum.auto()  # the job is held, and a person decides


_ON_AMBIGUOUS = {
    "resubmit": _Decision.REPEAT,
    "drop": _Decision.DROP,
    "hold": _Decision.ASK,
}


@dataclass(slots=True)
class StreamedDocument:
    """A document stream that counts its bytes and computes its digest."""

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
    """The submission of one document.

    Args:
        expected_bytes: the size of the document, for progress; 0 if unknown.

    Attributes:
        in_doubt: an earlier submit may have been accepted, and nobody has decided what follows.
        warns: messages say that the document may be printed already, even after a person decided.
    """

    job: PrintJob
    queue: QueueUri
    key: DocumentKey
    props: dict[str, str]
    api: CloudApi
    journal: Journal
    clock: Clock
    report: Report
    upload_settings: UploadSettings
    expected_bytes: int = 0
    in_doubt: bool = False
    warns: bool = False
    _began_s: float = 0.0
    _has_progressed: bool = False

    def run(self, document: StreamedDocument, earlier: Document | None) -> list[Receipt]:
        """Upload and submit a document.

        Args:
            document: read at most once.
            earlier: the journal's entry of an earlier, unfinished run.

        Raises:
            SubmitUnanswered: the document may have been accepted, and a person has to decide.
            CirrusError: the document was not submitted for another reason.
        """
        may_be_printed = earlier is not None and earlier.state in IN_DOUBT - {State.UNANSWERED}
        if earlier and may_be_printed and earlier.key != self.key:
            self._settle_unanswered(SubmitUnanswered(_INTERRUPTED), earlier.key)
            may_be_printed = False
        self._began_s = self.clock.wall_s()
        self.in_doubt = may_be_printed
        self.warns |= earlier is not None and earlier.may_be_printed
        self.journal.intent(self.key, self.job, self.queue.targets, now_s=self.clock.wall_s())
        if self.warns:
            self.journal.doubted(self.key, now_s=self.clock.wall_s())
        try:
            return self._bring(document)
        except Interrupted as error:
            if self.warns:
                raise type(error)(_STOPPED_IN_DOUBT) from error
            raise
        except CirrusError as error:
            told = [error.consequence]
            if isinstance(error, Definitive) and error.kind is Kind.CONFIGURATION:
                told.append(self._hold_until_corrected())
            if self.warns and not isinstance(error, SubmitUnanswered):
                told.append(_STILL_IN_DOUBT)
            error.consequence = joined(" ", filter(None, told))
            raise

    def _bring(self, document: StreamedDocument) -> list[Receipt]:
        try:
            if self.in_doubt:
                self._settle_unanswered(SubmitUnanswered(_INTERRUPTED), self.key)
            return self._upload_and_submit(document)
        except TimeIsOver:
            if not self._has_progressed:
                self._patience(in_class=False).count_useless_run(self._began_s)
            raise

    def _hold_until_corrected(self) -> str:
        """Let the poller release the job after the correction, if possible.

        Returns:
            The text that tells people what happens next, or what to do.
        """
        patience = self._patience(in_class=False)
        if patience.can_hold:
            patience.hold(FOR_CORRECTION)
            return tr("The job is held and continues by itself once the problem is corrected.")
        return tr("Then release the job.")

    def _upload_and_submit(self, document: StreamedDocument) -> list[Receipt]:
        upload = Upload(
            self.api,
            self.journal,
            self.key,
            self.clock,
            self._patience(in_class=self.job.in_class),
            self.upload_settings,
            progressed=lambda: self._progressed(document),
        )
        level = self.queue.settings.level
        segments = upload.cut(document if level is None else deflate(document, level))
        head = list(itertools.islice(segments, 2))
        if document.size_bytes == 0:
            raise EmptyDocument(
                tr("There is nothing to print: the document is empty, or a filter failed."),
                tr("Print the document again, or cancel this job."),
            )
        if len(head) == 1 and not upload.file.earlier and self._fits_one_request(head[0]):
            data = head[0].data
            put = functools.partial(self.api.put_file, data)
            try:
                return self._submit(document, len(data), put)
            except TooLarge as error:
                self.report.debug(f"{error} It is sent in segments instead.")
        name = upload.send(itertools.chain(head, segments))
        submit = functools.partial(self.api.submit_file, name)
        try:
            return self._submit(document, upload.size_bytes, submit, upload.file.check)
        except Refused as error:
            raise upload.file.useless_error(error) from error

    def _progressed(self, document: StreamedDocument) -> None:
        self._has_progressed = True
        if self.expected_bytes:
            self.report.progress(min(99, document.size_bytes * 100 // self.expected_bytes))

    def _submit(
        self,
        document: StreamedDocument,
        sent_bytes: int,
        request: Callable[[Ticket], list[Receipt]],
        check: Callable[[], None] = lambda: None,
    ) -> list[Receipt]:
        """Submit until the outcome is certain, as far as the queue allows.

        Args:
            sent_bytes: the size of the upload.
            check: called after an outage; raises an error if the upload may be lost.
        """
        self.report.debug(f"document sha256={document.sha256} bytes={document.size_bytes}")
        submit_key, form = self.journal.submit_key(self.key)
        if not submit_key or form != self._form:
            submit_key = str(uuid.uuid4())  # random: clients may choose all other data
        ticket = Ticket(
            self.queue.targets, self.job.title, self.props, self._compression, submit_key
        )
        patience = self._patience(in_class=self.job.in_class)
        while True:
            self.journal.submitting(
                self.key,
                document.sha256,
                document.size_bytes,
                sent_bytes,
                submit_key=submit_key,
                submit_form=self._form,
                now_s=self.clock.wall_s(),
            )
            try:
                receipts = self._ask(request, ticket)
            except SubmitUnanswered as error:
                self.in_doubt = self.warns = True
                patience.in_class = False  # another member could only print it a second time
                self._settle_unanswered(error, self.key)
                patience.wait_after(error)
            except (Retryable, Definitive, QueueError) as error:
                if not self.in_doubt:
                    self.journal.not_submitted(self.key, now_s=self.clock.wall_s())
                if not isinstance(error, Retryable):
                    raise
                patience.wait_after(error)
                check()
            else:
                self.report.server_back()
                return receipts

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
            taken = self.journal.accepted(self.key, receipts, now_s=self.clock.wall_s())
            if taken:
                text = tr(
                    "{server} gave this job the id {id}, which belongs to another job.",
                    server=self.queue.server,
                    id=taken,
                )
                raise RepeatedId(text)
            return receipts

    def _patience(self, *, in_class: bool) -> Patience:
        return Patience(
            self.clock,
            self.report,
            self.journal,
            self.key,
            self.queue,
            in_class=in_class and not self.in_doubt,
            may_hold=self.job.is_last(self.key.number),
            queue_wait_s=self._queue_wait_s,
        )

    @property
    def _queue_wait_s(self) -> float:
        """How long the queue waits for its server, within CUPS's time limit for the job."""
        limit_s = self.job.cancel_after_s
        return QUEUE_WAIT_S if limit_s is None else min(QUEUE_WAIT_S, limit_s / 2)

    @property
    def _compression(self) -> Compression:
        return Compression.NONE if self.queue.settings.level is None else Compression.ZLIB

    @property
    def _form(self) -> str:
        """A digest of the submit's parameters. The document's bytes are not part of the digest: a
        filter that runs again may write another date into them."""
        asked = [list(map(str, self.queue.targets)), self.job.title, sorted(self.props.items())]
        return hashlib.sha256(json.dumps([*asked, int(self._compression)]).encode()).hexdigest()

    def _repeats_safely(self) -> bool:
        """Whether the server recognises a repeated submit.

        A server that was restored from an older backup does not. It no longer knows the last job
        that it accepted from here either.
        """
        patience = self._patience(in_class=False)
        if not patience.insist(self.api.repeats_safely):
            return False
        at = company_uri(self.queue)
        since_s = self.clock.wall_s() - REMEMBERED_S
        newest = self.journal.newest_receipt(at, since_s=since_s)
        if newest is None:
            return True
        try:
            patience.insist(functools.partial(self.api.job_status, newest))
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
        if is_known and form != self._form:
            error = SubmitUnanswered(_CHANGED)
        match self._decide(error, is_same=is_known and form == self._form):
            case _Decision.REPEAT:
                self.report.debug(f"{error} The submit is repeated.")
            case _Decision.DROP:
                self.journal.dropped(key, now_s=self.clock.wall_s())
                raise SubmitDropped(
                    tr(
                        "It is not known whether the cloud accepted this job, and this queue "
                        "never sends a job twice."
                    ),
                    tr("If nothing prints, restart the job."),
                    detail=str(error),
                ) from error
            case _Decision.ASK:
                self.journal.unanswered(key, now_s=self.clock.wall_s())
                raise error

    def _decide(self, error: SubmitUnanswered, *, is_same: bool) -> _Decision:
        """Decide by the server's abilities and the queue's `onambiguous`.

        Args:
            is_same: whether the job still asks for what the unanswered submit asked for.
        """
        if isinstance(error, RepeatedId):  # the server would give the same id again
            return _Decision.ASK
        if is_same and self._repeats_safely():
            return _Decision.REPEAT
        return _ON_AMBIGUOUS[self.queue.settings.onambiguous]

    def _fits_one_request(self, segment: Segment) -> bool:
        """Whether the document and its parameters are short enough for a single-step `putfile`."""
        props = itertools.chain(*self.props.items())
        texts = (self.job.title, *map(str, self.queue.targets), *props)
        parameter_bytes = sum(len(quote(text, safe="")) + 3 for text in texts)
        return len(segment.data) <= SINGLE_REQUEST_BYTES and parameter_bytes <= QUERY_BYTES
