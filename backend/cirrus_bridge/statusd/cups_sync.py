"""What the poller has to say to CUPS, said as often as CUPS bears it.

Jobs whose documents are all settled are brought to their end, jobs and queues say what is known,
and jobs that nobody works at any more are looked for. A cupsd that is away, or says no, is left
alone for a while.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import CirrusError, CupsAway, CupsRefused
from cirrus_bridge.delivery.events import WARNING, Change
from cirrus_bridge.statusd.completion import JobCompletion
from cirrus_bridge.statusd.orphans import Orphans
from cirrus_bridge.statusd.outages import Outages
from cirrus_bridge.statusd.status_messages import StatusMessages
from cirrus_bridge.statusd.timers import Timer
from cirrus_bridge.statusd.watched import Job, WatchedDocument, WatchedDocuments

CUPS_S = 15.0
SHARE = 20.0  # telling CUPS takes no more than one part in so many of the time,
LONGEST_PAUSE_S = 20.0  # as long as that leaves no queue behind for longer
AWAY_WAIT_S = 5.0


@dataclass(slots=True)
class CupsSync:
    """When CUPS is told, and what; `tell` gets what goes wrong with it.

    The methods yield what is not to be watched any more, to be taken from `watch_list` at once.
    """

    clock: Clock
    news: StatusMessages
    settlement: JobCompletion
    orphans: Orphans
    orphans_every_s: float
    outages: Outages
    tell: Callable[[Change], None]
    watch_list: WatchedDocuments
    _settled: dict[Job, WatchedDocument] = field(default_factory=dict)
    _failing: list[WatchedDocument] = field(default_factory=list)
    _due: Timer = field(init=False)
    _orphans_due: Timer = field(init=False)
    _free_s: float = -math.inf
    _trouble: str = ""

    def __post_init__(self) -> None:
        self._orphans_due = Timer(self.orphans_every_s)
        self._due = Timer(min(CUPS_S, self.orphans_every_s))  # they are looked for then

    @property
    def due_s(self) -> float:
        """When there is something to say, by the monotonic clock."""
        return self._due.due_s

    def soon(self) -> None:
        """There is news: CUPS is told as soon as it bears it."""
        now_s = self.clock.monotonic_s()
        self._due.due_s = min(self._due.due_s, max(now_s, self._free_s))

    def note(self, watched: WatchedDocument) -> None:
        """A document is watched, or has news: its job may be settled by it."""
        of_job = self.watch_list.of_job(watched)
        if all(each.is_settled for each in of_job):
            self._settled[watched.job] = watched

    def fails(self, watched: WatchedDocument) -> None:
        """A location has begun to tell of an error: the document is still with the cloud, so it is
        not to be printed anew, but no more is to be sent there."""
        if watched.queue.settings.onfailure == "stop":
            self._failing.append(watched)

    def forget(self, watched: WatchedDocument) -> None:
        """It is not watched any more."""
        self._settled.pop(watched.job, None)

    def take(self, now_s: float) -> Iterator[WatchedDocument]:
        """Say what is due."""
        if now_s >= self._free_s:
            try:
                self.outages.step(now_s)
            except (CupsAway, CupsRefused) as error:
                self._failed(error)
        if self._settled and now_s >= self._free_s:
            yield from self._settle()
        if self._due.is_due(now_s):
            yield from self.tell_all()

    def run_once(self) -> None:
        """Release, once, the jobs whose server works again."""
        try:
            self.outages.run_once()
        except (CupsAway, CupsRefused) as error:
            self._failed(error)

    def tell_all(self) -> Iterator[WatchedDocument]:
        """Jobs and queues say in CUPS what is known; what CUPS has ended is let go."""
        began_s = self.clock.monotonic_s()
        try:
            for watched in self.watch_list:
                if watched.is_settled:  # not ended yet, as a queue was paused, say
                    self.note(watched)
            yield from self._settle()
            while self._failing:
                self.settlement.stop([self._failing[0]])
                del self._failing[0]
            yield from self.news.tell_jobs(self.watch_list)
            self.news.tell_queues(self.watch_list)
            if self._orphans_due.is_due(began_s):
                self.orphans.look()
        except (CupsAway, CupsRefused) as error:
            self._failed(error)
            now_s = self.clock.monotonic_s()
            self._free_s = now_s + max(AWAY_WAIT_S, now_s - began_s)  # others are asked, too
        else:
            self._trouble = ""
            now_s = self.clock.monotonic_s()
            self._free_s = now_s + min(SHARE * (now_s - began_s), LONGEST_PAUSE_S)
        self._due.due_s = max(self._due.due_s, self._free_s)

    def _settle(self) -> Iterator[WatchedDocument]:
        """Bring the jobs to their end whose documents are all settled."""
        for job, watched in list(self._settled.items()):
            of_job = self.watch_list.of_job(watched)
            try:
                if of_job and self.settlement.settle(of_job):
                    yield from of_job
            except CupsAway as error:
                self._failed(error)
                return
            except CupsRefused as error:
                self._failed(error)
            self._settled.pop(job, None)

    def _failed(self, error: CirrusError) -> None:
        text = f"{error} ({error.code})"
        if text != self._trouble:
            self._trouble = text
            self.tell(Change("cups", f"{text} {error.detail}".strip(), WARNING))
        self._free_s = self.clock.monotonic_s() + AWAY_WAIT_S
