"""Use case: complete a job in CUPS when all its documents are settled.

A held job is released, and its backend finds the outcome in the journal. The queue's `onfailure`
decides about documents that were not delivered. A document is printed again only if every target
deleted it, and at most once. So a job that a person deletes a second time does not come back.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import CupsGone, CupsNotPossible, CupsRefused
from cirrus_bridge.base.model import DeliveryState
from cirrus_bridge.base.text import fitting
from cirrus_bridge.base.translation import Words, joined, tr, translated
from cirrus_bridge.config.queue_uri import SCHEME, leads_to
from cirrus_bridge.cups.jobs import (
    CANCELED,
    COMPLETED,
    FINAL,
    HELD,
    CupsJob,
    operator_message,
)
from cirrus_bridge.cups.queues import STOPPED, CupsQueues
from cirrus_bridge.delivery.events import NOTICE, WARNING, Change, of_document
from cirrus_bridge.delivery.tracking import NOT_DELIVERED, TrackedDelivery, told, told_to_person
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.polling.watched import Job, WatchedDocument

_NOT_OURS = tr(
    "A release would print this job again, at its queue's current destination. Cancel the job if "
    "you do not want that."
)
RELEASE_AGAIN_S = 30.0  # doubled after each release
LATEST_RELEASE_S = 3600.0


@dataclass(slots=True)
class JobCompletion:
    """Completes jobs in CUPS and closes their documents."""

    journal: PollerJournal
    cups: CupsQueues
    clock: Clock
    tell: Callable[[Change], None]
    _releases: dict[tuple[Job, int], tuple[float, float]] = field(default_factory=dict)

    def find(self, watched: WatchedDocument) -> CupsJob | None:
        """The document's job in CUPS, or None if CUPS has forgotten the job or prints it again."""
        key = watched.document.key
        if not self.journal.is_printed_again(key):
            with contextlib.suppress(CupsGone):
                job = self.cups.job(key.job_id)
                if job.job_uuid == key.job_uuid:  # job ids start again with a new spool
                    return job
        return None

    def settle(self, documents: Sequence[WatchedDocument]) -> bool:
        """Complete a job whose documents are all settled.

        A held job is released to its backend. If no backend of ours would run, the documents are
        closed. Returns False if the job is still active in CUPS; call this again later.
        """
        first = documents[0]
        job = self.find(first)
        if job is None or job.state in FINAL or not first.is_held:
            self._settle_ended(documents, job)
            return True
        if job.state != HELD:
            return False  # the job was released; its backend ends the job
        if self.comes_back(first.document, job):
            if self._may_release(first):
                self._answer_failure(documents)
                self.say(job, first, "")  # the next message comes from the backend
                with contextlib.suppress(CupsGone, CupsNotPossible):  # a person was faster
                    self.cups.release_job(job.job_id)
                    self.tell(of_document("released", _told(documents), first.document))
            return False
        # a release would print the document again, somewhere else: a person decides
        if not self.is_printed_elsewhere(first.document, job):
            states = tr("{states}.", states=told_to_person(_targets(documents)))
            self.say(job, first, joined(" ", (states, _NOT_OURS)))
        self.close(documents)
        return True

    def comes_back(self, document: Document, job: CupsJob) -> bool:
        """Whether a held job, once released, returns to the backend that sent its document.

        CUPS could give a job of a class to any member, so the job is first moved to the member
        that sent the document. A person may also have moved the job, as after a queue was renamed.
        The backend still finds the document if the new queue leads to the same destination.
        """
        is_moved = job.queue not in (document.queue, document.class_name)
        with contextlib.suppress(CupsGone, CupsNotPossible):
            device_uri = self.cups.queue(job.queue if is_moved else document.queue).device_uri
            if is_moved:
                return leads_to(device_uri, document.key.destination)
            if device_uri.startswith(f"{SCHEME}:"):
                if job.queue != document.queue:
                    self.cups.move_job(job.job_id, document.queue)
                return True
        return False

    def say(self, job: CupsJob, watched: WatchedDocument, message: str) -> None:
        """Set the untranslated message of a held job, in its owner's language, if the message
        differs. An empty message removes ours."""
        said = translated(message, watched.document.language)
        if job.told == operator_message(said) or (said and job.message == fitting(said)):
            return
        with contextlib.suppress(CupsGone, CupsNotPossible):  # the job is no longer held
            self.cups.set_message(job.job_id, said)

    def run_again(self, watched: WatchedDocument) -> bool:
        """Release a held job for a short run of its backend, which sends nothing, says what is
        known now and holds the job again. Return whether the job was released."""
        job = self.find(watched)  # asked now: a person may just have moved or held the job
        if job is None or not job.waits_for_release or not self.comes_back(watched.document, job):
            return False
        with contextlib.suppress(CupsGone, CupsNotPossible):  # a person was faster
            if self.cups.queue(watched.document.queue).state == STOPPED:
                return False
            self.cups.release_job(job.job_id)
            self.tell(of_document("told-again", "", watched.document))
            return True
        return False

    def is_printed_elsewhere(self, document: Document, job: CupsJob) -> bool:
        """Whether the job was moved and printed there, so that CUPS shows that print."""
        is_moved = job.queue not in (document.queue, document.class_name)
        return is_moved and self.journal.is_printed_at(document.key, job.queue)

    def close(self, documents: Sequence[WatchedDocument]) -> None:
        """Close the documents in the journal."""
        keys = [watched.document.key for watched in documents]
        self.journal.close(keys, now_s=self.clock.wall_s())

    def _may_release(self, watched: WatchedDocument) -> bool:
        """Whether enough time has passed since the last release of this job.

        A job that is held again after its release has another problem, which its message shows.
        """
        now_s = self.clock.monotonic_s()
        release = (watched.job, watched.document.reprints)
        after_s, wait_s = self._releases.get(release, (-math.inf, RELEASE_AGAIN_S))
        if now_s < after_s:
            return False
        self._releases.pop(release, None)
        # the oldest come first; going through all of them each time would take too long
        while self._releases:
            oldest, (until_s, _) = next(iter(self._releases.items()))
            if now_s < until_s + LATEST_RELEASE_S:
                break
            del self._releases[oldest]
        self._releases[release] = (now_s + wait_s, min(wait_s * 2, LATEST_RELEASE_S))
        return True

    def _answer_failure(self, documents: Sequence[WatchedDocument]) -> None:
        """Apply `onfailure` to a held job, just before its release."""
        failed, policy = _failed(documents)
        if policy == "stop":
            self.stop(failed)
        elif policy == "reprint":
            document = failed[0].document
            if document.reprints or not all(map(_nobody_got, failed)):
                self.tell(of_document("not-reprinted", _WHY_NOT, document, level=WARNING))
            else:
                keys = [watched.document.key for watched in failed]
                self.journal.reprint(keys, now_s=self.clock.wall_s())
                self.tell(of_document("reprinted", _told(failed), document, level=NOTICE))

    def _settle_ended(self, documents: Sequence[WatchedDocument], job: CupsJob | None) -> None:
        """Close the documents of a job that CUPS has ended, and apply `onfailure`.

        The job is restarted after the close: a crash in between loses the reprint, but does not
        print twice.
        """
        failed, policy = _failed(documents)
        if job is not None and job.state == CANCELED:
            policy = ""  # a person wants neither a reprint nor a stopped queue
        if policy == "stop":
            self.stop(failed)
        self.close(documents)
        if policy == "reprint":
            document = failed[0].document
            is_printable = job is not None and job.state == COMPLETED
            if document.key.print_run or not is_printable or not all(map(_nobody_got, documents)):
                self.tell(of_document("not-reprinted", _WHY_NOT, document, level=WARNING))
            else:
                job_id = document.key.job_id
                self._try("reprinted", document, lambda: self.cups.restart_job(job_id))

    def stop(self, failed: Sequence[WatchedDocument]) -> None:
        """Stop the queue of documents of one job that were not delivered.

        The stop is noted afterwards, so a crash in between may stop the queue once more.
        """
        document = failed[0].document
        text = tr(
            "stopped because job {job} was not delivered. {states}",
            job=document.key.job_id,
            states=tr("{states}.", states=told_to_person(_targets(failed))),
        )
        if self._try("stopped", document, lambda: self.cups.pause(document.queue, text)):
            for watched in failed:
                self.journal.stopped_queue(watched.document.key)

    def _try(self, event: str, document: Document, act: Callable[[], object]) -> bool:
        """Do something in CUPS and report it; `act` returns False if nothing had to be done.
        Returns whether CUPS allowed it."""
        try:
            if act() is not False:
                self.tell(of_document(event, "", document, level=NOTICE))
        except CupsRefused as error:
            text = f"{error} ({error.code})"
            self.tell(of_document(f"not-{event}", text, document, level=WARNING))
            return False
        return True


_WHY_NOT = tr(
    "Not printed again: someone may already have the document, it was printed again before, or "
    "CUPS no longer has the job."
)


def _failed(documents: Sequence[WatchedDocument]) -> tuple[list[WatchedDocument], str]:
    """The documents that were not delivered, and the queue's `onfailure` if there are any; none if
    a person has to check what came out."""
    if any(DeliveryState.MISMATCHED in _states(each) for each in documents):
        return [], ""
    failed = [each for each in documents if _states(each) & NOT_DELIVERED]
    return failed, failed[0].queue.settings.onfailure if failed else ""


def _nobody_got(watched: WatchedDocument) -> bool:
    return _states(watched) == {DeliveryState.DELETED}


def _states(watched: WatchedDocument) -> set[DeliveryState]:
    return {target.status.state for target in watched.targets}


def _told(documents: Sequence[WatchedDocument]) -> Words:
    return tr("{states}.", states=told(_targets(documents)))


def _targets(documents: Sequence[WatchedDocument]) -> list[TrackedDelivery]:
    return [target for watched in documents for target in watched.targets]
