"""Use case: find this machine's queues that lead to the cloud."""

from __future__ import annotations

from collections.abc import Iterable

from cirrus_bridge.base.errors import BadQueueUri, CupsGone
from cirrus_bridge.base.translation import tr
from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.cirrusctl.mistakes import with_guess
from cirrus_bridge.config.queue_uri import SCHEME, QueueUri, parse_queue_uri
from cirrus_bridge.cups.queues import Queue


def cloud_queues(installation: Installation) -> list[Queue]:
    """The queues with our URI scheme. The rest of a URI may be invalid.

    Raises:
        CupsAway, CupsRefused: CUPS does not answer, or refuses.
    """
    queues = installation.cups.queues()
    return [queue for queue in queues if queue.device_uri.lower().startswith(f"{SCHEME}:")]


def uri_of(queue: Queue) -> QueueUri | None:
    """A queue's URI; None if it is invalid."""
    try:
        return parse_queue_uri(queue.device_uri)
    except BadQueueUri:
        return None


def unknown_queue(name: str, known: Iterable[str]) -> CupsGone:
    """The error for the name of a queue that does not exist, with a guess from the known names."""
    text = tr("CUPS has no queue {queue} that leads to the cloud.", queue=name)
    return CupsGone(text, with_guess(name, sorted(known), tr("See cirrusctl queues.")))
