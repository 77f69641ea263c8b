"""The CUPS backend `cirrus`: wiring only (backend(7)).

No argument: discovery. Five or six: print one document and follow it. Whatever happens ends in
one message for people and one exit code; an error that nobody foresaw holds the job.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from cirrus_bridge import __version__
from cirrus_bridge.api import CloudApi
from cirrus_bridge.clock import Clock
from cirrus_bridge.config import (
    FOLDER,
    STATE_FOLDER,
    Configuration,
    Server,
    UploadSettings,
    load,
)
from cirrus_bridge.cups_job import USAGE, read_document, read_job
from cirrus_bridge.cups_report import EXIT_CODES, CupsReport
from cirrus_bridge.errors import (
    BadConfiguration,
    CirrusError,
    DeliveryEnded,
    Disposition,
    Interrupted,
    KeepsBreaking,
    UsageError,
)
from cirrus_bridge.follow import Tracked, describe, follow
from cirrus_bridge.journal import Journal, Phase
from cirrus_bridge.model import DocumentKey, PrintJob, Receipt
from cirrus_bridge.props import job_props
from cirrus_bridge.recognize import recognize
from cirrus_bridge.submit import Document, Submission
from cirrus_bridge.uri import QueueUri, is_loopback, parse_queue_uri

# cupsd ends a job when its backend fails for a file that is not the last one
ONE_OF_SEVERAL = (
    "CUPS does not go on with the other files of this job. When the cause is mended, restart the "
    "job: files that were accepted are not printed again."
)
DISCOVERY_TIMEOUTS = UploadSettings(connect_timeout_s=2.0, read_timeout_s=2.0)
READ_WAIT_S = 2
LAN_WAIT_S = 0.7  # and less than that behind a slow server
TURN_WAIT_S = 0.2
MOST_OPEN_RUNS = 5
OK = EXIT_CODES[Disposition.DONE]


def run() -> int:
    """All of it; returns the exit code."""
    report = CupsReport(sys.stderr.buffer)
    clock = Clock()
    clock.watch_signals()
    try:
        return _main(sys.argv, os.environ, report, clock)
    except CirrusError as error:
        return report.error(error)
    except Exception:  # noqa: BLE001 - the last net: the job is kept and the queue goes on
        import traceback  # 10 ms that hardly any job needs

        for line in traceback.format_exc().splitlines():
            report.debug(line)
        then = (
            "The job is held; the error log has the details. Release the job to try again."
            if len(sys.argv) > 1
            else "Its devices are not listed."
        )
        report.fault(f"Cirrus Bridge failed in a way that it should not. {then} (CB-900)")
        return EXIT_CODES[Disposition.HOLD]


def _main(argv: Sequence[str], environ: Mapping[str, str], report: CupsReport, clock: Clock) -> int:
    folder = Path(environ.get("CIRRUS_BRIDGE_CONFIG") or FOLDER)
    if len(argv) == 1:
        _list_devices(folder, environ, report, clock)
        return OK
    if len(argv) not in (6, 7):
        sys.stderr.write(USAGE + "\n")
        raise UsageError("The backend was called with a wrong number of arguments.")
    with clock.stoppable():
        configuration = load(folder)
        queue = parse_queue_uri(environ.get("DEVICE_URI", ""), configuration.defaults)
        job = read_job(argv, environ)
        if environ.get("AUTH_INFO_REQUIRED", "none") != "none":
            report.no_credentials_asked()
        report.debug(f"cirrus-bridge {__version__}: document for {_targets(queue)}")
        state = Path(environ.get("CIRRUS_BRIDGE_STATE") or STATE_FOLDER)
        with Journal(state) as journal:
            _wait_for_turn(job, journal, report, clock)
            code = _print(job, queue, configuration, journal, report, clock)
    _let_the_second_pass(job, clock)
    return code


def _wait_for_turn(job: PrintJob, journal: Journal, report: CupsReport, clock: Clock) -> None:
    """Until no other process is at this job: one of a cupsd that died, for example, which stops
    as soon as it notices."""
    if not journal.claim(job.job_uuid, job.job_id):
        report.info("An earlier run of this job is coming to its end.")
        while not journal.claim(job.job_uuid, job.job_id):
            clock.sleep(TURN_WAIT_S)


def _let_the_second_pass(job: PrintJob, clock: Clock) -> None:
    """A job's prints are told apart by the second in which the one before was completed."""
    left_s = job.print_run + 1 - clock.wall_s()
    if 0 < left_s <= 1:
        clock.sleep(left_s)


