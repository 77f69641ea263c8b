"""The poller `cirrus-statusd`: wiring only.

The program runs until SIGTERM, or makes one round (`--once`). Each change is one line on standard
error, which the system's journal keeps.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import random
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from cirrus_bridge import __version__
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import BadConfiguration, CirrusError, Interrupted, JournalReplaced
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.defaults import CUPS_SOCKET, FOLDER, STATE_FOLDER
from cirrus_bridge.config.load import Configuration
from cirrus_bridge.config.queue_uri import QueueUri
from cirrus_bridge.cups.client import CupsServer
from cirrus_bridge.cups.cupsd import ALONE, find_cupsd, snap_notice
from cirrus_bridge.cups.queues import CupsQueues
from cirrus_bridge.delivery.events import INFO, NOTICE, WARNING, Change
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.statusd.completion import JobCompletion
from cirrus_bridge.statusd.configuration import ConfigurationReader
from cirrus_bridge.statusd.cups_sync import CupsSync
from cirrus_bridge.statusd.notify.background import BackgroundWorker, Complaint
from cirrus_bridge.statusd.orphans import Orphans
from cirrus_bridge.statusd.outages import Outages
from cirrus_bridge.statusd.poller import Poller
from cirrus_bridge.statusd.queries import Queries
from cirrus_bridge.statusd.schedule import Schedule
from cirrus_bridge.statusd.status_messages import StatusMessages
from cirrus_bridge.statusd.watched import WatchedDocuments

if TYPE_CHECKING:
    from cirrus_bridge.statusd.notify.metrics import Metrics

REOPEN_S = 0.5
TURN_S = 0.5
FAILED = 1
_REMOVED = (
    "'{name}' below [statusd] in bridge.toml no longer has an effect. Remove the line '{name} = …'."
)
# the hook may finish its changes when the program ends; the service is to end within a second
ONCE_WAIT_S, END_WAIT_S = 60.0, 0.3


def run() -> NoReturn:
    """Entry point of the program."""
    parser = argparse.ArgumentParser(
        prog="cirrus-statusd",
        description="Tracks print jobs in the cloud, and shows their progress in CUPS.",
    )
    parser.add_argument("--once", action="store_true", help="make one round, then end")
    parser.add_argument("--version", action="version", version=f"cirrus-bridge {__version__}")
    arguments = parser.parse_args()
    clock = Clock()
    clock.watch_signals()
    try:
        _run(os.environ, clock, once=arguments.once)
    except CirrusError as error:
        log(Change("failed", f"{error} ({error.code}) {error.detail}".strip(), WARNING))
        os._exit(FAILED)
    except Exception:  # noqa: BLE001 - the last resort: a line to search for, besides the traceback
        sys.stderr.write(traceback.format_exc())
        log(Change("failed", "Internal error in cirrus-statusd (CB-900)", WARNING))
        os._exit(FAILED)
    sys.stderr.flush()
    os._exit(0)  # without waiting for threads that wait for a server


def _run(environ: Mapping[str, str], clock: Clock, *, once: bool) -> None:
    credentials = environ.get("CREDENTIALS_DIRECTORY")
    reader = ConfigurationReader(
        Path(environ.get("CIRRUS_BRIDGE_CONFIG") or FOLDER),
        Path(credentials) if credentials else None,
        clock,
    )
    settings = reader.configuration.poller
    state = Path(environ.get("CIRRUS_BRIDGE_STATE") or STATE_FOLDER)
    for setting in reader.configuration.removed:
        log(Change("setting-removed", _REMOVED.format(name=setting), WARNING))
    hook = _start_hook(reader.configuration, environ, clock)
    tell = functools.partial(_tell, hook)
    cups = CupsQueues(CupsServer(environ.get("CUPS_SERVER") or CUPS_SOCKET))
    rng = random.Random()  # noqa: S311 - jitter, no secret
    name = f"{socket.gethostname()}:{os.getpid()}"

    def queue_of(uri: str) -> QueueUri:
        return reader.configuration.queue(uri)  # the configuration may have been reloaded

    @functools.cache
    def metrics() -> Metrics | None:
        return None if once else _serve_metrics(settings.metrics_port, state, clock)

    def follow(journal: PollerJournal) -> None:
        """Follow the journal's documents as soon as no other poller does."""
        if not _take_turn(journal, name, clock, tell, waits=not once):
            return
        journal.check_whole()
        measured = metrics()
        completion = JobCompletion(journal, cups, clock, tell)
        watch_list = WatchedDocuments()
        daemon = find_cupsd(environ.get("CUPS_SERVER") or CUPS_SOCKET)
        outages = Outages(
            journal,
            cups,
            clock,
            tell,
            Queries(),
            queue_of,
            reader.api_of,
            max_hold_s=daemon.seconds("MaxHoldTime", yes_s=0.0, default_s=0.0),
        )
        poller = Poller(
            journal=journal,
            clock=clock,
            schedule=Schedule(rng, requests_per_minute=settings.requests_per_minute),
            queries=Queries(),
            cups=CupsSync(
                clock,
                StatusMessages(journal, cups, clock, completion, tell, outages.notices),
                completion,
                Orphans(journal, cups, clock, tell, str(state)),
                settings.orphan_after_s,
                outages,
                tell,
                watch_list,
            ),
            settings=settings,
            queue_of=queue_of,
            api_of=measured.counted(reader.api_of) if measured else reader.api_of,
            tell=tell,
            watch_list=watch_list,
            at_work=measured.at_work if measured else None,
        )
        tell(Change("started", f"cirrus-bridge {__version__}, as {name}", INFO))
        if snap_notice() == ALONE:
            tell(Change("cups-in-snap", ALONE.text, WARNING))
        if once:
            poller.run_once()
        else:
            poller.run()
        journal.leave()
        tell(Change("ended", f"{len(watch_list)} documents remain for the next poller"))

    _with_journal(state, clock, tell, follow)
    _finish(hook, clock)


