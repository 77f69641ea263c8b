"""Use case: one run of the backend for one document.

The run sends the document unless the cloud has it, and follows it. Then the run reports the
outcome, or hands the document over to the poller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.backend.identify import IdentifiedDocument, identify
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import (
    CirrusError,
    DeliveryEnded,
    Disposition,
    Interrupted,
    JobForgotten,
    JournalBusy,
    KeepsBreaking,
    StatusMismatch,
    TimeIsOver,
)
from cirrus_bridge.base.model import DeliveryState, DocumentKey, JobStatus, PrintJob, Receipt
from cirrus_bridge.base.translation import joined, tr
from cirrus_bridge.config.defaults import QUEUES_HELD
from cirrus_bridge.config.load import Configuration
from cirrus_bridge.config.queue_uri import QueueUri, company_uri, followed_uri
from cirrus_bridge.cups.job import SpooledDocument
from cirrus_bridge.cups.status_lines import EXIT_CODES, CupsReport
from cirrus_bridge.delivery.messages import OFFLINE_AFTER_S, held_message
from cirrus_bridge.delivery.tracking import (
    TrackedDelivery,
    check_delivered,
    is_settled,
    told,
    tracked_deliveries,
)
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.lifecycle import UNSENT
from cirrus_bridge.journal.submissions import Journal
from cirrus_bridge.sending.follow import Follower
from cirrus_bridge.sending.job_props import job_props
from cirrus_bridge.sending.submit import StreamedDocument, Submission

# cupsd ends a job when its backend fails for a file that is not the last one
ONE_OF_SEVERAL = tr(
    "CUPS does not print the other files of this job. Fix the cause, then restart the job. "
    "Files that were accepted are not printed again."
)
MOST_OPEN_RUNS = 5
OK = EXIT_CODES[Disposition.DONE]


@dataclass(slots=True)
class BackendRun:
    """One run, for one document of `job`. `api_of` returns the API for a queue's server;
    `others_wait` says whether other jobs wait for the queue."""

    job: PrintJob
    configuration: Configuration
    api_of: Callable[[QueueUri], CloudApi]
    journal: Journal
    clock: Clock
    report: CupsReport
    others_wait: Callable[[], bool]

    def print(self, queue: QueueUri, data: SpooledDocument) -> int:
        """Send the document unless the cloud has it, and follow it; return the exit code.

        Raises:
            CirrusError: the document was not submitted, or will not be delivered.
        """
        entries = self.journal.entries(self.job.job_uuid, self.job.job_id)
        document = identify(self.job, queue, entries)
        try:
            if self._is_forgotten(document, entries):
                self._ask_person(document.key, queue)
            if document.was_sent_elsewhere:
                queue = self.configuration.queue(document.sent_as.destination, queue.settings)
            try:
                if document.is_accepted:
                    self._skip(document.sent_as, data)
                else:
                    self._submit(document, queue, data)
                return self._end(document.sent_as, queue)
            except Interrupted as error:
                return self._stop(document.sent_as, queue, error)
        except CirrusError as error:
            if not self.job.is_last(document.key.number):
                texts = filter(None, (error.consequence, ONE_OF_SEVERAL))
                error.consequence = joined(" ", texts)
            raise

    def _is_forgotten(self, document: IdentifiedDocument, entries: Sequence[Document]) -> bool:
        """Whether the journal that may have known of this document was deleted or restored. A
        decision by a person for one file of the job counts for all its files."""
        trusted_since_s = self.journal.trusted_since_s()
        key, known = document
        if known is not None:
            return known.state in UNSENT and known.updated_at_s < trusted_since_s
        decided = any(e.was_in_doubt for e in entries if e.key.print_run == key.print_run)
        return not decided and 0 < self.job.created_at < trusted_since_s

    def _stop(self, key: DocumentKey, queue: QueueUri, error: Interrupted) -> int:
        """End this run at the request of CUPS or for lack of time. The poller follows what was
        accepted.

        Raises:
            Interrupted: this document was not accepted.
        """
        documents = self.journal.documents_of(key)
        if all(document.key != key for document in documents):
            if documents and not self._may_be_printed(key):
                raise type(error)(
                    tr(
                        "The job was stopped. File {number} was not sent to the cloud; earlier "
                        "files of the job were.",
                        number=key.number,
                    )
                ) from error
            raise error
        keys = [document.key for document in documents]
        if isinstance(error, TimeIsOver):
            return self._leave_to_poller(keys, queue, tracked_deliveries(documents))
        self._hand_over(keys, queue, "complete")
        self.report.lasting(
            tr(
                "Stopped, but {server} already has the job and will print it: {ids}.",
                server=queue.server,
                ids=_ids(tracked_deliveries(documents)),
            )
        )
        return OK

    def _may_be_printed(self, key: DocumentKey) -> bool:
        """Whether a submit may have been accepted, at any destination: jobs can be moved."""
        return any(
            entry.may_be_printed
            for entry in self.journal.entries(key.job_uuid, key.job_id)
            if (entry.key.print_run, entry.key.number) == (key.print_run, key.number)
        )

    def _ask_person(self, key: DocumentKey, queue: QueueUri) -> NoReturn:
        """Hold a job that is older than the journal. A person who releases the job has decided that
        it is printed."""
        now_s = self.clock.wall_s()
        self.journal.intent(key, self.job, queue.targets, now_s=now_s)
        self.journal.forgotten(key, now_s=now_s)
        raise JobForgotten(
            tr(
                "The journal was deleted or restored after CUPS received this job, "
                "so the job may be printed already."
            ),
            tr("Look at the printer; then cancel this job, or release it to print (again)."),
        )

    def _skip(self, key: DocumentKey, data: SpooledDocument) -> None:
        """Skip the upload, because the cloud has the document."""
        self.report.info(tr("The cloud has this document already; it is not sent again."))
        self.journal.rerun(key, self.job, now_s=self.clock.wall_s())
        if self.job.spool_path is None:
            for _ in data:
                pass  # unread data would make the filter fail, and the filter the job

    def _end(self, key: DocumentKey, queue: QueueUri) -> int:
        """End the run for an accepted document.

        Only the run for the last document of the job reports the outcome of all documents.
        """
        self.report.progress(100)
        documents = self.journal.documents_of(key)
        return self._follow(key, queue, documents) if self.job.is_last(key.number) else OK

    def _submit(self, document: IdentifiedDocument, queue: QueueUri, data: SpooledDocument) -> None:
        key, known = document
        submission = Submission(
            job=self.job,
            queue=queue,
            key=key,
            props=job_props(self.job, self.configuration.identify),
            api=self.api_of(queue),
            journal=self.journal,
            clock=self.clock,
            report=self.report,
            upload_settings=self.configuration.upload_to(queue),
            expected_bytes=data.size_bytes,
            warns=self._may_be_printed(key),
        )
        try:
            if known and known.open_runs >= MOST_OPEN_RUNS:
                raise KeepsBreaking(
                    tr(
                        "Printing was interrupted {times} times in a row (the backend was "
                        "killed or crashed).",
                        times=known.open_runs,
                    ),
                    tr(
                        "Check the logs and the free memory, then release the job. It "
                        "resumes where it stopped."
                    ),
                )
            self.report.info(tr("Sending to {server}", server=queue.server))
            receipts = submission.run(StreamedDocument(data), known)
        except CirrusError as error:
            if not isinstance(error, JournalBusy):  # a busy journal would block again
                self.journal.run_ended(key, now_s=self.clock.wall_s())
            raise
        ids = ", ".join(f"{receipt.cloud_job_id} ({receipt.target})" for receipt in receipts)
        self.report.info(tr("Accepted by {server} as {ids}", server=queue.server, ids=ids))

    def _follow(self, key: DocumentKey, queue: QueueUri, documents: Sequence[Document]) -> int:
        """Follow all documents of the job for as long as the queue's settings say."""
        keys = [document.key for document in documents]
        targets = tracked_deliveries(documents)

        def ask(receipt: Receipt) -> JobStatus:
            return self.api_of(queue).job_status(receipt)

        wait = queue.settings.wait
        if not is_settled(targets, "delivered"):
            self.journal.take_back(keys, now_s=self.clock.wall_s())
            follower = Follower(ask, self.journal, self.clock, self.report, self.others_wait)
            follower.follow(targets, wait, queue.settings.wait_timeout_s)
        mismatched = any(target.status.state is DeliveryState.MISMATCHED for target in targets)
        if mismatched or is_settled(targets, "delivered"):
            return self._conclude(documents, targets)
        if is_settled(targets, wait):
            self._hand_over(keys, queue, "complete")
            self.report.info(tr("{states}.", states=told(targets)))
            return OK
        return self._leave_to_poller(keys, queue, targets)

    def _conclude(self, documents: Sequence[Document], targets: Sequence[TrackedDelivery]) -> int:
        """Close the documents, now that every target's state is final."""
        told_before = all(document.closed_at_s for document in documents)
        self.journal.close([d.key for d in documents], now_s=self.clock.wall_s())
        try:
            check_delivered(targets)
        except StatusMismatch:
            raise  # at every release of the job, because a person has to decide
        except CirrusError as error:
            if told_before:  # a retrying error policy would never end
                raise DeliveryEnded(error.message, error.hint) from error
            raise
        self.report.info(tr("{states}.", states=told(targets)))
        return OK

    def _leave_to_poller(
        self, keys: Sequence[DocumentKey], queue: QueueUri, targets: Sequence[TrackedDelivery]
    ) -> int:
        """Leave documents without an outcome to the poller, so that the queue is free."""
        handover = queue.settings.handover
        of_queue, of_all = self.journal.held_counts(self.job.queue)
        most = queue.settings.max_held
        if handover == "hold" and (of_queue >= most or of_all >= most * QUEUES_HELD):
            self.report.debug(f"{of_queue} jobs of this queue are held already, {of_all} in all")
            handover = "complete"
        if any(target.is_contradicted for target in targets):
            handover = "hold"  # the job must not look printed
        self._hand_over(keys, queue, handover)
        now = self.clock.now()
        texts = [held_message(targets, self._offline(queue, targets), now)]
        if handover == "complete":
            text = tr(
                "Accepted by {server}, delivery not yet confirmed. {states}.",
                server=queue.server,
                states=told(targets),
            )
            texts = [text]
        if not self.journal.poller_is_alive():
            # a time, because the message stays for as long as the job waits
            time = format(now, "%H:%M")
            texts.append(tr("cirrus-statusd was not running at {time}. Start it.", time=time))
        self.report.lasting(joined(" ", texts))
        return EXIT_CODES[Disposition.HOLD] if handover == "hold" else OK

    def _offline(self, queue: QueueUri, targets: Sequence[TrackedDelivery]) -> Mapping[str, float]:
        """The locations that count as offline (OFFLINE_AFTER_S), each with its time."""
        at = company_uri(queue)
        quiet_s = {
            location: self.journal.quiet_since_s(at, location)
            for location in {target.receipt.target.location for target in targets}
        }
        before_s = self.clock.wall_s() - OFFLINE_AFTER_S
        return {location: since_s for location, since_s in quiet_s.items() if since_s < before_s}

    def _hand_over(self, keys: Sequence[DocumentKey], queue: QueueUri, handover: str) -> None:
        now_s = self.clock.wall_s()
        self.journal.hand_over(keys, handover, followed_uri(queue), now_s=now_s)


def _ids(targets: Sequence[TrackedDelivery]) -> str:
    return ", ".join(f"{t.receipt.cloud_job_id} ({t.receipt.target})" for t in targets)
