"""The poller of the service's own journal, in a thread."""

from __future__ import annotations

import os
import random
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import (
    CirrusError,
    JournalDamaged,
    JournalError,
    JournalNewer,
    JournalReplaced,
)
from cirrus_bridge.base.model import JobStatus
from cirrus_bridge.config.load import PollerSettings
from cirrus_bridge.config.queue_uri import QueueUri
from cirrus_bridge.delivery.events import NOTICE, WARNING, Change
from cirrus_bridge.delivery.tracking import TrackedDelivery
from cirrus_bridge.ipp_server.delivery_news import ChangeListener, DeliveryNews
from cirrus_bridge.ipp_server.spool import SPOOL_FAULTS
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.polling.availability import Availability
from cirrus_bridge.polling.poller import Poller, StatusOf
from cirrus_bridge.polling.queries import Queries
from cirrus_bridge.polling.schedule import Schedule
from cirrus_bridge.polling.watched import WatchedDocuments

REOPEN_S = 0.5
RESUME_S = 3.0  # after an error of the disk
TURN_S = 0.5
END_S = 5.0  # a turn of the loop takes half a second, unless the disk is very slow


@dataclass(slots=True)
class DeliveryPoller:
    """Follows the documents of the journal in `folder`, as its only poller, from `start` to `stop`.

    The thread is the only one that uses the journal's connection, and calls all functions that are
    given here. After an error of a disk, it begins again: all outcomes that are not closed in the
    journal are told again. Another error ends the thread, and `stop` raises the error. The service
    is to end then: an accepted document is followed again after a restart. Requests to
    a server may still be open after `stop`, so the program ends without waiting for their threads
    (os._exit).

    Attributes:
        queue_of, status_of: as `ConfigurationReader` has them.
        tell: logs a change.
        changed, troubles: as for `DeliveryNews`.
        failed: called when an error has ended the thread.
        at_work: gets each sign of life (seconds since the epoch).
    """

    folder: Path
    clock: Clock
    settings: PollerSettings
    queue_of: Callable[[str], QueueUri]
    status_of: StatusOf
    tell: Callable[[Change], None]
    changed: ChangeListener
    troubles: Callable[[Mapping[str, str]], None]
    failed: Callable[[], None]
    at_work: Callable[[float], None] | None = None
    _name: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")
    _stopping: threading.Event = field(default_factory=threading.Event)
    _error: Exception | None = None
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)

    def start(self) -> None:
        """Begin to follow the documents."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after its present turn. Raises the error that has ended the thread, if
        there was one: a JournalError, or what a given function raised."""
        self._stopping.set()
        self._thread.join(END_S)
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._follow_journal()
        except Exception as error:  # noqa: BLE001 - `stop` raises it in the main thread
            self._error = error
            self.tell(Change("failed", f"The poller has ended: {_text(error)}", WARNING))
            self.failed()

    def _follow_journal(self) -> None:
        """Follow the journal until `stop`, or until the journal is deleted or replaced."""
        try:
            with PollerJournal(self.folder) as journal:
                if self._take_turn(journal):
                    self._follow(journal)
        except JournalReplaced as error:
            self.tell(Change("journal-replaced", f"{error} ({error.code})", WARNING))
            self._stopping.wait(REOPEN_S)
        except (JournalDamaged, JournalNewer):
            raise
        except (JournalError, *SPOOL_FAULTS) as error:  # such as a full disk
            self.tell(Change("interrupted", f"{_text(error)}; following is resumed", WARNING))
            self._stopping.wait(RESUME_S)

    def _take_turn(self, journal: PollerJournal) -> bool:
        """Become the journal's only poller; return False if this poller is stopped while it waits
        for another one."""
        is_told = False
        while not journal.take_over(self._name, now_s=self.clock.wall_s()):
            if not is_told:
                first = journal.last_sign()
                name_of_first = f" ({first.name})" if first else ""
                text = f"another cirrus-printers{name_of_first} follows the jobs; waiting for it"
                self.tell(Change("second", text, NOTICE))
                is_told = True
            if self._stopping.wait(TURN_S):
                return False
        return True

    def _follow(self, journal: PollerJournal) -> None:
        journal.check()
        queries = Queries[TrackedDelivery, JobStatus]()
        poller = self._new_poller(journal, queries)
        try:
            # no signal may interrupt a step, as `Clock.stoppable` is for main threads
            while not self._stopping.is_set():
                poller.step()
        finally:
            queries.close()
        journal.leave()

    def _new_poller(
        self, journal: PollerJournal, queries: Queries[TrackedDelivery, JobStatus]
    ) -> Poller:
        rng = random.Random()  # noqa: S311 - jitter, no secret
        schedule = Schedule[TrackedDelivery](rng, self.settings.requests_per_minute)
        watch_list = WatchedDocuments(schedule, self.queue_of)
        availability = Availability()
        return Poller(
            journal=journal,
            clock=self.clock,
            publisher=DeliveryNews(
                *(journal, self.clock, watch_list, availability, self.changed, self.troubles)
            ),
            availability=availability,
            settings=self.settings,
            status_of=self.status_of,
            tell=self.tell,
            watch_list=watch_list,
            queries=queries,
            at_work=self.at_work,
        )


def _text(error: Exception) -> str:
    if isinstance(error, CirrusError):
        return f"{error} ({error.code}) {error.detail}".strip()
    return repr(error)
