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
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import BadConfiguration, CirrusError, Interrupted, JournalReplaced
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.defaults import CUPS_SOCKET, STATE_FOLDER
from cirrus_bridge.cups.client import CupsServer
from cirrus_bridge.cups.cupsd import ALONE, find_cupsd, snap_notice
from cirrus_bridge.cups.queues import CupsQueues
from cirrus_bridge.delivery.events import INFO, NOTICE, WARNING, Change
from cirrus_bridge.delivery.tracking import TrackedDelivery
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.polling.availability import Availability
from cirrus_bridge.polling.configuration import ConfigurationReader
from cirrus_bridge.polling.log import LimitedLog
from cirrus_bridge.polling.log import write as log
from cirrus_bridge.polling.poller import Poller
from cirrus_bridge.polling.schedule import Schedule
from cirrus_bridge.polling.watched import WatchedDocuments
from cirrus_bridge.statusd.completion import JobCompletion
from cirrus_bridge.statusd.cups_sync import CupsSync
from cirrus_bridge.statusd.leaving import leave
from cirrus_bridge.statusd.orphans import Orphans
from cirrus_bridge.statusd.outages import Outages
from cirrus_bridge.statusd.status_messages import StatusMessages
from cirrus_bridge.version import __version__

if TYPE_CHECKING:
    from cirrus_bridge.polling.metrics import Metrics
    from cirrus_bridge.statusd.notify.hook import BackgroundWorker

REOPEN_S = 0.5
TURN_S = 0.5
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
    parser.add_argument(
        "--leave", action="store_true", help="settle held jobs before Cirrus Bridge is removed"
    )
    parser.add_argument("--version", action="version", version=f"cirrus-bridge {__version__}")
    arguments = parser.parse_args()
    clock = Clock()
    clock.watch_signals()
    status = 1
    try:
        if arguments.leave:
            _leave(os.environ, clock)
        else:
            _Program(os.environ, clock, once=arguments.once).run()
        status = 0
    except CirrusError as error:
        log(Change("failed", f"{error} ({error.code}) {error.detail}".strip(), WARNING))
    except Exception:  # noqa: BLE001 - the last resort: a line to search for, besides the traceback
        sys.stderr.write(traceback.format_exc())
        log(Change("failed", "Internal error in cirrus-statusd (CB-900)", WARNING))
    sys.stderr.flush()
    os._exit(status)  # without waiting for threads that wait for a server


def _leave(environ: Mapping[str, str], clock: Clock) -> None:
    state = Path(environ.get("CIRRUS_BRIDGE_STATE") or STATE_FOLDER)
    if not (state / "journal.db").exists():
        return  # nothing was printed yet
    with PollerJournal(state) as journal:
        # a poller that somebody starts waits, and lets no run send meanwhile
        is_only = journal.take_over(f"{socket.gethostname()}:{os.getpid()}", now_s=clock.wall_s())
        cups = CupsQueues(CupsServer(environ.get("CUPS_SERVER") or CUPS_SOCKET))
        for line in leave(journal, cups, clock):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
        if is_only:
            journal.leave()


