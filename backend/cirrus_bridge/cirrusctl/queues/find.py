"""Use case: the queues of this machine that lead to the cloud."""

from __future__ import annotations

from cirrus_bridge.cirrusctl.context import Installation
from cirrus_bridge.config.queue_uri import SCHEME
from cirrus_bridge.cups.queues import Queue


def cloud_queues(installation: Installation) -> list[Queue]:
    """All of them, by name, whatever their URIs' rest is.

    Raises:
        CupsAway, CupsRefused: CUPS can not be asked.
    """
    queues = installation.cups.queues()
    return [queue for queue in queues if queue.device_uri.lower().startswith(f"{SCHEME}:")]
