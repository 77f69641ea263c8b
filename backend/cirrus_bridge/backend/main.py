"""The CUPS backend `cirrus`: wiring only (backend(7)).

No argument: discovery. Five or six: print one document and follow it. Whatever happens ends in
one message for people and one exit code; an error that nobody foresaw holds the job.
"""

from __future__ import annotations

import contextlib
import functools
import os
import stat
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from cirrus_bridge import __version__
from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.api.clients import CloudApis, api_for
from cirrus_bridge.backend.run import OK, BackendRun
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import (
    CirrusError,
    CupsAway,
    CupsRefused,
    Disposition,
    JobUnidentified,
    JournalBusy,
    UsageError,
)
from cirrus_bridge.base.model import PrintJob
from cirrus_bridge.base.privileges import give_up_root, make_folder
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.defaults import CACHE_FOLDER, CUPS_SOCKET, FOLDER, STATE_FOLDER
from cirrus_bridge.config.load import UploadSettings, load
from cirrus_bridge.config.queue_uri import FORM, SCHEME
from cirrus_bridge.config.servers import Server
from cirrus_bridge.cups.client import CupsServer
from cirrus_bridge.cups.job import USAGE, SpooledDocument, job_id_of, read_job
from cirrus_bridge.cups.job_facts import WANTED, JobFacts, facts_from_cupsd
from cirrus_bridge.cups.queues import CupsQueues
from cirrus_bridge.cups.spool import is_run_by_cupsd, spooled
from cirrus_bridge.cups.status_lines import EXIT_CODES, CupsReport
from cirrus_bridge.journal.run_notes import Run
from cirrus_bridge.journal.submissions import Journal

DISCOVERY_TIMEOUTS = UploadSettings(connect_timeout_s=2.0, read_timeout_s=2.0)
READ_WAIT_S = 2
LAN_WAIT_S = 0.7  # and less than that behind a slow server
TURN_WAIT_S = 0.2


def run(noted: Run, cupsd: int) -> int:
    """All of the run that was noted so and that the process `cupsd` has started; the exit code."""
    report = CupsReport(sys.stderr.buffer)
    clock = Clock()
    clock.watch_signals()
    try:
        return _main(sys.argv, os.environ, report, clock, noted.number, cupsd)
    except CirrusError as error:
        if isinstance(error, JobUnidentified | JournalBusy):
            noted.held()
        code = report.error(error)
        # cupsd aborts a job that has more documents at once, and reads no more
        _wait_until_read(sys.stderr.fileno(), clock)
        return code
    except Exception:  # noqa: BLE001 - the last net: the job is kept and the queue goes on
        import traceback  # 10 ms that hardly any job needs

        for line in traceback.format_exc().splitlines():
            report.debug(line)
        then = (
            tr("The job is held; the error log has the details. Release the job to try again.")
            if len(sys.argv) > 1
            else tr("Its devices are not listed.")
        )
        report.fault(tr("Internal error in Cirrus Bridge. {then} (CB-900)", then=then))
        return EXIT_CODES[Disposition.HOLD]


def _main(
    argv: Sequence[str],
    environ: Mapping[str, str],
    report: CupsReport,
    clock: Clock,
    number: int,
    cupsd: int,
) -> int:
    folder = Path(environ.get("CIRRUS_BRIDGE_CONFIG") or FOLDER)
    if len(argv) == 1:
        _list_devices(folder, environ, report, clock)
        return OK
    if len(argv) not in (6, 7):
        sys.stderr.write(USAGE + "\n")
        raise UsageError(tr("The backend was called with a wrong number of arguments."))
    with clock.stoppable():
        configuration = load(folder)
        queue = configuration.queue(device_uri(argv, environ))
        job = read_job(argv, environ, number, _facts(argv, environ, clock))
        if job.cancel_after_s is not None:
            spent_s = min(max(0.0, clock.wall_s() - job.processing_at), job.cancel_after_s)
            clock.end_within(job.cancel_after_s - spent_s)
        targets = ", ".join(map(str, queue.targets))
        report.debug(f"cirrus-bridge {__version__}: document for {targets} on {queue.server}")
        state = Path(environ.get("CIRRUS_BRIDGE_STATE") or STATE_FOLDER)
        data = SpooledDocument(job, sys.stdin.buffer, cupsd, spooled(argv, environ))
        with contextlib.suppress(OSError):  # which the journal tells better
            make_folder(state, 0o700)
            give_up_root(state)
        with Journal(state) as journal:
            _wait_for_turn(job, journal, report, clock)
            others_wait = functools.partial(_others_wait, job, environ, report)
            api_of = CloudApis(configuration).of
            run = BackendRun(job, configuration, api_of, journal, clock, report, others_wait)
            code = run.print(queue, data)
    _let_the_second_pass(job, clock)
    return code


