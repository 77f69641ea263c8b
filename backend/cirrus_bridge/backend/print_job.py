"""Puts together a run of the backend: configuration, job, journal. Wiring only."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cirrus_bridge.api.client import clients_of
from cirrus_bridge.backend.call import Call
from cirrus_bridge.backend.page_logging import setting_to_change
from cirrus_bridge.backend.run import BackendRun
from cirrus_bridge.base.clock import NOT_SENT, Clock
from cirrus_bridge.base.errors import (
    CirrusError,
    CupsAway,
    CupsRefused,
    Interrupted,
    JournalBusy,
    UsageError,
)
from cirrus_bridge.base.model import PrintJob
from cirrus_bridge.base.privileges import STAYS_ROOT, give_up_root
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.defaults import CUPS_SOCKET, FOLDER, STATE_FOLDER
from cirrus_bridge.config.load import Configuration, load
from cirrus_bridge.config.queue_uri import FORM, SCHEME, parse_queue_uri
from cirrus_bridge.cups.client import CupsServer
from cirrus_bridge.cups.job import Cupsd, SpooledDocument, job_id_of, read_job
from cirrus_bridge.cups.jobs import CupsJobs
from cirrus_bridge.cups.spool import is_run_by_cupsd, spooled
from cirrus_bridge.cups.status_lines import EXIT_CODES, CupsReport
from cirrus_bridge.delivery.tracking import is_settled, tracked_deliveries
from cirrus_bridge.journal.documents import Document
from cirrus_bridge.journal.lifecycle import ACCEPTED
from cirrus_bridge.journal.run_notes import make_state_folder
from cirrus_bridge.journal.submissions import Journal
from cirrus_bridge.version import __version__

if TYPE_CHECKING:
    from cirrus_bridge.api.client import SessionFor

TURN_WAIT_S = 0.2
COARSE_S = 0.02  # time(2) may be late by a tick of the kernel's timer, at most 10 ms


def configuration_for(call: Call, credentials: Path | None = None) -> Configuration:
    """Read the configuration for the queue of a call. `credentials` and errors are those of `load`.

    Raises:
        UsageError, BadQueueUri: the call has no valid URI.
    """
    folder = Path(call.environ.get("CIRRUS_BRIDGE_CONFIG") or FOLDER)
    uri = device_uri(call.argv, call.environ)
    return load(folder, credentials, server=parse_queue_uri(uri).server)


def print_job(
    call: Call,
    configuration: Configuration,
    report: CupsReport,
    clock: Clock,
    number: int,
    session_for: SessionFor | None = None,
    is_needed: Callable[[], bool] = lambda: False,
) -> int:
    """Print the document of this number in the job (from 1; 0 if unknown); return the exit code.

    Args:
        session_for: returns the session with a server; by default, sessions are new.
        is_needed: whether another job waits for this process.

    Raises:
        CirrusError: the document was not submitted, or will not be delivered.
    """
    argv, environ = call.argv, call.environ
    with clock.stoppable():
        queue = configuration.queue(device_uri(argv, environ))
        cups = CupsJobs(CupsServer(environ.get("CUPS_SERVER") or CUPS_SOCKET))
        attributes = None  # a person runs the backend by hand
        if is_run_by_cupsd(environ):
            with contextlib.closing(Cupsd(call.cupsd)) as cupsd:
                attributes = cups.identified_job(job_id_of(argv), clock.sleep).attributes
                if cupsd.has_ended():  # the next cupsd has answered, and runs the job by itself
                    raise Interrupted(NOT_SENT)
        job = read_job(argv, environ, number, attributes)
        if job.cancel_after_s is not None:  # cupsd's time limit for the job (MaxJobTime)
            spent_s = min(max(0.0, clock.wall_s() - job.processing_at), job.cancel_after_s)
            clock.end_within(job.cancel_after_s - spent_s)
        targets = ", ".join(map(str, queue.targets))
        report.debug(f"cirrus-bridge {__version__}: document for {targets} on {queue.server}")
        files = [*spooled(argv, environ)]
        data = SpooledDocument(job, call.stdin, call.cupsd, files)
        if environ.get("CONTENT_TYPE") == "image/tiff" and job.layout_done:
            _warn_of_lost_pages(files[job.number - 1 : job.number], report)
        state = Path(environ.get("CIRRUS_BRIDGE_STATE") or STATE_FOLDER)
        with contextlib.suppress(OSError):  # the journal reports such a fault better
            make_state_folder(state)
            if unread := give_up_root(state):
                report.debug(STAYS_ROOT.format(folder=state, unread=unread))
        with Journal(state) as journal:
            _wait_for_turn(job, journal, report, clock)
            others_wait = functools.partial(_others_wait, cups, job, report)
            api_of = clients_of(configuration, session_for)
            count_pages = functools.partial(_count_pages, cups, job, report)
            asked = (others_wait, count_pages)
            run = BackendRun(job, queue, configuration, api_of, journal, clock, report, *asked)
            run.is_needed = is_needed
            run.outcome_waits = functools.partial(_outcome_waits, cups, journal, job, report)
            try:
                code = run.print(data)
            except CirrusError as error:
                if attributes and not isinstance(error, JournalBusy):  # it would block again
                    _count_once(cups, journal, job, EXIT_CODES[error.disposition], report)
                raise
            if attributes:
                _count_once(cups, journal, job, code, report)
    # a new second has to begin for cupsd, too, because the second of completion identifies a print
    left_s = job.completed_at + 1 + COARSE_S - clock.wall_s()
    if 0 < left_s <= 1 + COARSE_S:
        clock.sleep(left_s)
    return code


def device_uri(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """The URI of the queue: DEVICE_URI, or the program's name in `argv` (backend(7)).

    Raises:
        UsageError: neither is a URI.
    """
    if uri := environ.get("DEVICE_URI"):
        return uri
    if argv[0].startswith(f"{SCHEME}:"):
        return argv[0]
    raise UsageError(
        tr("The URI of the queue is missing (DEVICE_URI is not set)."),
        tr("Print through CUPS, or set DEVICE_URI to {form}.", form=FORM),
    )


def _wait_for_turn(job: PrintJob, journal: Journal, report: CupsReport, clock: Clock) -> None:
    """Wait until no other process works on this job. A run that outlived its cupsd, for example,
    stops as soon as it notices."""
    if not journal.claim(job.job_uuid, job.job_id):
        report.info(tr("Waiting for a previous run of this job to finish."))
        while not journal.claim(job.job_uuid, job.job_id):
            clock.sleep(TURN_WAIT_S)


def _count_once(
    cups: CupsJobs, journal: Journal, job: PrintJob, code: int, report: CupsReport
) -> None:
    """Turn pdftopdf's page count off for documents that it has counted, or on again."""
    try:
        entries = journal.entries(job.job_uuid, job.job_id)
        if setting := setting_to_change(job, code, entries):
            cups.set_page_logging(job.job_id, setting)
    except CirrusError as error:
        report.debug(f"the next run counts the pages again: {error} {error.detail}")


