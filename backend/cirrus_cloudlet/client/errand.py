"""An errand: one claimed job, from the server to its device and back to the server.

The order of effects: fetch the document → on disk → journal → report as received → the server
confirms the claim → journal → deliver → journal → report → forget. Each request is repeated until
the server answers. So the job is printed once, whenever the client or the line breaks. If the
client dies during a delivery, a file is written once all the same, and a printer is asked for the
job. Otherwise the job is held, and a person decides.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import random
import threading
import time
from collections.abc import Callable

from cirrus_cloudlet.client import policy
from cirrus_cloudlet.client.connection import ClaimOver, Connection, ServerAway, ServerRefusal
from cirrus_cloudlet.client.journal import Entry, Journal, Step
from cirrus_cloudlet.client.settings import Settings
from cirrus_cloudlet.client.spool import Spool, WrongDocument
from cirrus_cloudlet.client.told import device_of, job_of
from cirrus_cloudlet.delivery import printer
from cirrus_cloudlet.delivery.kinds import deliver
from cirrus_cloudlet.delivery.ways import JOB_WAITS, DeliveryFault
from cirrus_cloudlet.inventory.inventory import DELIVERY_FOLDER, DeviceType

log = logging.getLogger(__name__)
_WAITS_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_PROGRESS_EVERY_S = 15.0
_INTERRUPTED = f"interrupted during the delivery; {JOB_WAITS}"


class Stopped(Exception):
    """The client stops; the errand continues at its next start."""


class Errands:
    """Runs errands of one client, each in the thread of its caller.

    Args:
        stopping: is set when the client stops.
    """

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        journal: Journal,
        spool: Spool,
        stopping: threading.Event,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._journal = journal
        self._spool = spool
        self._stopping = stopping
        self._folder = settings.data / DELIVERY_FOLDER
        self._folder.mkdir(mode=0o700, exist_ok=True)

    def run(self, entry: Entry, is_ended: Callable[[], bool]) -> None:
        """Bring a job as far as possible.

        Args:
            is_ended: tells whether the server has taken the job back.
        """
        try:
            if entry.step is Step.DELIVERING:
                self._find_out(entry)
            elif entry.step in (Step.CLAIMED, Step.FETCHED):
                self._fetch(entry, is_ended)
                self._report(entry, "received")
                self._journal.note(entry.token, Step.DELIVERING)
                self._deliver(entry)
            self._report_end(entry)
        except ClaimOver:
            log.info("job %s: the server has taken the job back", entry.job)
        except Stopped:
            return
        self._spool.remove(entry.token)
        self._journal.remove(entry.token)

    def _fetch(self, entry: Entry, is_ended: Callable[[], bool]) -> None:
        told = entry.told
        next_report = time.monotonic() + _PROGRESS_EVERY_S

        def look(here: int) -> None:
            nonlocal next_report
            if self._stopping.is_set():
                raise Stopped
            if is_ended():
                raise ClaimOver
            if time.monotonic() >= next_report:
                next_report = time.monotonic() + _PROGRESS_EVERY_S
                message = f"the client has received {here} of {told['size']} bytes"
                self._post(entry, "progress", message=message)

        path = ("document", *_place(entry))
        source = functools.partial(self._connection.document, path, entry.token)

        def fetch() -> None:
            look(0)
            self._spool.fetch(entry.token, told["size"], told["sha256"], source, look)

        if not self._spool.has(entry.token):
            self._persist(entry, fetch, functools.partial(self._spool.count_bytes, entry.token))
        self._journal.note(entry.token, Step.FETCHED)

    def _deliver(self, entry: Entry) -> None:
        """Deliver a document, and note how that ended."""
        try:
            device, job = device_of(entry), job_of(entry)
            policy.check(device, self._settings, self._folder)
            message = deliver(
                job,
                device,
                self._spool.path(entry.token),
                self._folder,
                functools.partial(self._journal.aim, entry.token),
                self._stopping.is_set,
                mark=mark_of(entry),
            )
        except DeliveryFault as fault:
            log.warning("job %s: %s", entry.job, fault)
            self._journal.note(entry.token, Step.FAILED, str(fault), again=fault.again)
        except Exception as error:
            log.exception("job %s", entry.job)
            message = f"delivery failed: {error}; {JOB_WAITS}"
            self._journal.note(entry.token, Step.FAILED, message)
        else:
            self._journal.note(entry.token, Step.DELIVERED, message)

    def _find_out(self, entry: Entry) -> None:
        """Find out what became of a delivery that was interrupted, and note it."""
        device = device_of(entry)
        if device.type is DeviceType.FILE:
            self._deliver(entry)  # finds a file of its own
            return
        if device.type is DeviceType.PRINTER:
            found = printer.find_marked(device.target, mark_of(entry))
            if found is printer.Found.COMPLETE:
                message = f"CUPS has the job on {device.target}"
                self._journal.note(entry.token, Step.DELIVERED, message)
                return
            if found is printer.Found.INCOMPLETE:  # CUPS has never got the document
                self._deliver(entry)
                return
        self._journal.note(entry.token, Step.FAILED, _INTERRUPTED)

    def _report_end(self, entry: Entry) -> None:
        """Report how a delivery ended."""
        found = self._journal.find(entry.token)
        if found is None:
            return
        if found.step is Step.DELIVERED:
            # how long ago: the server's clock may differ from this machine's
            def report() -> None:
                age_s = max(time.time() - found.changed, 0.0)
                self._post(entry, "delivered", message=found.message, target=found.target,
                           age=f"{age_s:.3f}")  # fmt: skip

            self._persist(entry, report)
        else:
            self._report(entry, "failed", message=found.message, again=str(int(found.again)))

    def _report(self, entry: Entry, event: str, **fields: str) -> None:
        self._persist(entry, functools.partial(self._post, entry, event, **fields))

    def _post(self, entry: Entry, event: str, **fields: str) -> None:
        told = {"token": entry.token, "event": event, **fields}
        self._connection.post(("report", *_place(entry)), told)

    def _persist(
        self, entry: Entry, step: Callable[[], None], progress: Callable[[], int] = int
    ) -> None:
        """Repeat a step until it succeeds.

        Args:
            progress: grows while the step makes progress; then the next attempt is soon.

        Raises:
            ClaimOver: the job is no longer this client's.
            Stopped: the client stops.
        """
        failures = best = 0
        while True:
            if self._stopping.is_set() and failures:
                raise Stopped
            try:
                step()
                return
            except (ServerAway, ServerRefusal, WrongDocument, OSError) as error:
                if (now := progress()) > best:
                    best, failures = now, 0
                wait_s = pause_s(failures)
                failures += 1
                log.warning("job %s: %s; next attempt in %.0f s", entry.job, error, wait_s)
            self._stopping.wait(wait_s)


def mark_of(entry: Entry) -> str:
    """The mark by which a printer recognizes a delivery."""
    # every user of the machine may read the attributes of CUPS's jobs, and the token is secret
    return hashlib.sha256(f"mark {entry.token}".encode()).hexdigest()[:32]


def pause_s(failures: int) -> float:
    """How long to wait after the failures so far; clients do not all come back at once."""
    return random.uniform(0.5, 1.0) * _WAITS_S[min(failures, len(_WAITS_S) - 1)]  # noqa: S311


def _place(entry: Entry) -> tuple[str, str, str, str]:
    told = entry.told
    return (told["company"], told["location"], told["device"]["id"], entry.job)