def _print(
    job: PrintJob,
    queue: QueueUri,
    configuration: Configuration,
    journal: Journal,
    report: CupsReport,
    clock: Clock,
) -> int:
    """One document: find what the journal knows of it, submit it unless it is there, follow it."""
    key, known = recognize(job, queue, journal.entries(job.job_uuid, job.job_id))
    is_accepted = known is not None and known.phase is Phase.ACCEPTED
    if known and is_accepted and known.key != key:  # by another member of the class
        key, queue = known.key, parse_queue_uri(known.key.destination, queue.settings)
    api = _api(configuration.server_for(queue), queue, configuration)
    if is_accepted:
        journal.rerun(key, pass_started=job.pass_started, now_s=clock.wall_s())
        report.debug("the journal says that the cloud has this document already")
        receipts = journal.receipts(key)
    else:
        submission = Submission(
            job=job,
            queue=queue,
            key=key,
            props=job_props(job, configuration.identify),
            api=api,
            journal=journal,
            clock=clock,
            report=report,
            sizes=configuration.upload,
            expected_bytes=_size_bytes(job),
        )
        document = Document(read_document(job, sys.stdin.buffer))
        try:
            if known and known.open_runs >= MOST_OPEN_RUNS:
                raise KeepsBreaking(
                    f"Printing was broken off {known.open_runs} times in a row: the backend was "
                    "killed or crashed. Look into the logs (is memory short?), then release the "
                    "job; it goes on where it was."
                )
            receipts = submission.run(document, known)
        except CirrusError as error:
            journal.pass_broken(job.job_uuid)
            if key.number < job.documents:
                error.consequence = ONE_OF_SEVERAL
            raise
    return _follow(receipts, key, queue, api, journal, report, clock)


def _follow(
    receipts: list[Receipt],
    key: DocumentKey,
    queue: QueueUri,
    api: CloudApi,
    journal: Journal,
    report: CupsReport,
    clock: Clock,
) -> int:
    ids = ", ".join(f"{receipt.cloud_job_id} ({receipt.target})" for receipt in receipts)
    report.progress(100)
    report.info(f"Accepted by {queue.server} as {ids}")
    try:
        tracked = follow(
            receipts,
            key=key,
            wait=queue.settings.wait,
            timeout_s=queue.settings.wait_timeout_s,
            api=api,
            journal=journal,
            clock=clock,
            report=report,
        )
    except Interrupted:
        journal.ended(key, now_s=clock.wall_s())
        report.lasting(f"Stopped, but {queue.server} has the job already and will print it: {ids}.")
        return OK
    journal.ended(key, now_s=clock.wall_s())
    return _conclude(tracked, queue, report)


def _conclude(tracked: list[Tracked], queue: QueueUri, report: CupsReport) -> int:
    """The exit code that the targets' states amount to, and the message that stays."""
    told = "; ".join(describe(target.receipt, target.status) for target in tracked)
    states = [target.status.state for target in tracked]
    if any(state.is_final and not state.reached_recipient for state in states):
        raise DeliveryEnded(f"Not delivered everywhere. {told}.")
    if all(state.reached_recipient for state in states):
        report.info(f"{told}.")
    elif queue.settings.wait == "delivered":
        report.lasting(f"Accepted by {queue.server}, delivery not seen yet. {told}.")
    return OK


def _api(server: Server, queue: QueueUri, configuration: Configuration) -> CloudApi:
    plain = queue.settings.encryption == "never"
    if plain and not _may_be_plain(server):
        raise BadConfiguration(
            f"The queue asks for encryption=never, but what is sent to {queue.server} leaves this "
            "machine. "
            "Remove it from the queue's URI, or set allow_plaintext = true in the server's entry."
        )
    return CloudApi(server, queue.company, https=not plain, timeouts=configuration.upload)


def _list_devices(
    folder: Path, environ: Mapping[str, str], report: CupsReport, clock: Clock
) -> None:
    # which printing does not need
    from cirrus_bridge.device_cache import CACHE_FOLDER, DeviceCache
    from cirrus_bridge.discovery import SCHEME_LINE, discover, strangers
    from cirrus_bridge.lan import LanServer, servers_on_lan

    try:
        configuration = load(folder)
    except CirrusError as error:
        report.fault(str(error))
        sys.stdout.write(SCHEME_LINE + "\n")
        return

    def api_for(server: Server) -> CloudApi:
        # what the default is for queues to this machine must not take a key across the network
        plain = configuration.defaults.encryption == "never" and _may_be_plain(server)
        company = server.company or ""
        return CloudApi(server, company, https=not plain, timeouts=DISCOVERY_TIMEOUTS)

    cache = DeviceCache(Path(environ.get("CIRRUS_BRIDGE_CACHE") or CACHE_FOLDER))
    found: list[LanServer] = []
    browsing = threading.Thread(target=lambda: found.extend(servers_on_lan(clock)), daemon=True)
    browsing.start()
    lines = discover(configuration.servers, api_for, cache, clock, report.fault)
    for line in lines:
        # IPP's charset, whatever the locale's is: names are in any script
        sys.stdout.buffer.write(line.encode() + b"\n")
        sys.stdout.buffer.flush()
    _wait_until_read(sys.stdout.fileno(), clock)
    browsing.join(LAN_WAIT_S)
    for text in strangers(configuration.servers, found):
        report.info(text)


def _wait_until_read(pipe: int, clock: Clock) -> None:
    """Until CUPS has read the devices: cups-deviced of 2.4 stops reading when the last backend has
    ended, and what is still in its pipe is not listed."""
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


def _may_be_plain(server: Server) -> bool:
    """What is sent to this server stays on this machine, or the administrator allows it."""
    host = urlsplit(f"//{server.name}").hostname or ""
    return server.allow_plaintext or (is_loopback(host) and not server.proxy)


def _size_bytes(job: PrintJob) -> int:
    try:
        return job.spool_path.stat().st_size if job.spool_path else 0
    except OSError:
        return 0  # whoever reads it says what is wrong


def _targets(queue: QueueUri) -> str:
    return ", ".join(map(str, queue.targets)) + f" on {queue.server}"