def _with_journal(
    state: Path,
    clock: Clock,
    tell: Callable[[Change], None],
    follow: Callable[[PollerJournal], None],
) -> None:
    """Follow a journal; if it is deleted or replaced, follow the next one.

    Raises:
        JournalError: the journal cannot be used, or is damaged.
    """
    while True:
        try:
            with PollerJournal(state) as journal:
                return follow(journal)
        except JournalReplaced as error:
            tell(Change("journal-replaced", f"{error} ({error.code})", WARNING))
        clock.sleep(REOPEN_S)


def _take_turn(
    journal: PollerJournal,
    name: str,
    clock: Clock,
    tell: Callable[[Change], None],
    *,
    waits: bool,
) -> bool:
    """Become the journal's only poller.

    Args:
        waits: wait for the end of another poller.

    Returns:
        False if another poller follows the journal, or this one is stopped while it waits.
    """
    is_told = False
    with contextlib.suppress(Interrupted), clock.stoppable():
        while not journal.take_over(name, now_s=clock.wall_s()):
            if not is_told:
                is_told = True
                first = journal.last_sign()
                name_of_first = f" ({first.name})" if first else ""
                then = "waiting for it to end" if waits else "nothing to do"
                text = f"another cirrus-statusd{name_of_first} follows the jobs; {then}"
                tell(Change("second", text, NOTICE))
            if not waits:
                return False
            clock.sleep(TURN_S)
        return True
    return False


def _start_hook(
    configuration: Configuration, environ: Mapping[str, str], clock: Clock
) -> BackgroundWorker | None:
    """Start the hook of bridge.toml, if there is one; its own trouble goes to the log only.

    Raises:
        BadConfiguration: users other than the file's owner can change the hook.
    """
    if not configuration.poller.hook:
        return None
    from cirrus_bridge.statusd.notify.hook import Hook, check_owner  # the poller stays small

    check_owner(configuration.folder / "bridge.toml")
    hook = Hook(configuration.poller.hook, environ, Complaint("hook-failed", log, clock))
    return BackgroundWorker("hook-late", hook, log, clock)


def _tell(hook: BackgroundWorker | None, change: Change) -> None:
    log(change)
    if hook is not None:
        hook(change)


def _finish(hook: BackgroundWorker | None, clock: Clock) -> None:
    """Run the hook for the remaining changes, but only briefly if a signal stops the program."""
    if hook is None:
        return
    wait_s = END_WAIT_S
    with contextlib.suppress(Interrupted), clock.stoppable():
        hook.finish(ONCE_WAIT_S)
        wait_s = 0.0
    hook.close(wait_s)


def _serve_metrics(port: int, state: Path, clock: Clock) -> Metrics | None:
    """Serve the metrics of an open journal on a port, unless `port` is 0.

    Raises:
        BadConfiguration: the package prometheus_client is not installed.
    """
    if not port:
        return None
    try:
        from cirrus_bridge.journal.statistics import StatisticsReader
        from cirrus_bridge.statusd.notify.metrics import Metrics
        from cirrus_bridge.statusd.notify.metrics_server import serve_metrics
    except ModuleNotFoundError as error:
        raise BadConfiguration(
            tr(
                "metrics_port below [statusd] in bridge.toml needs the Python package {package}.",
                package=error.name,
            ),
            tr("Run: pip install 'cirrus-bridge[metrics]', or set metrics_port to 0."),
        ) from error
    metrics = Metrics(StatisticsReader(state), clock)
    try:
        serve_metrics(port, metrics)
    except BadConfiguration as error:  # any user of this machine can occupy the port
        log(Change("metrics-off", f"{error} ({error.code})", WARNING))
    return metrics


@functools.cache
def _level_mark(level: int) -> str:
    """The prefix that tells journald the level of a line, see sd-daemon(3)."""
    return f"<{level}>" if "JOURNAL_STREAM" in os.environ else ""


def log(change: Change) -> None:
    """Write a change to standard error, as one line."""
    sys.stderr.write(f"{_level_mark(change.level)}{change.line}\n")
    sys.stderr.flush()
