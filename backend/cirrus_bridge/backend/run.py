"""Use case: one run of the backend for one document.

The run sends the document unless the cloud has it, and follows it. Then the run reports the
outcome, or hands the document over to the poller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.backend.identify import identify
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import (
    CirrusError,
    DeliveryEnded,
    DeliveryUnknown,
    Disposition,
    Interrupted,
    JobForgotten,
    JournalBusy,
    KeepsBreaking,
    ProgramRemoved,
    TimeIsOver,
)
from cirrus_bridge.base.model import DeliveryState, DocumentKey, PrintJob, Receipt
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
    told_to_person,
    tracked_deliveries,
)
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.lifecycle import ACCEPTED, UNSENT
from cirrus_bridge.journal.submissions import Journal
from cirrus_bridge.sending.follow import Follower
from cirrus_bridge.sending.job_props import job_props, secret_props
from cirrus_bridge.sending.submit import Submission

# cupsd ends a job when its backend fails for a file that is not the last one
ONE_OF_SEVERAL = tr(
    "CUPS does not print the other files of this job. Fix the cause, then restart the job. "
    "Files that were accepted are not printed again."
)
MOST_OPEN_RUNS = 5
OK = EXIT_CODES[Disposition.DONE]


@dataclass(slots=True)
class BackendRun:
    """One run, for one document of `job`, which goes to `queue` or was sent there before. `api_of`
    returns the API for a queue's server; `others_wait` says whether other jobs wait for the queue;
    `count_pages` returns the number of the job's pages that CUPS has counted so far, or 0;
    `outcome_waits` says whether a job waits for the queue only to end; `is_needed` says whether
    another job waits for this process."""

    job: PrintJob
    queue: QueueUri
    configuration: Configuration
    api_of: Callable[[QueueUri], CloudApi]
    journal: Journal
    clock: Clock
    report: CupsReport
    others_wait: Callable[[], bool]
    count_pages: Callable[[], int]
    outcome_waits: Callable[[], bool] = lambda: False
    is_needed: Callable[[], bool] = lambda: False

    def print(self, data: SpooledDocument) -> int:
        """Send the document unless the cloud has it, and follow it; return the exit code.

        Raises:
            CirrusError: the document was not submitted, or will not be delivered.
        """
        entries = self.journal.entries(self.job.job_uuid, self.job.job_id)
        key, known = identify(self.job, self.queue, entries)
        is_accepted = known is not None and known.state in ACCEPTED
        sent_as = known.key if known and is_accepted else key
        try:
            if self.journal.has_only_last_runs():
                return self._end_for_good(sent_as, known, data, entries)
            self._check_journal(key, known, entries)
            if sent_as != key:
                uri, settings = sent_as.destination, self.queue.settings
                self.queue = self.configuration.queue(uri, settings)
            try:
                if is_accepted:
                    self._skip(sent_as, data)
                else:
                    self._submit(key, known, data, entries)
                self._note_pages(sent_as, entries, is_new=not is_accepted)
                return self._follow(sent_as)
            except Interrupted as error:
                return self._stop(sent_as, error)
        except CirrusError as error:
            if not self.job.is_last(key.number):
                consequences = filter(None, (error.consequence, ONE_OF_SEVERAL))
                error.consequence = joined(" ", consequences)
            raise

    def _stop(self, key: DocumentKey, error: Interrupted) -> int:
        """End this run at the request of CUPS or for lack of time. The poller follows what was
        accepted. If this document was not accepted, raise the error."""
        targets = tracked_deliveries(self.journal.documents_of(key))
        if key not in _keys(targets):
            if targets and not self._may_be_printed(key):
                raise type(error)(
                    tr(
                        "The job was stopped. File {number} was not sent to the cloud; earlier "
                        "files of the job were.",
                        number=key.number,
                    )
                ) from error
            raise error
        if isinstance(error, TimeIsOver):
            return self._leave_to_poller(targets)
        self._hand_over(targets, "complete")
        self.report.lasting(
            tr(
                "Stopped, but {server} already has the job and will print it: {ids}.",
                server=self.queue.server,
                ids=_ids(target.receipt for target in targets),
            )
        )
        return OK

    def _may_be_printed(self, key: DocumentKey) -> bool:
        """Whether a submit may have been accepted, at any destination: jobs can be moved."""
        entries = self.journal.entries(key.job_uuid, key.job_id)
        return any(entry.may_be_printed for entry in _of_document(entries, key))

    def _check_journal(
        self, key: DocumentKey, known: Document | None, entries: Sequence[Document]
    ) -> None:
        """Hold the job if the journal that may have known of this document was deleted or restored.

        A person who releases the job has decided that it is printed. A decision for one file of the
        job counts for all its files.
        """
        if self._is_forgotten(key, known, entries):
            now_s = self.clock.wall_s()
            self.journal.intent(key, self.job, self.queue.targets, now_s=now_s)
            self.journal.forgotten(key, now_s=now_s)
            raise JobForgotten(
                tr(
                    "The journal was deleted or restored after CUPS received this job, "
                    "so the job may be printed already."
                ),
                tr("Look at the printer; then cancel this job, or release it to print (again)."),
            )

    def _is_forgotten(
        self, key: DocumentKey, known: Document | None, entries: Sequence[Document]
    ) -> bool:
        """Whether an earlier journal may have known that this document was sent."""
        trusted_since_s = self.journal.trusted_since_s()
        if known is not None:
            return known.state in UNSENT and known.updated_at_s < trusted_since_s
        decided = any(e.was_in_doubt for e in entries if e.key.print_run == key.print_run)
        return not decided and 0 < self.job.created_at < trusted_since_s

    def _skip(self, key: DocumentKey, data: SpooledDocument) -> None:
        self.report.info(tr("The cloud has this document already; it is not sent again."))
        self.journal.rerun(key, self.job, now_s=self.clock.wall_s())
        if self.job.spool_path is None:
            for _ in data:
                pass  # unread data would make the filter fail, and the filter the job

    def _end_for_good(
        self,
        key: DocumentKey,
        known: Document | None,
        data: SpooledDocument,
        entries: Sequence[Document],
    ) -> int:
        """End the last run of a job before Cirrus Bridge is removed. Nothing is sent. The job ends
        if the cloud has it, and otherwise stays held."""
        is_accepted = known is not None and known.state in ACCEPTED
        documents = self.journal.documents_of(key) if is_accepted else []
        targets = tracked_deliveries(documents)
        is_contradicted = any(
            target.is_contradicted or target.status.state is DeliveryState.MISMATCHED
            for target in targets
        )
        if is_accepted and not is_contradicted:
            self._skip(key, data)
            if self.job.is_last(key.number) and is_settled(targets, "delivered"):
                return self._conclude(targets, all(each.closed_at_s for each in documents))
            text = tr(
                "{server} has this job. Cirrus Bridge was removed from this machine, so CUPS does "
                "not learn whether the job is delivered.",
                server=self.queue.server,
            )
            self.report.lasting(text)
            return OK
        was_sent = any(
            entry.may_be_printed or entry.state in ACCEPTED for entry in _of_document(entries, key)
        )
        if is_contradicted or was_sent or self._is_forgotten(key, known, entries):
            raise ProgramRemoved(
                tr("Cirrus Bridge was removed. This job may already have been printed."),
                tr("Look at the printer; then cancel this job, or move it to another printer."),
            )
        raise ProgramRemoved(
            tr("Cirrus Bridge was removed. This job was not sent."),
            tr("Move it to another printer (lpmove) and release it, or cancel it."),
        )

    def _note_pages(
        self, key: DocumentKey, entries: Sequence[Document], *, is_new: bool = False
    ) -> None:
        """Note what CUPS has counted by now. Some filters count a document again in each run."""
        if total := self.count_pages():
            before = max((entry.counted for entry in entries), default=0)
            now_s = self.clock.wall_s()
            self.journal.counted(key, total, before=before, is_new=is_new, now_s=now_s)

    def _submit(
        self,
        key: DocumentKey,
        known: Document | None,
        data: SpooledDocument,
        entries: Sequence[Document],
    ) -> None:
        submission = Submission(
            job=self.job,
            queue=self.queue,
            key=key,
            data=data,
            props=job_props(self.job, self.configuration.identify),
            api=self.api_of(self.queue),
            journal=self.journal,
            clock=self.clock,
            report=self.report,
            upload_settings=self.configuration.upload_to(self.queue),
            expected_bytes=data.size_bytes,
            warns=self._may_be_printed(key),
            secret_props=secret_props(self.job),
            gives_way=self.outcome_waits,
        )
        try:
            if known and known.open_runs >= MOST_OPEN_RUNS:
                raise KeepsBreaking(
                    tr(
                        "Printing was interrupted {times} times in a row (the job's process was "
                        "killed or crashed).",
                        times=known.open_runs,
                    ),
                    tr(
                        "Check the logs and the free memory, then release the job. It "
                        "resumes where it stopped."
                    ),
                )
            self.report.info(tr("Sending to {server}", server=self.queue.server))
            receipts = submission.run(known)
        except CirrusError as error:
            if not isinstance(error, JournalBusy):  # a busy journal would block again
                self.journal.run_ended(key, now_s=self.clock.wall_s())
                if not isinstance(error, Interrupted):  # cupsd may be stopping
                    self._note_pages(key, entries)
            raise
        server, ids = self.queue.server, _ids(receipts)
        self.report.info(tr("Accepted by {server} as {ids}", server=server, ids=ids))
        if data.pages and self.job.counted is not None:
            self.report.pages(self.job.counted + data.pages.pages * self.job.copies)
        elif data.pages and self.job.counted_marks is not None and data.pages.has_no_mark:
            self.report.pages(self.job.counted_marks + 1)

    def _follow(self, key: DocumentKey) -> int:
        """End the run for an accepted document.

        Only the run for the last document of the job follows all documents, for as long as the
        queue's settings say, and reports their outcome.
        """
        self.report.progress(100)
        documents = self.journal.documents_of(key)
        if not self.job.is_last(key.number):
            return OK
        targets = tracked_deliveries(documents)
        if not is_settled(targets, "delivered"):
            self.journal.take_back(_keys(targets), now_s=self.clock.wall_s())
            asked = (self.queue, self.api_of, self.journal, self.clock, self.report)
            follower = Follower(*asked, self.others_wait, self.is_needed)
            follower.follow(targets, is_brief=self._all_wait_offline(targets))
        mismatched = any(target.status.state is DeliveryState.MISMATCHED for target in targets)
        if mismatched or is_settled(targets, "delivered"):
            return self._conclude(targets, all(document.closed_at_s for document in documents))
        if is_settled(targets, self.queue.settings.wait):
            self._hand_over(targets, "complete")
            self.report.info(tr("{states}.", states=told_to_person(targets)))
            return OK
        return self._leave_to_poller(targets)

    def _conclude(self, targets: Sequence[TrackedDelivery], told_before: bool) -> int:
        """Close the documents, now that every target's state is final. A StatusMismatch is raised
        at every release of the job, because a person has to decide."""
        self.journal.close(_keys(targets), now_s=self.clock.wall_s())
        try:
            check_delivered(targets)
        except (DeliveryEnded, DeliveryUnknown) as error:
            if told_before:  # a retrying error policy would never end
                ended = DeliveryEnded(error.message, error.hint)
                ended.told_to_person = error.told_to_person
                raise ended from error
            raise
        self.report.info(tr("{states}.", states=told_to_person(targets)))
        return OK

    def _leave_to_poller(self, targets: Sequence[TrackedDelivery]) -> int:
        """Leave documents without an outcome to the poller, so that the queue is free."""
        handover = self.queue.settings.handover
        of_queue, of_all = self.journal.held_counts(self.job.queue)
        most = self.queue.settings.max_held
        if handover == "hold" and (of_queue >= most or of_all >= most * QUEUES_HELD):
            self.report.debug(f"{of_queue} jobs of this queue are held already, {of_all} in all")
            handover = "complete"
        if self.journal.has_only_last_runs():
            handover = "complete"  # nobody would release the job
        if any(target.is_contradicted for target in targets):
            handover = "hold"  # the job must not look printed
        self._hand_over(targets, handover)
        now = self.clock.now()
        text = held_message(targets, self._offline(targets), now)
        if handover == "complete":
            text = tr(
                "Accepted by {server}, delivery not yet confirmed. {states}.",
                server=self.queue.server,
                states=told_to_person(targets),
            )
        if not self.journal.poller_is_alive():
            self.report.debug("cirrus-statusd is not running; start cirrus-statusd")
            # a time, because the message stays for as long as the job waits
            advice = tr(
                "The job has not been tracked since {time}; tell your administrator.",
                time=format(now, "%H:%M"),
            )
            text = joined(" ", (text, advice))
        self.report.lasting(text)
        return EXIT_CODES[Disposition.HOLD] if handover == "hold" else OK

    def _all_wait_offline(self, targets: Sequence[TrackedDelivery]) -> bool:
        """Whether the document only waits for locations that count as offline, and a poller will
        notice when they are back. The queue need not wait with the document then."""
        offline = self._offline(targets)
        waiting = [target for target in targets if not target.status.state.is_final]
        return self.journal.poller_is_alive() and all(
            target.status.state is DeliveryState.SUBMITTED
            and not target.status.waits_for_release
            and target.receipt.target.location in offline
            for target in waiting
        )

    def _offline(self, targets: Sequence[TrackedDelivery]) -> Mapping[str, float]:
        """The locations that count as offline (OFFLINE_AFTER_S), each with its time."""
        company = company_uri(self.queue)
        locations = {target.receipt.target.location for target in targets}
        quiet_s = {each: self.journal.quiet_since_s(company, each) for each in locations}
        before_s = self.clock.wall_s() - OFFLINE_AFTER_S
        return {location: since_s for location, since_s in quiet_s.items() if since_s < before_s}

    def _hand_over(self, targets: Sequence[TrackedDelivery], handover: str) -> None:
        uri, now_s = followed_uri(self.queue), self.clock.wall_s()
        self.journal.hand_over(_keys(targets), handover, uri, now_s=now_s)


def _keys(targets: Iterable[TrackedDelivery]) -> list[DocumentKey]:
    return list(dict.fromkeys(target.key for target in targets))


def _of_document(entries: Iterable[Document], key: DocumentKey) -> Iterator[Document]:
    """The entries of one document and print, at any destination: jobs can be moved."""
    where = (key.print_run, key.number)
    return (entry for entry in entries if (entry.key.print_run, entry.key.number) == where)


def _ids(receipts: Iterable[Receipt]) -> str:
    return ", ".join(f"{receipt.cloud_job_id} ({receipt.target})" for receipt in receipts)