def _warn_of_lost_pages(files: Sequence[str], report: CupsReport) -> None:
    """Tell people if CUPS has converted only the first page of a TIFF file."""
    from cirrus_bridge.cups.tiff import pages  # few jobs need it

    count = sum(pages(Path(file)) for file in files)
    if count > 1:
        report.lasting(
            tr(
                "CUPS prints only the first of the {count} pages of a TIFF file. Convert the file "
                "to PDF to print all pages.",
                count=count,
            )
        )


def _count_pages(cups: CupsJobs, job: PrintJob, report: CupsReport) -> int:
    """The pages of the job that CUPS has counted so far; 0 if it does not say."""
    try:
        found = cups.job(job.job_id)
        if found.job_uuid != job.job_uuid:  # a person runs the backend by hand
            return 0
        return found.attributes.number("job-impressions-completed") or 0
    except (CupsAway, CupsRefused) as error:
        report.debug(f"{error} {error.detail}")
        return 0


def _others_wait(cups: CupsJobs, job: PrintJob, report: CupsReport) -> bool:
    """Whether other jobs wait for the job's queue or class."""
    try:
        return cups.has_pending(job.queue, job.class_name)
    except (CupsAway, CupsRefused) as error:
        report.debug(f"{error} {error.detail}")
        return False


def _outcome_waits(cups: CupsJobs, journal: Journal, job: PrintJob, report: CupsReport) -> bool:
    """Whether a job waits for the job's queue or class only to end: its documents' outcome is in
    the journal."""
    try:
        waiting = cups.pending(job.queue, job.class_name)
    except (CupsAway, CupsRefused) as error:
        report.debug(f"{error} {error.detail}")
        return False
    return any(_has_outcome(journal.entries(job_uuid, job_id)) for job_id, job_uuid in waiting)


def _has_outcome(entries: Sequence[Document]) -> bool:
    """Whether the documents of a job's newest print were accepted, and all deliveries are over."""
    newest = max((entry.key.print_run for entry in entries), default=0)
    documents = [entry for entry in entries if entry.key.print_run == newest]
    targets = tracked_deliveries(documents)
    are_accepted = all(entry.state in ACCEPTED for entry in documents)
    return bool(targets) and are_accepted and is_settled(targets, "delivered")
