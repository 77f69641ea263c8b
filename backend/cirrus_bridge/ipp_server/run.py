"""One run of a job: convert the document, send it, and hand it over.

The order of effects is that of the backend (`sending/submit`). A run that is killed is repeated,
and the journal tells what the run before has done.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cirrus_bridge.api.client import CloudApi, clients_of
from cirrus_bridge.api.session import Session
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import (
    CirrusError,
    Interrupted,
    JobForgotten,
    JournalError,
    KeepsBreaking,
    NoUsableFormat,
    UnreadableDocument,
)
from cirrus_bridge.base.model import DeliveryState, DocumentKey, Place, PrintJob
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.devices import read_devices
from cirrus_bridge.config.load import Configuration, load
from cirrus_bridge.config.queue_uri import QueueUri, followed_uri, parse_queue_uri
from cirrus_bridge.config.servers import Server
from cirrus_bridge.delivery.events import of_document
from cirrus_bridge.delivery.tracking import describe, tracked_deliveries
from cirrus_bridge.drivers.deliverable import delivered_as, why_not
from cirrus_bridge.drivers.device_cache import DeviceCache
from cirrus_bridge.drivers.offered_printers import OfferedPrinter, offered_printers
from cirrus_bridge.ipp_server.documents.conversion import Wanted, convert
from cirrus_bridge.ipp_server.documents.formats import is_laid_out
from cirrus_bridge.ipp_server.documents.limits import Limits, limited
from cirrus_bridge.ipp_server.job_attributes import all_asked_attributes
from cirrus_bridge.ipp_server.job_options import RequestedJob, print_job, read_job
from cirrus_bridge.ipp_server.run_news import RunReport, Tell, accepted, failed
from cirrus_bridge.ipp_server.spool import SpooledJob, converted_path, to_disk
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.lifecycle import ACCEPTED, UNSENT, State
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.journal.submissions import Journal
from cirrus_bridge.sending.follow import Follower
from cirrus_bridge.sending.job_props import job_props, secret_props
from cirrus_bridge.sending.submit import Submission

MOST_OPEN_RUNS = 5
_CHUNK_BYTES = 1 << 20
TURN_WAIT_S = 0.2


@dataclass(frozen=True, slots=True)
class Folders:
    """Where the service has its state, its cache of devices and its configuration."""

    state: Path
    cache: Path
    configuration: Path
    credentials: Path | None = None


class JobRun:
    """A run that sends a document, unless the cloud has it."""

    def __init__(
        self,
        folders: Folders,
        job: SpooledJob,
        tell: Tell,
        clock: Clock,
        session_for: Callable[[Server], Session],
    ) -> None:
        self._folders, self._job, self._tell, self._clock = folders, job, tell, clock
        self._session_for = session_for
        self._report = RunReport(job.job_id, tell)
        self._has_converted = False

    def run(self) -> bool:
        """Return whether this process may do another job. Raises CirrusError if nothing can be
        sent."""
        told = self._run()
        if told.get("then") == "abort":
            with PollerJournal(self._folders.state) as journal:
                key = key_of(self._job, parse_queue_uri(self._job.queue_uri))
                journal.abandon(key, now_s=self._clock.wall_s())
        self._tell(told)
        return "accepted" in told and not self._has_converted

    def _run(self) -> dict[str, Any]:
        """Send the document, and return the news of that."""
        job, folders = self._job, self._folders
        server = parse_queue_uri(job.queue_uri).server
        configuration = load(folders.configuration, folders.credentials, server=server)
        queue = configuration.queue(job.queue_uri)
        key = key_of(job, queue)
        api_of = clients_of(configuration, self._session_for)
        with self._clock.stoppable(), Journal(folders.state) as journal:
            while not journal.claim(job.job_uuid, job.job_id):
                self._clock.sleep(TURN_WAIT_S)
            known = _known(journal, key)
            if known is None or known.state not in ACCEPTED:
                try:
                    self._send(journal, key, known, configuration, queue, api_of)
                except CirrusError as error:
                    return self._end(journal, key, error)
                known = _known(journal, key)
            if known is not None and known.state is State.FOLLOWED:
                return self._follow(journal, key, queue, api_of)
            return accepted(job, journal.documents_of(key))

    def _follow(
        self,
        journal: Journal,
        key: DocumentKey,
        queue: QueueUri,
        api_of: Callable[[QueueUri], CloudApi],
    ) -> dict[str, Any]:
        """Ask once for the state of an accepted document, because many locations fetch at once.
        Leave a document that is not delivered by then to the poller. Return the news of that."""
        (document,) = journal.documents_of(key)
        (target,) = tracked_deliveries([document])
        follower = Follower(queue, api_of, journal, self._clock, self._report, lambda: True)
        with contextlib.suppress(Interrupted):
            follower.follow([target], is_brief=True)
        now_s = self._clock.wall_s()
        if target.status.state is not DeliveryState.DELIVERED:
            journal.hand_over([key], "complete", followed_uri(queue), now_s=now_s)
            return accepted(self._job, [])
        journal.close([key], now_s=now_s)
        told = accepted(self._job, journal.documents_of(key))
        text = describe(target.receipt, target.status)
        told["log"] = of_document("delivered", text, document, target.receipt).line
        return told

    def _end(self, journal: Journal, key: DocumentKey, error: CirrusError) -> dict[str, Any]:
        """Note that the run has ended with an error; return the news of that."""
        if isinstance(error, JournalError):  # it would fail again
            return failed(self._job, error)
        journal.run_ended(key, now_s=self._clock.wall_s())
        told = failed(self._job, error, _known(journal, key))
        told["has_progressed"] = self._report.has_progressed
        return told

    def _send(
        self,
        journal: Journal,
        key: DocumentKey,
        known: Document | None,
        configuration: Configuration,
        queue: QueueUri,
        api_of: Callable[[QueueUri], CloudApi],
    ) -> None:
        job, clock = self._job, self._clock
        printer = find_printer(self._folders, queue)
        asked = read_job(all_asked_attributes(job), printer)
        printed = print_job(
            asked,
            printer,
            job_id=job.job_id,
            job_uuid=job.job_uuid,
            user=job.user,
            title=job.title,
            host=job.host,
            language=job.language,
            created_at=int(job.created_s),
            layout_done=is_laid_out(job.media_type),
        )
        self._check_journal(journal, key, known, printed, queue)
        if job.open_runs > MOST_OPEN_RUNS:
            raise KeepsBreaking(
                tr(
                    "Printing was interrupted {times} times in a row (the job's process was "
                    "killed or crashed).",
                    times=job.open_runs - 1,
                ),
                tr(
                    "Check the logs and the free memory, then release the job. It "
                    "resumes where it stopped."
                ),
            )
        props = job_props(printed, configuration.identify)
        secret = secret_props(printed)
        path = self._converted(printer, asked)
        Submission(
            job=printed,
            queue=queue,
            key=key,
            data=_chunks(path),
            props=props,
            api=api_of(queue),
            journal=journal,
            clock=clock,
            report=self._report,
            upload_settings=configuration.upload_to(queue),
            expected_bytes=path.stat().st_size,
            warns=known is not None and known.may_be_printed,
            secret_props=secret,
            gives_way=lambda: True,  # the service waits, not its process
        ).run(known)

    def _check_journal(
        self,
        journal: Journal,
        key: DocumentKey,
        known: Document | None,
        printed: PrintJob,
        queue: QueueUri,
    ) -> None:
        """Hold the job if the journal that may have known of its submit was deleted or restored. A
        person who releases the job has decided that the document is printed."""
        trusted_since_s = journal.trusted_since_s()
        if known is not None:
            is_old = known.state in UNSENT and known.updated_at_s < trusted_since_s
            is_forgotten = is_old and not known.was_in_doubt
        else:
            is_forgotten = 0.0 < (self._job.first_run_s or 0.0) < trusted_since_s
        if is_forgotten:
            now_s = self._clock.wall_s()
            journal.intent(key, printed, queue.targets, now_s=now_s)
            journal.forgotten(key, now_s=now_s)
            raise JobForgotten(
                tr(
                    "The journal was deleted or restored after this job was first sent, so the "
                    "job may be printed already."
                ),
                tr("Look at the printer; then cancel this job, or release it to print (again)."),
            )

    def _converted(self, printer: OfferedPrinter, asked: RequestedJob) -> Path:
        """The file that the device gets. It stays the same in all runs, so that an upload can be
        resumed."""
        job = self._job
        source = self._folders.state / "spool" / job.document
        kept = converted_path(source)
        if kept.exists():
            return kept
        deliver = delivered_as(printer.formats)
        if deliver is None:
            raise NoUsableFormat(why_not(printer.formats), tr("Then release the job."))
        folder = source.with_name(f"{source.name}.work")
        folder.mkdir(exist_ok=True)
        try:
            with limited(Limits().of_document(job.size_bytes)):
                made = convert(source, folder, job.media_type, wanted(asked, deliver))
            if made == source:
                return source
            self._has_converted = True
            to_disk(made)  # before it has its name: the next run may be after a power cut
            made.rename(kept)
            to_disk(kept.parent)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return kept


def wanted(asked: RequestedJob, deliver: str) -> Wanted:
    """The conversion that the job's options ask for."""
    return Wanted(
        deliver=deliver,
        page_ranges=asked.page_ranges,
        page_size_mm=asked.paper[1:],
        margins_mm=asked.margins_mm,
        scaling=asked.scaling,
        orientation=asked.orientation,
    )


