"""Keep CUPS up to date, as often as cupsd can take it.

Settled jobs are completed, messages of jobs and queues are updated, and orphans are looked for.
After an error, cupsd gets no requests for a while.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.errors import CirrusError, CupsAway, CupsRefused
from cirrus_bridge.delivery.events import WARNING, Change
from cirrus_bridge.polling.timers import Timer
from cirrus_bridge.polling.watched import Job, WatchedDocument, WatchedDocuments
from cirrus_bridge.statusd.orphans import Orphans
from cirrus_bridge.statusd.outages import Outages
from cirrus_bridge.statusd.status_messages import StatusMessages

CUPS_S = 15.0
SHARE = 20.0  # updates take at most this part (1/20) of the time,
LONGEST_PAUSE_S = 20.0  # unless a queue would have to wait longer than this
AWAY_WAIT_S = 5.0


@dataclass(slots=True)
class CupsSync:
    """Decides when CUPS is updated, and with what. Documents that need no more updates leave the
    watch list. The parts raise CupsAway or CupsRefused if cupsd does not answer, or says no.

    Attributes:
        orphans_every_s: seconds between looks for orphans.
        due: the timer of the updates.
    """

    clock: Clock
    news: StatusMessages
    orphans: Orphans
    orphans_every_s: float
    outages: Outages
    tell: Callable[[Change], None]
    watch_list: WatchedDocuments
    _changed: dict[Job, WatchedDocument] = field(default_factory=dict)
    # settled jobs that cannot be completed yet, for example because their queue is stopped
    _incomplete: dict[Job, WatchedDocument] = field(default_factory=dict)
    _failing: list[WatchedDocument] = field(default_factory=list)
    due: Timer = field(init=False)
    _orphans_due: Timer = field(init=False)
    _free_s: float = -math.inf
    _trouble: str = ""

    def __post_init__(self) -> None:
        self._orphans_due = Timer(self.orphans_every_s)
        self.due = Timer(min(CUPS_S, self.orphans_every_s))  # `_update` looks for orphans

    @property
    def due_s(self) -> float:
        """The time of the next update (monotonic seconds)."""
        return self.due.due_s

    def soon(self) -> None:
        """Bring the next update forward: there is news."""
        now_s = self.clock.monotonic_s()
        self.due.due_s = min(self.due.due_s, max(now_s, self._free_s))

    def note(self, watched: WatchedDocument, *, fails: bool = False) -> None:
        """Note a new or changed document; its job may be settled now. If the location reports an
        error (`fails`), the queue may have to stop. The cloud still has the document, so the
        document is not printed again."""
        self._changed[watched.job] = watched
        if fails and watched.queue.settings.onfailure == "stop":
            self._failing.append(watched)

    def step(self, now_s: float) -> None:
        """Make the updates that are due at this time (monotonic seconds)."""
        if now_s >= self._free_s:
            self._watch_servers(lambda: self.outages.step(now_s))
        if self._changed and now_s >= self._free_s:
            self._settle()
        if self.due.is_due(now_s):
            self._update()

    def run_once(self) -> None:
        """Release the jobs whose servers work again, and make all updates."""
        self._watch_servers(self.outages.run_once)
        self._update()

    def _update(self) -> None:
        """Update all jobs and queues in CUPS."""
        began_s = self.clock.monotonic_s()
        try:
            self._changed |= self._incomplete
            self._incomplete.clear()
            self._settle()
            while self._failing:
                self.news.completion.stop([self._failing[0]])
                del self._failing[0]
            self.news.tell_jobs()
            self.news.tell_queues()
            if self._orphans_due.is_due(began_s):
                self.orphans.look()
        except (CupsAway, CupsRefused) as error:
            # other programs need cupsd, too
            self._failed(error, pause_s=self.clock.monotonic_s() - began_s)
        else:
            self._trouble = ""
            now_s = self.clock.monotonic_s()
            self._free_s = now_s + min(SHARE * (now_s - began_s), LONGEST_PAUSE_S)
        self.due.due_s = max(self.due.due_s, self._free_s)

    def _settle(self) -> None:
        """Complete the changed jobs whose documents are all settled."""
        for job, watched in list(self._changed.items()):
            of_job = self.watch_list.of_job(watched)
            try:
                if of_job and all(each.is_settled for each in of_job):
                    self._incomplete[job] = watched
                    if self.news.completion.settle(of_job):
                        del self._incomplete[job]
                        for each in of_job:
                            self.watch_list.remove(each)
            except CupsAway as error:
                self._failed(error)
                return
            except CupsRefused as error:
                self._failed(error)
            del self._changed[job]

    def _watch_servers(self, act: Callable[[], None]) -> None:
        try:
            act()
        except (CupsAway, CupsRefused) as error:
            self._failed(error)

    def _failed(self, error: CirrusError, pause_s: float = 0.0) -> None:
        text = f"{error} ({error.code})"
        if text != self._trouble:
            self._trouble = text
            self.tell(Change("cups", f"{text} {error.detail}".strip(), WARNING))
        self._free_s = self.clock.monotonic_s() + max(AWAY_WAIT_S, pause_s)
