"""The delivery worker: it delivers jobs of online locations to their devices.

Several devices are served at once, each with one job at a time, in order. A crash loses nothing:

* An interrupted file delivery is repeated, and finds its own file if that was complete.
* An interrupted command or print is NOT repeated, because it may have had its effect. The job
  waits for `job retry`, with a message.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from cirrus_cloudlet.delivery.command import deliver_command
from cirrus_cloudlet.delivery.delivery import Delivery, DeliveryFault
from cirrus_cloudlet.delivery.folder import deliver_file
from cirrus_cloudlet.delivery.printer import deliver_printer
from cirrus_cloudlet.delivery.queue import RETRY_ADVICE, DeliveryQueue
from cirrus_cloudlet.inventory.file import InventoryFile
from cirrus_cloudlet.inventory.inventory import Device, DeviceType
from cirrus_cloudlet.storage.jobs import Job, Step

log = logging.getLogger(__name__)
_POLL_S = 0.2  # commands in other processes change jobs and locations without notice
_AT_ONCE = 16
_CLEANING_EVERY_S = 3600.0
_WAYS: Mapping[DeviceType, Callable[[Delivery], str]] = {
    DeviceType.FILE: deliver_file,
    DeviceType.PRINTER: deliver_printer,
    DeviceType.COMMAND: deliver_command,
}


class Worker:
    """Deliveries of one data folder, in threads of their own, from `start` to `stop`."""

    def __init__(
        self,
        queue: DeliveryQueue,
        inventory: InventoryFile,
        document_path: Callable[[str], Path],
        folder: Path,
        clean: Callable[[], None],
    ) -> None:
        self._queue = queue
        self._inventory = inventory
        self._document_path = document_path
        self._folder = folder / "delivered"
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
                why = f"interrupted during the delivery; {RETRY_ADVICE}"
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
                if where in self._busy or len(self._busy) >= _AT_ONCE or self._stopping.is_set():
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
        delivery = Delivery(
            job=job,
            device=device,
            document=self._document_path(job.document),
            props={**device.props, **job.props},
            folder=self._folder,
            aim=functools.partial(self._queue.aim, job),
            stopping=self._stopping.is_set,
        )
        try:
            message = way(delivery)
        except DeliveryFault as error:
            log.warning("job %s: %s", job.id, error)
            self._queue.fail(job, str(error), again=error.again)
        except Exception as error:
            log.exception("job %s", job.id)
            self._queue.fail(job, f"delivery failed: {error}; {RETRY_ADVICE}", again=False)
        else:
            self._queue.finish(job, message)