class _Program:
    """One run of the program."""

    def __init__(self, environ: Mapping[str, str], clock: Clock, *, once: bool) -> None:
        self._reader = ConfigurationReader(environ, clock)
        self._settings = self._reader.configuration.poller
        self._clock = clock
        self._log = LimitedLog(clock)
        self._once = once
        self._state = Path(environ.get("CIRRUS_BRIDGE_STATE") or STATE_FOLDER)
        self._cupsd = environ.get("CUPS_SERVER") or CUPS_SOCKET
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        for setting in self._reader.configuration.removed:
            log(Change("setting-removed", _REMOVED.format(name=setting), WARNING))
        self._hook = self._start_hook(environ)

    def run(self) -> None:
        """Follow the journal; if it is deleted or replaced, follow the next one."""
        while True:
            try:
                with PollerJournal(self._state) as journal:
                    if self._take_turn(journal):
                        self._follow(journal)
                break
            except JournalReplaced as error:
                self._tell(Change("journal-replaced", f"{error} ({error.code})", WARNING))
            self._clock.sleep(REOPEN_S)
        if self._hook is None:
            return
        # a signal that stops the program leaves the hook only a little time
        with contextlib.suppress(Interrupted), self._clock.stoppable():
            self._hook.close(ONCE_WAIT_S)
            return
        self._hook.close(END_WAIT_S)

    def _start_hook(self, environ: Mapping[str, str]) -> BackgroundWorker | None:
        """Start the hook of bridge.toml, if there is one; its own trouble goes to the log only."""
        if not self._settings.hook:
            return None
        from cirrus_bridge.statusd.notify import hook  # the poller stays small

        hook.check_owner(self._reader.configuration.folder / "bridge.toml")
        failed = hook.Complaint("hook-failed", log, self._clock)
        act = functools.partial(hook.run_hook, self._settings.hook, environ, failed)
        return hook.BackgroundWorker(act, log, self._clock)

    def _tell(self, change: Change) -> None:
        self._log(change)
        if self._hook is not None:
            self._hook(change)

    def _take_turn(self, journal: PollerJournal) -> bool:
        """Become the journal's only poller; return False if another poller stays, or this poller is
        stopped while it waits."""
        with contextlib.suppress(Interrupted), self._clock.stoppable():
            if journal.take_over(self._name, now_s=self._clock.wall_s()):
                return True
            first = journal.last_sign()
            name_of_first = f" ({first.name})" if first else ""
            then = "nothing to do" if self._once else "waiting for it to end"
            text = f"another cirrus-statusd{name_of_first} follows the jobs; {then}"
            self._tell(Change("second", text, NOTICE))
            while not self._once:
                self._clock.sleep(TURN_S)
                if journal.take_over(self._name, now_s=self._clock.wall_s()):
                    return True
        return False

    def _follow(self, journal: PollerJournal) -> None:
        """Follow the journal's documents, as its only poller."""
        journal.check()
        journal.let_runs_be_last(are_last=False)
        poller = self._new_poller(journal)
        self._tell(Change("started", f"cirrus-bridge {__version__}, as {self._name}", INFO))
        if snap_notice() == ALONE:
            self._tell(Change("cups-in-snap", ALONE.text, WARNING))
        if self._once:
            poller.run_once()
        else:
            poller.run()
        journal.leave()
        self._log.close()
        left = len(poller.watch_list)
        self._tell(Change("ended", f"{left} documents remain for the next poller"))

    def _new_poller(self, journal: PollerJournal) -> Poller:
        clock, tell, metrics, reader = self._clock, self._tell, self._metrics, self._reader
        cups = CupsQueues(CupsServer(self._cupsd))
        rng = random.Random()  # noqa: S311 - jitter, no secret
        schedule = Schedule[TrackedDelivery](rng, self._settings.requests_per_minute)
        watch_list = WatchedDocuments(schedule, reader.queue_of)
        completion = JobCompletion(journal, cups, clock, tell)
        max_hold_s = find_cupsd(self._cupsd).seconds("MaxHoldTime", yes_s=0.0, default_s=0.0)
        outages = Outages(journal, cups, clock, tell, reader.queue_of, reader.api_of, max_hold_s)
        availability = Availability()
        messages = StatusMessages(
            *(journal, cups, clock, completion, tell, watch_list, availability, outages.notices)
        )
        return Poller(
            journal=journal,
            clock=clock,
            publisher=CupsSync(
                clock,
                messages,
                Orphans(journal, cups, clock, tell, str(self._state)),
                self._settings.orphan_after_s,
                outages,
                tell,
                watch_list,
            ),
            availability=availability,
            settings=self._settings,
            status_of=metrics.counted(reader.status_of) if metrics else reader.status_of,
            tell=tell,
            watch_list=watch_list,
            at_work=metrics.last_sign.set if metrics else None,
        )

    @functools.cached_property
    def _metrics(self) -> Metrics | None:
        """The metrics of an open journal, served on a port, if bridge.toml sets one."""
        if self._once or not self._settings.metrics_port:
            return None
        try:
            from cirrus_bridge.journal.statistics import StatisticsReader
            from cirrus_bridge.polling.metrics import Metrics, serve_metrics
        except ModuleNotFoundError as error:
            raise BadConfiguration(
                tr(
                    "metrics_port below [statusd] in bridge.toml needs the Python package "
                    "{package}.",
                    package=error.name,
                ),
                tr("Run: pip install 'cirrus-bridge[metrics]', or set metrics_port to 0."),
            ) from error
        metrics = Metrics(StatisticsReader(self._state), self._clock)
        try:
            serve_metrics(self._settings.metrics_port, metrics)
        except BadConfiguration as error:  # any user of this machine can occupy the port
            log(Change("metrics-off", f"{error} ({error.code})", WARNING))
        return metrics
