"""Use case: the documents of a job have come to their end, and CUPS is to show it.

A held job is released, and its backend finds the end in the journal. What was not delivered is
handled as the queue's `onfailure` wants it; a document is printed anew once at most, and only if
nobody has got it: who deletes a job in the cloud for good must not see it again and again.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import CupsGone, CupsNotPossible, CupsRefused
from cirrus_bridge.base.model import DeliveryState
from cirrus_bridge.base.translation import Words, joined, tr, translated
from cirrus_bridge.config.queue_uri import SCHEME, leads_to
from cirrus_bridge.cups.jobs import (
    CANCELED,
    COMPLETED,
    FINAL,
    HELD,
    CupsJob,
    fitting,
    operator_message,
)
from cirrus_bridge.cups.queues import CupsQueues
from cirrus_bridge.delivery.events import NOTICE, WARNING, Change, of_document
from cirrus_bridge.delivery.outcome import NOT_DELIVERED, told
from cirrus_bridge.journal.deliveries import AcceptedDocument
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.statusd.watched import Job, WatchedDocument

LET_GO = tr(
    "Canceled in CUPS (by a person, or by MaxHoldTime), but the cloud has it already and will "
    "print it."
)
_NOT_OURS = tr(
    "Released, it would be printed once more, where its queue leads now. Cancel it if nobody wants "
    "that."
)
RELEASE_AGAIN_S = 30.0  # and twice as long each time
LATEST_RELEASE_S = 3600.0


@dataclass(slots=True)
class JobCompletion:
    """Brings jobs to their end. `tell` gets every change."""

    journal: PollerJournal
    cups: CupsQueues
    clock: Clock
    tell: Callable[[Change], None]
    _releases: dict[tuple[Job, int], tuple[float, float]] = field(default_factory=dict)

    def find(self, watched: WatchedDocument) -> CupsJob | None:
        """The document's job in CUPS, unless CUPS has forgotten it, or has it anew."""
        key = watched.document.key
        if self.journal.is_printed_again(key):
            return None
        try:
            job = self.cups.job(key.job_id)
        except CupsGone:
            return None
        return job if job.job_uuid == key.job_uuid else None  # job ids begin anew with the spool

    def settle(self, documents: Sequence[WatchedDocument]) -> bool:
        """Bring a job whose documents are all settled to its end.

        Returns:
            False if it is CUPS's turn, or somebody else's: look again later.

        Raises:
            CupsAway: cupsd does not answer.
        """
        job, document = self.find(documents[0]), documents[0].document
        if documents[0].is_held and job is not None and job.state not in FINAL:
            if job.state != HELD:
                return False  # released by a person, or by us: its backend ends it
            if self.comes_back(document, job):
                if self._may_release(documents[0]):
                    self._answer_failure(documents, job)
                    self._release(documents, job)
                return False
            # moved to another queue, where it is to be printed again: no business of ours
            if not self.is_printed_elsewhere(document, job):
                self.say(job, documents[0], joined(" ", (_told(documents), _NOT_OURS)))
            self.close(documents)
        elif job is not None and job.state == CANCELED:
            self.close(documents)
        else:
            self._end_without_job(documents, job)
        return True

    def comes_back(self, document: AcceptedDocument, job: CupsJob) -> bool:
        """Whether a held job, once released, comes to our backend, which finds it in the journal.

        Of a class, CUPS could give it to a member that knows nothing of it: so the job is moved
        to the member that has sent it. One that was moved is recognized where its new queue leads
        to the same place, as after a queue was renamed.
        """
        is_moved = job.queue not in (document.queue, document.class_name)
        try:
            device_uri = self.cups.queue(job.queue if is_moved else document.queue).device_uri
            if is_moved:
                return leads_to(device_uri, document.key.destination)
            if not device_uri.startswith(f"{SCHEME}:"):
                return False
            if job.queue != document.queue:
                self.cups.move_job(job.job_id, document.queue)
        except (CupsGone, CupsNotPossible):
            return False
        return True

    def say(self, job: CupsJob, watched: WatchedDocument, message: str) -> None:
        """Have a held job say this, in the language of whoever has printed it; nothing if it does
        so already, or, with an empty message, has been told nothing."""
        said = translated(message, watched.document.language)
        if job.told == operator_message(said) or (said and job.message == fitting(said)):
            return
        try:
            self.cups.set_message(job.job_id, said)
        except (CupsGone, CupsNotPossible):
            return  # it has moved on

    def is_printed_elsewhere(self, document: AcceptedDocument, job: CupsJob) -> bool:
        """Whether the job was moved, and what CUPS says of it is about its print there."""
        if job.queue in (document.queue, document.class_name):
            return False
        return self.journal.is_printed_at(document.key, job.queue)

    def close(self, documents: Sequence[WatchedDocument]) -> None:
        """Nothing is left to be done."""
        keys = [watched.document.key for watched in documents]
        self.journal.close(keys, now_s=self.clock.wall_s())

    def let_go(self, documents: Sequence[WatchedDocument]) -> None:
        """The job was canceled in CUPS while the cloud has it."""
        self.close(documents)
        for watched in documents:
            self.tell(of_document("let-go", LET_GO, watched.document, level=NOTICE))

    def job_is_over(self, documents: Sequence[WatchedDocument]) -> None:
        """CUPS has ended a job that it was to hold, or has forgotten it."""
        keys = [watched.document.key for watched in documents]
        self.journal.job_is_over(keys, now_s=self.clock.wall_s())
        for watched in documents:
            watched.is_held = False

    def _may_release(self, watched: WatchedDocument) -> bool:
        """A job that is held again, though its end is known, has something else that is to be
        looked at, of which its message tells: it is not released time and again."""
        now_s = self.clock.monotonic_s()
        release = (watched.job, watched.document.reprints)
        after_s, wait_s = self._releases.get(release, (-math.inf, RELEASE_AGAIN_S))
        if now_s < after_s:
            return False
        recent = self._releases.items()
        self._releases = {k: v for k, v in recent if now_s < v[0] + LATEST_RELEASE_S}
        self._releases[release] = (now_s + wait_s, min(wait_s * 2, LATEST_RELEASE_S))
        return True

    def _release(self, documents: Sequence[WatchedDocument], job: CupsJob) -> None:
        # what comes is for its backend to say
        self.say(job, documents[0], "")
        try:
            self.cups.release_job(job.job_id)
        except (CupsGone, CupsNotPossible):
            return  # a person was quicker
        self.tell(of_document("released", _told(documents), documents[0].document))

    def _answer_failure(self, documents: Sequence[WatchedDocument], job: CupsJob) -> None:
        """Before a held job is released."""
        failed = _failed(documents)
        if failed and failed[0].queue.settings.onfailure == "stop":
            self.stop(failed)
        elif failed and failed[0].queue.settings.onfailure == "reprint":
            document = failed[0].document
            again = [each for each in failed if _nobody_got(each)]
            if len(again) < len(failed) or document.reprints:
                self.tell(of_document("not-reprinted", _WHY_NOT, document, level=WARNING))
            else:
                keys = [each.document.key for each in again]
                self.journal.reprint(keys, now_s=self.clock.wall_s())
                self.tell(of_document("reprinted", _told(failed), document, level=NOTICE))

    def _end_without_job(self, documents: Sequence[WatchedDocument], job: CupsJob | None) -> None:
        """CUPS has ended the job long ago. It is restarted after the documents are closed: a crash
        in between prints nothing, rather than twice."""
        failed = _failed(documents)
        policy = failed[0].queue.settings.onfailure if failed else "report"
        if policy == "stop":
            self.stop(failed)
        self.close(documents)
        if policy == "reprint":
            document = failed[0].document
            is_printable = job is not None and job.state == COMPLETED
            if document.key.print_run or not is_printable or not all(map(_nobody_got, documents)):
                self.tell(of_document("not-reprinted", _WHY_NOT, document, level=WARNING))
            else:
                restart = functools.partial(self.cups.restart_job, document.key.job_id)
                self._try("reprinted", document, restart)

    def stop(self, failed: Sequence[WatchedDocument]) -> None:
        """Stop the queue of documents that were not delivered.

        Raises:
            CupsAway: cupsd does not answer.
        """
        document = failed[0].document
        text = tr(
            "stopped, as job {job} was not delivered. {states}",
            job=document.key.job_id,
            states=_told(failed),
        )
        pause = functools.partial(self.cups.pause, document.queue, text)
        self._try("stopped", document, pause)

    def _try(self, event: str, document: AcceptedDocument, act: Callable[[], object]) -> None:
        try:
            done = act()
        except CupsRefused as error:
            self.tell(
                of_document(f"not-{event}", f"{error} ({error.code})", document, None, WARNING)
            )
        else:
            if done is not False:
                self.tell(of_document(event, "", document, level=NOTICE))


_WHY_NOT = tr(
    "Not printed again: somebody may have got it, it was printed again before, or CUPS does not "
    "have it any more."
)


def _failed(documents: Sequence[WatchedDocument]) -> list[WatchedDocument]:
    """Those that were not delivered; none while a person has to look what came out."""
    if any(DeliveryState.MISMATCHED in _states(each) for each in documents):
        return []
    return [each for each in documents if _states(each) & NOT_DELIVERED]


def _nobody_got(watched: WatchedDocument) -> bool:
    return _states(watched) == {DeliveryState.DELETED}


def _states(watched: WatchedDocument) -> set[DeliveryState]:
    return {target.status.state for target in watched.targets}


def _told(documents: Sequence[WatchedDocument]) -> Words:
    targets = [target for watched in documents for target in watched.targets]
    return tr("{states}.", states=told(targets))