def find_printer(folders: Folders, queue: QueueUri) -> OfferedPrinter:
    """The printer of a job, as its device was last seen."""
    (target,) = queue.targets
    place = Place(queue.server, queue.company, target.location)
    answer = DeviceCache(folders.cache).last(place) or {}
    declared = read_devices(folders.configuration)
    # a device that is gone or inactive by now: the server decides about the job
    plain: Mapping[str, Any] = {"Devices": {target.device: {}}}
    found = offered_printers(
        [(place, answer), (place, plain)], lambda _, device: device == target.device, declared
    )
    return next(found)


def key_of(job: SpooledJob, queue: QueueUri) -> DocumentKey:
    return DocumentKey(job.job_uuid, job.job_id, 0, queue.destination, 1)


def _known(journal: Journal, key: DocumentKey) -> Document | None:
    """The journal's entry for a job's document."""
    return entry_of(journal.entries(key.job_uuid, key.job_id), key)


def entry_of(entries: Sequence[Document], key: DocumentKey) -> Document | None:
    return next((each for each in entries if each.key == key), None)


def _chunks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while data := file.read(_CHUNK_BYTES):
                yield data
    except OSError as error:
        raise UnreadableDocument(
            tr("The print data cannot be read ({error}).", error=error.strerror or error),
            tr("Print the document again."),
        ) from error
