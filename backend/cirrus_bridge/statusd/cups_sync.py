"""Keep CUPS up to date, as often as cupsd can take it.

Settled jobs are completed, messages of jobs and queues are updated, and orphans are looked for.
After an error, cupsd gets no requests for a while.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

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
SHARE = 20.0  # updates take at most this part (1/20) of the time,
LONGEST_PAUSE_S = 20.0  # unless a queue would have to wait longer than this
AWAY_WAIT_S = 5.0

Drop: TypeAlias = Callable[[WatchedDocument], None]  # stops following a document


@dataclass(slots=True)
class CupsSync:
    """Decides when CUPS is updated, and with what.

    Args:
        news: for the messages of jobs and queues.
        completion: for jobs whose documents are all settled.
        orphans_every_s: seconds between looks for orphans.
        tell: gets the errors of cupsd.
    """

    clock: Clock
    news: StatusMessages
    completion: JobCompletion
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
        self._due = Timer(min(CUPS_S, self.orphans_every_s))  # `tell_all` looks for orphans

    @property
    def due_s(self) -> float:
        """The time of the next update (monotonic seconds)."""
        return self._due.due_s

    def soon(self) -> None:
        """Bring the next update forward: there is news."""
        now_s = self.clock.monotonic_s()
        self._due.due_s = min(self._due.due_s, max(now_s, self._free_s))

    def note(self, watched: WatchedDocument) -> None:
        """Check whether a new or changed document settles its job."""
        of_job = self.watch_list.of_job(watched)
        if all(each.is_settled for each in of_job):
            self._settled[watched.job] = watched

    def fails(self, watched: WatchedDocument) -> None:
        """Note a document whose location reports an error; its queue may have to stop.

        The cloud still has the document, so it is not printed again.
        """
        if watched.queue.settings.onfailure == "stop":
            self._failing.append(watched)

    def forget(self, watched: WatchedDocument) -> None:
        """Forget a document that is no longer followed."""
        self._settled.pop(watched.job, None)

    def step(self, now_s: float, drop: Drop) -> None:
        """Make the updates that are due.

        Args:
            now_s: monotonic seconds.
            drop: is called at once for each document that needs no more updates.
        """
        if now_s >= self._free_s:
            try:
                self.outages.step(now_s)
            except (CupsAway, CupsRefused) as error:
                self._failed(error)
        if self._settled and now_s >= self._free_s:
            self._settle(drop)
        if self._due.is_due(now_s):
            self.tell_all(drop)

    def run_once(self) -> None:
        """Release, once, the jobs whose servers work again."""
        try:
            self.outages.run_once()
        except (CupsAway, CupsRefused) as error:
            self._failed(error)

    def tell_all(self, drop: Drop) -> None:
        """Update all jobs and queues in CUPS.

        Args:
            drop: is called at once for each document that needs no more updates.
        """
        began_s = self.clock.monotonic_s()
        try:
            for watched in self.watch_list:
                if watched.is_settled:  # but not completed yet, as its queue is stopped, say
                    self.note(watched)
            self._settle(drop)
            while self._failing:
                self.completion.stop([self._failing[0]])
                del self._failing[0]
            for watched in self.news.tell_jobs(self.watch_list):
                drop(watched)
            self.news.tell_queues(self.watch_list)
            if self._orphans_due.is_due(began_s):
                self.orphans.look()
        except (CupsAway, CupsRefused) as error:
            self._failed(error)
            now_s = self.clock.monotonic_s()
            # other programs need cupsd, too
            self._free_s = now_s + max(AWAY_WAIT_S, now_s - began_s)
        else:
            self._trouble = ""
            now_s = self.clock.monotonic_s()
            self._free_s = now_s + min(SHARE * (now_s - began_s), LONGEST_PAUSE_S)
        self._due.due_s = max(self._due.due_s, self._free_s)

    def _settle(self, drop: Drop) -> None:
        """Complete the jobs whose documents are all settled."""
        for job, watched in list(self._settled.items()):
            of_job = self.watch_list.of_job(watched)
            try:
                if of_job and self.completion.settle(of_job):
                    for each in of_job:
                        drop(each)
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
