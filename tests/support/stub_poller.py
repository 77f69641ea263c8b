"""A whole poller with a real journal and stubs of cloud, cupsd and clock."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from pathlib import Path

from cirrus_bridge.api.client import CloudApi
from cirrus_bridge.base.clock import Clock
from cirrus_bridge.base.model import JobStatus, Receipt
from cirrus_bridge.config.load import PollerSettings
from cirrus_bridge.config.queue_uri import QueueUri, parse_queue_uri
from cirrus_bridge.cups.queues import CupsQueues
from cirrus_bridge.delivery.events import Change
from cirrus_bridge.journal.poller import PollerJournal
from cirrus_bridge.polling.availability import Availability
from cirrus_bridge.polling.poller import Poller
from cirrus_bridge.polling.schedule import Schedule
from cirrus_bridge.polling.watched import WatchedDocuments
from cirrus_bridge.statusd.completion import JobCompletion
from cirrus_bridge.statusd.cups_sync import CupsSync
from cirrus_bridge.statusd.orphans import Orphans
from cirrus_bridge.statusd.outages import Outages
from cirrus_bridge.statusd.status_messages import StatusMessages
from stubs import StubClock, StubQueries


def new_poller(
    folder: Path,
    journal: PollerJournal,
    *,
    cups: CupsQueues,
    api: CloudApi,
    clock: Clock,
    tell: Callable[[Change], None],
    settings: PollerSettings,
    status_of: Callable[[QueueUri], Callable[[Receipt], JobStatus]] | None = None,
    least_s: float = 0.0,
) -> Poller:
    """The poller of the journal in `folder`. Each wait for an answer takes `least_s` or longer."""
    completion = JobCompletion(journal, cups, clock, tell)
    queue_of = functools.cache(parse_queue_uri)
    watch_list = WatchedDocuments(Schedule(random.Random(1), 300), queue_of)
    outages = Outages(
        *(journal, cups, clock, tell, queue_of, lambda _: api), queries=StubQueries(StubClock())
    )
    availability = Availability()
    news = StatusMessages(
        *(journal, cups, clock, completion, tell, watch_list, availability, outages.notices)
    )
    orphans = Orphans(journal, cups, clock, tell, str(folder))
    return Poller(
        journal=journal,
        clock=clock,
        queries=StubQueries(clock, least_s=least_s),
        publisher=CupsSync(clock, news, orphans, 60.0, outages, tell, watch_list),
        availability=availability,
        settings=settings,
        status_of=status_of or (lambda _: api.job_status),
        tell=tell,
        watch_list=watch_list,
    )
