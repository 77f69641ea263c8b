"""The delivery worker: it delivers jobs of online locations to their devices.

Several devices are served at once, each with one job at a time, in order. Each company has its own
number of deliveries at once, because a command may take minutes. After a crash, an
interrupted file delivery is repeated, and finds its own file if that was complete. An interrupted
command or print is NOT repeated, because it may have had its effect: the job waits for
`job retry`, with a message. The jobs of a location with clients are offered to those clients.
"""

from __future__ import annotations

import functools
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from cirrus_cloudlet.delivery import folders, ways
from cirrus_cloudlet.delivery.kinds import deliver, waits_for_a_person
from cirrus_cloudlet.delivery.queue import AWAY_S, Place, Queue, Ready
from cirrus_cloudlet.errors import QuotaFull
from cirrus_cloudlet.inventory.file import InventoryFile
from cirrus_cloudlet.inventory.inventory import (
    DELIVERY_FOLDER,
    Device,
    DeviceType,
    Inventory,
    Location,
)
from cirrus_cloudlet.storage.engine import ConnectionLost, DatabaseFault
from cirrus_cloudlet.storage.jobs import Job, Step

log = logging.getLogger(__name__)
_POLL_S = 0.2  # commands in other processes change jobs and locations without notice
_AT_ONCE = 16  # of one company
_CLEANING_EVERY_S = 3600.0
_SWEEPING_EVERY_S = 30.0


class Worker:
    """Deliveries of one data folder, in threads of their own, from `start` to `stop`.

    Args:
        offer: gets each place whose job is due and is left to the clients of its location.
        sweep: takes jobs from clients that are silent.
        clean: removes what is old.
    """

    def __init__(
        self,
        queue: Queue,
        inventory: InventoryFile,
        document_path: Callable[[str], Path],
        folder: Path,
        *,
        offer: Callable[[Place], None],
        sweep: Callable[[], None],
        clean: Callable[[], None],
    ) -> None:
        self._queue = queue
        self._inventory = inventory
        self._document_path = document_path
        self._folder = folder / DELIVERY_FOLDER
        self._offer = offer
        self._sweep = sweep
        self._clean = clean
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._busy: set[Place] = set()
        # dicts keep an order: who waits longest comes first
        self._noticed: dict[Place, None] = {}  # look there at once
        self._postponed: dict[Place, None] = {}  # look there after a delivery of the company
        self._seen: tuple[int, Inventory] | None = None  # when it last looked everywhere
        self._next_due = 0.0
        # all threads are daemons: a printer that hangs must not keep the server from stopping
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Hold or repeat the interrupted deliveries, then start delivering."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        inventory = self._inventory.current()
        for job in self._queue.list_interrupted():
            _, device = inventory.find(job.company, job.location, job.device)
            if device and device.type in (DeviceType.COMMAND, DeviceType.PRINTER):
                why = f"interrupted during the delivery; {ways.JOB_WAITS}"
                self._queue.fail(job, why, again=False)
            else:
                self._queue.rest(job, Step.READY)
        self._thread.start()

    def notice(self, places: Iterable[Place]) -> None:
        """Look for jobs for these devices at once."""
        with self._lock:
            self._noticed.update(dict.fromkeys(places))
        if not self._wake.is_set():
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
        with self._queue.watch() as version:
            self._do_rounds(version)

    def _do_rounds(self, version: Callable[[], int]) -> None:
        """Look for jobs until the server stops. `version` changes with each change of a job."""
        next_cleaning = next_sweeping = next_poll = 0.0
        while not self._stopping.is_set():
            try:
                if time.monotonic() >= next_cleaning:
                    next_cleaning = time.monotonic() + _CLEANING_EVERY_S
                    self._clean()
                if time.monotonic() >= next_sweeping:
                    next_sweeping = time.monotonic() + _SWEEPING_EVERY_S
                    self._sweep()
                if time.monotonic() >= next_poll:
                    next_poll = time.monotonic() + _POLL_S
                    self._poll(version())
                with self._lock:
                    noticed, self._noticed = self._noticed, {}
                for place in noticed:
                    self._begin(place)
            except ConnectionLost as lost:
                log.error("deliveries wait for the database (%s)", lost)
                self._seen = None
                self._stopping.wait(AWAY_S)
            except Exception:  # a full disk may have room in the next round
                log.exception("a round of the delivery worker failed")
                self._seen = None
            self._wake.wait(max(0.0, next_poll - time.monotonic()))
            self._wake.clear()

    def _poll(self, version: int) -> None:
        """Look everywhere, if something has changed since."""
        seen = (version, self._inventory.current())
        if seen == self._seen and time.time() < self._next_due:
            return
        self._next_due = math.inf
        for ready in self._queue.list_ready():
            self._begin_ready(ready)
        self._seen = seen

    def _begin(self, place: Place) -> None:
        if self._find(place):
            for ready in self._queue.list_ready(place):
                self._begin_ready(ready)

    def _begin_ready(self, ready: Ready) -> None:
        found = self._find(ready.place)
        if not found:
            return
        if ready.due > time.time():
            self._next_due = min(self._next_due, ready.due)
            return
        (location, device), place = found, ready.place
        if location.leaves_to_clients(device):
            self._offer(place)
            return
        with self._lock:
            company_busy = sum(each.company == place.company for each in self._busy)
            if place in self._busy or company_busy >= _AT_ONCE or self._stopping.is_set():
                self._postponed[place] = None
                return
            self._busy.add(place)
        threading.Thread(target=self._deliver, args=(ready, device), daemon=True).start()

    def _find(self, place: Place) -> tuple[Location, Device] | None:
        """The location and the device of a place, if the device takes jobs now."""
        location, device = self._inventory.current().find(*place)
        if not location or not location.online or location.inactive:
            return None
        return (location, device) if device and not device.inactive else None

    def _deliver(self, ready: Ready, device: Device) -> None:
        place = ready.place
        try:
            if job := self._queue.begin(ready):
                self._deliver_begun(job, device)
        except DatabaseFault as fault:
            log.error("job %s waits for the database (%s)", ready.id, fault)
        except Exception:
            log.exception("job %s could not be delivered", ready.id)
        finally:
            with self._lock:
                self._busy.discard(place)
                postponed = [each for each in self._postponed if each.company == place.company]
                for each in postponed:
                    del self._postponed[each]
            self.notice([*postponed, place])

    def _deliver_begun(self, job: Job, device: Device) -> None:
        try:
            if waits_for_a_person(device):
                self._queue.aim(job, device.target, None)
                self._queue.rest(job, Step.HELD)
                return
            message = deliver(
                job,
                device,
                self._document_path(job.document),
                self._folder,
                functools.partial(self._queue.aim, job),
                self._stopping.is_set,
            )
        except QuotaFull as full:
            advice = f"waiting until documents are moved out of {self._folder}"
            self._queue.wait(job, f"the delivery folder is full ({full}); {advice}")
        except DatabaseFault as fault:  # before anything was sent
            self._queue.fail(job, f"the database was away ({fault})", again=True)
        except ways.DeliveryFault as error:
            log.warning("job %s: %s", job.id, error)
            self._queue.fail(job, str(error), again=error.again)
        except Exception as error:
            log.exception("job %s", job.id)
            self._queue.fail(job, f"delivery failed: {error}; {ways.JOB_WAITS}", again=False)
        else:
            self._queue.finish(job, message)
