"""The delivery worker: it delivers jobs of online locations to their devices.

Several devices are served at once, each with one job at a time, in order. Each company has its own
number of deliveries at once, because a command may take minutes. After a crash, an
interrupted file delivery is repeated, and finds its own file if that was complete. An interrupted
command or print is NOT repeated, because it may have had its effect: the job waits for
`job retry`, with a message.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from cirrus_cloudlet.delivery import folders, printer, ways
from cirrus_cloudlet.delivery.texts import in_charset_of
from cirrus_cloudlet.inventory.file import InventoryFile
from cirrus_cloudlet.inventory.inventory import DELIVERY_FOLDER, Device, DeviceType
from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.jobs import Job, Step, select_jobs

log = logging.getLogger(__name__)
_POLL_S = 0.2  # commands in other processes change jobs and locations without notice
_AT_ONCE = 16  # of one company
_CLEANING_EVERY_S = 3600.0
_BACKOFF_S = (1.0, 2.0, 5.0, 15.0)
_OLDEST_READY = (
    "WHERE job.sequence IN (SELECT min(sequence) FROM job"
    " WHERE step = 'ready' GROUP BY company, location, device)"
    " AND job.due <= ? ORDER BY job.sequence"
)
_WAYS: Mapping[DeviceType, Callable[[ways.Delivery], str]] = {
    DeviceType.FILE: folders.deliver_file,
    DeviceType.PRINTER: printer.deliver_printer,
    DeviceType.COMMAND: ways.deliver_command,
}


class _Queue:
    """The worker's view of the jobs: which are due, and how each delivery ended.

    Every change names the step that the job has to be in, so the worker never overwrites a
    person's delete, save or retry. Order is kept per device: only its oldest ready job is due.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def list_due(self) -> list[Job]:
        """List the oldest ready job of each device, unless its next attempt is later."""
        return select_jobs(self._store, _OLDEST_READY, time.time())

    def list_aimed(self) -> list[Job]:
        """List the jobs whose delivery into a folder was begun and is not known to be complete."""
        conditions = "WHERE job.delivered_path IS NOT NULL AND job.delivered IS NULL"
        return select_jobs(self._store, conditions)

    def list_interrupted(self) -> list[Job]:
        """List the jobs whose delivery was running when the server ended."""
        return select_jobs(self._store, "WHERE job.step = 'running'")

    def begin(self, job: Job) -> bool:
        """Mark a job as received and its delivery as running; False if it is no longer ready."""
        begun = self._store.execute(
            "UPDATE job SET state = 1, step = 'running', attempts = attempts + 1,"
            " received = coalesce(received, ?1), updated = ?1"
            " WHERE id = ?2 AND step = 'ready' AND due <= ?1 RETURNING 1",
            *(time.time(), job.id),
        )
        return bool(begun)

    def aim(self, job: Job, target: str, path: str | None) -> None:
        """Record a delivery's target before anything is sent there."""
        self._store.execute(
            "UPDATE job SET target = ?, delivered_path = ? WHERE id = ?", target, path, job.id
        )

    def finish(self, job: Job, message: str) -> None:
        self._store.execute(
            "UPDATE job SET state = 2, step = 'done', message = ?1, delivered = ?2, updated = ?2"
            " WHERE id = ?3 AND step = 'running'",
            *(message, time.time(), job.id),
        )

    def fail(self, job: Job, message: str, *, again: bool) -> None:
        """Record a failed attempt: retry the job a few times if `again`, else hold it.

        The message begins with `Error:`, like the API's errors. Clients recognize an error by that.
        """
        message = f"Error: {message}"
        if not again:
            self.rest(job, Step.HELD, message)
        elif job.attempts < len(_BACKOFF_S):
            self.rest(job, Step.READY, message, time.time() + _BACKOFF_S[job.attempts])
        else:
            message += f" (gave up after {job.attempts + 1} attempts); {ways.RETRY_ADVICE}"
            self.rest(job, Step.HELD, message)

    def rest(self, job: Job, step: Step, message: str = "", due: float = 0.0) -> None:
        """Leave the job received: ready for another delivery, or held until a person decides."""
        self._store.execute(
            "UPDATE job SET step = ?, message = ?, due = ?, updated = ?"
            " WHERE id = ? AND step = 'running'",
            *(step, message, due, time.time(), job.id),
        )


