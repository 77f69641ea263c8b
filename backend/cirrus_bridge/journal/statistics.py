"""Statistics of the journal, and recent events. The journal is read by a connection of its own.

Events are found by their times in the journal, because backends write events as well as the poller.
A time is taken before its transaction is on the disk. So each look begins OVERLAP_S before the end
of the last look, and leaves out the events that were seen then.
"""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cirrus_bridge.base.model import DeliveryState
from cirrus_bridge.journal.database import BUSY_TIMEOUT_S
from cirrus_bridge.journal.documents import JOINED
from cirrus_bridge.journal.lifecycle import ACCEPTED, sql_list
from cirrus_bridge.journal.readonly import read_only
from cirrus_bridge.journal.schema import CHANGED_AT, COMPANY, FETCHED, KEY, UNRELEASED_SQL

OVERLAP_S = 3 * BUSY_TIMEOUT_S
UNFOLLOWED = "unfollowed"
_FOLLOWED = (0, 1)  # the states of a delivery whose outcome is not known
_STATES = (
    "SELECT queue, delivery.state, count(*),"
    f" min(iif({UNRELEASED_SQL}, NULL, document.accepted_at)) FROM {JOINED}"
    f" WHERE document.state IN {sql_list(ACCEPTED)} AND closed_at IS NULL"
    " AND cloud_job_id IS NOT NULL GROUP BY 1, 2"
)
_CLOSED = "SELECT queue, state, deliveries FROM tally WHERE deliveries > 0"
_OPEN = "SELECT count(*), coalesce(sum(state = 'held'), 0) FROM document WHERE closed_at IS NULL"
_OF_DELIVERY = (
    "queue, destination, delivery.state, 0, document.accepted_at, received_at, pages"
    f" FROM delivery INDEXED BY delivery_changed CROSS JOIN document USING ({KEY})"
    f" WHERE received_at IS NOT NULL AND {CHANGED_AT} > ?1"
)
_COMPANIES = (  # without reading each row
    f"WITH RECURSIVE known (company) AS (SELECT min({COMPANY}) FROM document"
    f" WHERE accepted_at IS NOT NULL UNION ALL SELECT (SELECT min({COMPANY}) FROM document"
    f" WHERE accepted_at IS NOT NULL AND {COMPANY} > company) FROM known WHERE company IS NOT NULL)"
)
# columns: row, time, queue, destination, state, size, times of acceptance and reception, pages
_EVENTS = {
    "accepted": (
        f"{_COMPANIES} SELECT document.rowid, accepted_at, queue, destination, 0, size_bytes,"
        f" accepted_at, NULL, pages FROM known CROSS JOIN document ON {COMPANY} = company"
        f" WHERE state IN {sql_list(ACCEPTED)} AND accepted_at > ?1"
    ),
    "received": (
        f"SELECT delivery.rowid, received_at, {_OF_DELIVERY}"
        f" AND received_at > ?1 AND (delivery.state IN {FETCHED} OR received != '')"
    ),
    "ended": f"SELECT delivery.rowid, final_at, {_OF_DELIVERY} AND final_at > ?1",
}


@dataclass(frozen=True, slots=True)
class RecentEvent:
    """A document was `accepted`, or a delivery `received` or `ended` (`what`). Times are in seconds
    since the epoch; unknown numbers are 0."""

    what: str
    at_s: float
    queue: str
    server: str
    state: str
    size_bytes: int
    accepted_at_s: float
    received_at_s: float
    pages: int


@dataclass(frozen=True, slots=True)
class JournalStatistics:
    """Numbers of cloud jobs and documents, and recent events.

    Attributes:
        jobs: the number of cloud jobs by queue and state.
        oldest_at_s: when the oldest of these jobs was accepted, in seconds since the epoch; without
            those that wait for their owners' release.
    """

    jobs: Mapping[tuple[str, str], int]
    oldest_at_s: Mapping[tuple[str, str], float]
    open_documents: int
    held_documents: int
    events: tuple[RecentEvent, ...]


class StatisticsReader:
    """Reads the journal in `folder` from a thread of the poller. Events are those after the first
    look."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: set[tuple[str, int, float]] = set()  # name, row and time of events
        self._looked_s = math.inf

    def look(self, now_s: float) -> JournalStatistics:
        """The statistics, with the events since the last look.

        Raises:
            JournalError: the journal cannot be read.
        """
        with read_only(self._folder, beside_poller=True) as db:
            rows = [(queue, _word(state), *more) for queue, state, *more in db.execute(_STATES)]
            closed = db.execute(_CLOSED).fetchall()
            open_documents, held_documents = db.execute(_OPEN).fetchone()
            events = tuple(self._events(db, now_s))
        jobs = Counter({(queue, state): count for queue, state, count, _ in rows})
        for queue, state, count in closed:
            jobs[queue, UNFOLLOWED if state in _FOLLOWED else _word(state)] += count
        oldest_at_s = {(queue, state): at_s for queue, state, _, at_s in rows if at_s is not None}
        return JournalStatistics(jobs, oldest_at_s, open_documents, held_documents, events)

    def _events(self, db: sqlite3.Connection, now_s: float) -> list[RecentEvent]:
        since_s = min(now_s, self._looked_s) - OVERLAP_S
        self._seen = {seen for seen in self._seen if seen[2] > since_s}
        found = []
        for what, query in _EVENTS.items():
            for row, at_s, queue, destination, state, *more in db.execute(query, (since_s,)):
                if (what, row, at_s) not in self._seen:
                    self._seen.add((what, row, at_s))
                    server, numbers = urlsplit(destination).netloc, (each or 0 for each in more)
                    found.append(RecentEvent(what, at_s, queue, server, _word(state), *numbers))
        is_first, self._looked_s = math.isinf(self._looked_s), now_s
        return [] if is_first else found


def _word(state: int) -> str:
    return DeliveryState(state).name.lower()
