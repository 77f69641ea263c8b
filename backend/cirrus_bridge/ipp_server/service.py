"""The service: it ties printers, spool, runs and the poller together in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.model import DocumentKey, Place
from cirrus_bridge.base.translation import tr
from cirrus_bridge.config.defaults import OFFLINE_REASON
from cirrus_bridge.config.printers import PrinterSettings
from cirrus_bridge.delivery.tracking import TrackedDelivery
from cirrus_bridge.drivers.offered_printers import OfferedPrinter
from cirrus_bridge.ipp.message import JobState, PrinterState
from cirrus_bridge.ipp.values import Value
from cirrus_bridge.ipp_server.answering import PrinterStatus
from cirrus_bridge.ipp_server.device_list import FoundPrinters
from cirrus_bridge.ipp_server.dispatcher import Dispatcher
from cirrus_bridge.ipp_server.documents.formats import supported
from cirrus_bridge.ipp_server.job_processes import JobProcesses
from cirrus_bridge.ipp_server.outcomes import IN_DEVICE, outcome_of
from cirrus_bridge.ipp_server.printer_attributes import PrinterUri, ServiceFacts, description
from cirrus_bridge.ipp_server.printer_strings import FILE
from cirrus_bridge.ipp_server.rare_lines import RareLines
from cirrus_bridge.ipp_server.requests import Client
from cirrus_bridge.ipp_server.spool import SPOOL_FAULTS, Spool, SpooledJob

REFRESH_S = 60.0
SPOOL_FAULT_S = 3.0  # before the spool is used again
PRUNE_S, DAY_S = 3600.0, 86_400.0
KEEP_S = 7 * 86_400.0  # ended jobs, for clients that ask
MOST_KEPT = 10_000
MOST_DESCRIBED = 1000  # descriptions of printers, which differ by the name of the host
ICON_PIXELS = (48, 128, 512)
_BUSY = (JobState.PROCESSING, JobState.PROCESSING_STOPPED)
AWAY = tr("The print server cannot reach the cloud now. Jobs wait, and print later.")
_log = logging.getLogger(__name__)


@dataclass
class PrinterService:
    """The service (`answering.Service`). Methods without `async` may be called in any thread.

    Attributes:
        find: finds the printers; called in a thread, every REFRESH_S.
        announce: takes the printers after each change of them; called in a thread.
        each_day: called in a thread once a day.
    """

    settings: PrinterSettings
    spool: Spool
    processes: JobProcesses
    clock: Clock
    find: Callable[[], FoundPrinters]
    announce: Callable[[Sequence[OfferedPrinter]], None]
    each_day: Callable[[], None]
    printers: Mapping[str, OfferedPrinter] = field(default_factory=dict)
    config_changed_s: float = 0.0
    _described: dict[tuple[str, str, bool, bool], Mapping[str, Sequence[Value]]] = field(
        default_factory=dict
    )
    _troubles: Mapping[str, str] = field(default_factory=dict)
    _away: frozenset[Place] = frozenset()
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _changed_s: dict[str, tuple[PrinterState, float]] = field(default_factory=dict)
    _rare: RareLines = field(default_factory=lambda: RareLines(_log))

    def __post_init__(self) -> None:
        self._dispatcher = Dispatcher(self.spool, self.processes, self.clock)
        self._loop = asyncio.get_running_loop()
        self._failure: asyncio.Future[None] = self._loop.create_future()

    # --- what operations need

    @property
    def most_jobs(self) -> int:
        """The most jobs that have not ended."""
        return self.settings.max_jobs

    def now_s(self) -> float:
        """Seconds since the epoch."""
        return self.clock.wall_s()

    def formats(self, printer: OfferedPrinter) -> Sequence[str]:
        """The document formats that a printer takes."""
        return supported(printer.formats)

    def description(self, printer: OfferedPrinter, client: Client) -> Mapping[str, Sequence[Value]]:
        """The attributes of a printer that do not change by themselves."""
        key = (printer.name, client.host, client.is_tls, client.is_local)
        found = self._described.get(key)
        if found is None:
            if len(self._described) >= MOST_DESCRIBED:
                self._described.clear()
            found = self._described[key] = description(printer, self._facts(printer, client))
        return found

    def _facts(self, printer: OfferedPrinter, client: Client) -> ServiceFacts:
        settings = self.settings
        name = "basic" if settings.sign_in else "requesting-user-name"
        plain_name = "none" if settings.sign_in else name
        uris = []
        if settings.tls_port:
            base = f"ipps://{client.host}:{settings.tls_port}"
            uris.append(PrinterUri(base + printer.path, "tls", name))
        if settings.port and (client.is_local or settings.plaintext):
            base = f"ipp://{client.host}:{settings.port}"
            uris.append(PrinterUri(base + printer.path, "none", plain_name))
        page = f"{client.base_uri.replace('ipp', 'http', 1)}{printer.path}"
        return ServiceFacts(
            uris=uris,
            more_info=page,
            icons=[f"{page}/icon-{size}.png" for size in ICON_PIXELS],
            strings_uri=f"{page}/{FILE}",
            document_formats=self.formats(printer),
            max_document_bytes=settings.max_document_bytes,
        )

    def status(self, printer: OfferedPrinter) -> PrinterStatus:
        """The state of a printer, which changes."""
        jobs = self.spool.open_jobs(printer.name, brief=True)
        is_busy = any(job.state in _BUSY and IN_DEVICE not in job.reasons for job in jobs)
        state = PrinterState.PROCESSING if is_busy else PrinterState.IDLE
        with self._lock:
            before = self._changed_s.get(printer.name)
            if before is None or before[0] is not state:
                self._changed_s[printer.name] = before = (state, self.now_s())
        message = self._trouble_at(printer.place)
        reasons = [OFFLINE_REASON] if message else []
        is_away = printer.place in self._away
        if is_away or any(job.state is JobState.PROCESSING_STOPPED for job in jobs):
            reasons.append("connecting-to-device")
            message = message or AWAY
        return PrinterStatus(state, tuple(reasons), message, before[1])

    def _trouble_at(self, place: Place) -> str:
        """The reason why a place takes no jobs now, for people; empty if the place takes jobs."""
        printers = self.printers
        texts = (
            text
            for name, text in self._troubles.items()
            if name in printers and printers[name].place == place
        )
        return next(texts, "")

    def wake(self) -> None:
        """Start the runs that are due."""
        self._loop.call_soon_threadsafe(self._woken.set)

    def cancel(self, job: SpooledJob) -> bool:
        """Cancel a job; False if the cloud has the job."""
        with self._lock:
            current = self.spool.get(job.job_id)
            is_canceled = current is not None and self._dispatcher.cancel(current)
        self.wake()
        return is_canceled

    def identify(self, printer: OfferedPrinter, message: str, client: Client) -> None:
        """Tell the administrator that someone looks for a printer: a cloud device cannot beep."""
        text = f"event=identify printer={printer.name} client={client.address} message={message!r}"
        self._rare.log(logging.INFO, f"identify {printer.name}", text)

    # --- the work besides requests

    async def work(self) -> None:
        """Run jobs until this task is canceled. Raises the error given to `fail`."""
        with self._lock:
            self._dispatcher.begin()
        self._loop.add_reader(self.processes.socket, self._hear)
        try:
            await asyncio.gather(
                self._refresh(),
                self._run_jobs(),
                self._prune(),
                self._work_each_day(),
                self._failure,
            )
        finally:
            self._loop.remove_reader(self.processes.socket)

    async def _run_jobs(self) -> None:
        while True:
            self._woken.clear()
            try:
                with self._lock:
                    wait_s = self._dispatcher.step()
            except SPOOL_FAULTS as error:  # such as a full disk
                self._rare.log(logging.ERROR, "spool", f"the spool cannot be used: {error}")
                await asyncio.sleep(SPOOL_FAULT_S)
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), wait_s)

    async def _refresh(self) -> None:
        while True:
            try:
                found = await asyncio.to_thread(self.find)
            except Exception as error:  # noqa: BLE001 - the printers stay as they are
                _log.warning("cannot look for devices: %s", error)
            else:
                self._away = found.away
                if found.printers != self.printers:
                    self.printers, self.config_changed_s = found.printers, self.now_s()
                    self._described = {}
                    await asyncio.to_thread(self.announce, list(found.printers.values()))
            await asyncio.sleep(REFRESH_S)

    async def _prune(self) -> None:
        while True:
            before_s = self.now_s() - KEEP_S
            with contextlib.suppress(*SPOOL_FAULTS):  # the next time will do
                await asyncio.to_thread(self.spool.prune, before_s, MOST_KEPT)
            await asyncio.sleep(PRUNE_S)

    async def _work_each_day(self) -> None:
        while True:
            await asyncio.sleep(DAY_S)
            await asyncio.to_thread(self.each_day)

    def end(self) -> None:
        """Stop all runs, and keep what they tell."""
        with self._lock:
            self._dispatcher.heard(self.processes.close())
            try:
                self._dispatcher.take_news()
            except SPOOL_FAULTS as error:  # the runs are repeated
                _log.error("the spool cannot be used: %s", error)

    def fail(self, error: BaseException) -> None:
        """End the work with an error: a part of the service cannot go on."""

        def end() -> None:
            if not self._failure.done():
                self._failure.set_exception(error)

        self._loop.call_soon_threadsafe(end)

    def _hear(self) -> None:
        try:
            news = self.processes.news()
        except EOFError as error:
            self._loop.remove_reader(self.processes.socket)
            self.fail(error)
            return
        with self._lock:
            self._dispatcher.heard(news)
        self._woken.set()

    def changed(
        self, key: DocumentKey, targets: Sequence[TrackedDelivery], *, settled: bool
    ) -> None:
        """Take the poller's news of a document."""
        job = self.spool.get(key.job_id)
        if job is None or job.job_uuid != key.job_uuid:
            return  # pruned, or of a spool that was deleted
        with self._lock:
            self._dispatcher.outcome(key.job_id, outcome_of(targets))
        self.wake()

    def take_troubles(self, troubles: Mapping[str, str]) -> None:
        """Take the printers whose jobs the cloud does not take now, with texts for people."""
        self._troubles = troubles