class Worker:
    """Deliveries of one data folder, in threads of their own, from `start` to `stop`."""

    def __init__(
        self,
        store: Store,
        inventory: InventoryFile,
        document_path: Callable[[str], Path],
        folder: Path,
        clean: Callable[[], None],
    ) -> None:
        self._queue = _Queue(store)
        self._inventory = inventory
        self._document_path = document_path
        self._folder = folder / DELIVERY_FOLDER
        self._clean = clean
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._busy: set[tuple[str, str, str]] = set()
        self._busy_lock = threading.Lock()
        # all threads are daemons: a printer that hangs must not keep the server from stopping
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Hold or repeat the interrupted deliveries, then start delivering."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        inventory = self._inventory.current()
        for job in self._queue.list_interrupted():
            _, device = inventory.find(job.company, job.location, job.device)
            if device and device.type in (DeviceType.COMMAND, DeviceType.PRINTER):
                why = f"interrupted during the delivery; {ways.RETRY_ADVICE}"
                self._queue.fail(job, why, again=False)
            else:
                self._queue.rest(job, Step.READY)
        self._thread.start()

    def notice(self) -> None:
        """Look for due jobs at once."""
        self._wake.set()

    def stop(self, wait_s: float) -> None:
        """Begin no more deliveries, and wait at most `wait_s` seconds for running ones."""
        self._stopping.set()
        self._wake.set()
        until = time.monotonic() + wait_s
        self._thread.join(wait_s)
        while self._busy and time.monotonic() < until:
            time.sleep(0.02)

    def _run(self) -> None:
        for job in self._queue.list_aimed():
            folders.remove_leftover(job)
        next_cleaning = 0.0
        while not self._stopping.is_set():
            try:
                if time.monotonic() >= next_cleaning:
                    next_cleaning = time.monotonic() + _CLEANING_EVERY_S
                    self._clean()
                self._round()
            except Exception:  # a full disk may have room in the next round
                log.exception("a round of the delivery worker failed")
            self._wake.wait(_POLL_S)
            self._wake.clear()

    def _round(self) -> None:
        inventory = self._inventory.current()
        for job in self._queue.list_due():
            where = (job.company, job.location, job.device)
            location, device = inventory.find(*where)
            if not location or not location.online or location.inactive:
                continue
            if not device or device.inactive:
                continue
            with self._busy_lock:
                company_busy = sum(company == job.company for company, _, _ in self._busy)
                if where in self._busy or company_busy >= _AT_ONCE or self._stopping.is_set():
                    continue
                self._busy.add(where)
            threading.Thread(target=self._deliver, args=(job, device), daemon=True).start()

    def _deliver(self, job: Job, device: Device) -> None:
        try:
            if self._queue.begin(job):
                self._deliver_begun(job, device)
        except Exception:
            log.exception("job %s could not be delivered", job.id)
        finally:
            with self._busy_lock:
                self._busy.discard((job.company, job.location, job.device))
            self._wake.set()

    def _deliver_begun(self, job: Job, device: Device) -> None:
        way = _WAYS.get(device.type)
        if way is None:  # a viewer: a browser user saves, trashes or deletes the job
            self._queue.aim(job, device.target, None)
            self._queue.rest(job, Step.HELD)
            return
        try:
            with in_charset_of(device, job, self._document_path(job.document)) as document:
                delivery = ways.Delivery(
                    job=job,
                    device=device,
                    document=document,
                    props={**device.props, **job.props},
                    folder=self._folder,
                    aim=functools.partial(self._queue.aim, job),
                    stopping=self._stopping.is_set,
                )
                message = way(delivery)
        except ways.DeliveryFault as error:
            log.warning("job %s: %s", job.id, error)
            self._queue.fail(job, str(error), again=error.again)
        except Exception as error:
            log.exception("job %s", job.id)
            self._queue.fail(job, f"delivery failed: {error}; {ways.RETRY_ADVICE}", again=False)
        else:
            self._queue.finish(job, message)