def device_uri(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """The URI of the queue: DEVICE_URI, or the name by which the program was called (backend(7)).

    Raises:
        UsageError: there is neither.
    """
    if uri := environ.get("DEVICE_URI"):
        return uri
    if argv[0].startswith(f"{SCHEME}:"):
        return argv[0]
    raise UsageError(
        tr(
            "The URI of the queue is missing (DEVICE_URI is not set). Print through CUPS, or set "
            "DEVICE_URI to {form}.",
            form=FORM,
        )
    )


def _facts(argv: Sequence[str], environ: Mapping[str, str], clock: Clock) -> JobFacts | None:
    """What cupsd says of the job; None if a person runs the backend by hand."""
    if not is_run_by_cupsd(environ):
        return None
    cups, job_id = _cups(environ), job_id_of(argv)
    return facts_from_cupsd(lambda: cups.job(job_id, also=WANTED), clock.sleep)


def _cups(environ: Mapping[str, str]) -> CupsQueues:
    return CupsQueues(CupsServer(environ.get("CUPS_SERVER") or CUPS_SOCKET))


def _wait_for_turn(job: PrintJob, journal: Journal, report: CupsReport, clock: Clock) -> None:
    """Until no other process is at this job: one of a cupsd that died, for example, which stops
    as soon as it notices."""
    if not journal.claim(job.job_uuid, job.job_id):
        report.info(tr("Waiting for a previous run of this job to finish."))
        while not journal.claim(job.job_uuid, job.job_id):
            clock.sleep(TURN_WAIT_S)


def _let_the_second_pass(job: PrintJob, clock: Clock) -> None:
    """A job's prints are told apart by the second in which the one before was completed."""
    left_s = job.completed_at + 1 - clock.wall_s()
    if 0 < left_s <= 1:
        clock.sleep(left_s)


def _others_wait(job: PrintJob, environ: Mapping[str, str], report: CupsReport) -> bool:
    """Whether other jobs wait for the job's queue, or its class."""
    try:
        return _cups(environ).has_pending(job.queue, job.class_name)
    except (CupsAway, CupsRefused) as error:
        report.debug(f"{error} {error.detail}")
        return False


def _list_devices(
    folder: Path, environ: Mapping[str, str], report: CupsReport, clock: Clock
) -> None:
    # which printing does not need
    from cirrus_bridge.api.mdns import LanServer, servers_on_lan
    from cirrus_bridge.cups.snap import snap_hint
    from cirrus_bridge.drivers.device_cache import DeviceCache
    from cirrus_bridge.drivers.discovery import SCHEME_LINE, discover, nothing_to_ask, strangers

    try:
        configuration = load(folder)
    except CirrusError as error:
        report.fault(error.text)
        sys.stdout.write(SCHEME_LINE + "\n")
        return

    def api_of(server: Server) -> CloudApi:
        return api_for(configuration, server, DISCOVERY_TIMEOUTS)

    cached = Path(environ.get("CIRRUS_BRIDGE_CACHE") or CACHE_FOLDER)
    with contextlib.suppress(OSError):  # without a cache it works too
        make_folder(cached, 0o755)
        give_up_root(cached)
    cache = DeviceCache(cached)
    found: list[LanServer] = []
    browsing = threading.Thread(target=lambda: found.extend(servers_on_lan(clock)), daemon=True)
    browsing.start()
    lines = discover(configuration.servers, api_of, cache, clock, report.fault)
    for line in lines:
        # IPP's charset, whatever the locale's is: names are in any script
        sys.stdout.buffer.write(line.encode() + b"\n")
        sys.stdout.buffer.flush()
    _wait_until_read(sys.stdout.fileno(), clock)
    browsing.join(LAN_WAIT_S)
    for text in nothing_to_ask(folder, configuration.servers):
        report.info(text)
    if hint := snap_hint():
        report.info(hint)
    for text in strangers(configuration.servers, found):
        report.info(text)


def _wait_until_read(pipe: int, clock: Clock) -> None:
    """Wait until CUPS has read what was written. What is still in the pipe when this process ends
    may be lost: cups-deviced of 2.4 stops reading when the last backend has ended."""
    from fcntl import ioctl
    from termios import FIONREAD

    unread = bytearray(4)
    deadline_s = clock.monotonic_s() + READ_WAIT_S
    with contextlib.suppress(OSError):  # no pipe
        while stat.S_ISFIFO(os.fstat(pipe).st_mode) and clock.monotonic_s() < deadline_s:
            ioctl(pipe, FIONREAD, unread)
            if not any(unread) or clock.stop_requested:
                return
            clock.sleep(0.005)
