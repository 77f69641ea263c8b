"""The check of a client's settings: one line for each finding, and an exit status."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from cirrus_cloudlet.client.connection import ClaimOver, Connection, ServerAway, ServerRefusal
from cirrus_cloudlet.client.journal import Journal
from cirrus_cloudlet.client.service import client_id
from cirrus_cloudlet.client.settings import Settings


def examine(
    settings: Settings, connection: Connection, list_printers: Callable[[], list[dict[str, Any]]]
) -> int:
    """Print what works and what does not; return the exit status, 0 if all works."""
    print(f"good: the key is in {settings.key_file}, and only its owner can read it")
    status = 0
    try:
        own_id = client_id(settings.data)
        connection.post(("poll",), {"location": settings.location, "client": own_id})
    except ServerAway as away:
        status = 1
        print(f"error: {settings.server} cannot be reached ({away}); check the network, the proxy"
              " and the firewall")  # fmt: skip
    except (ServerRefusal, ClaimOver) as refusal:
        status = 1
        print(f"error: {settings.server} refuses this client ({refusal}); on the server, run:"
              f" cirrus-cloudlet key add --role client --location {settings.location}")  # fmt: skip
    else:
        print(f"good: {settings.server} accepts the key for {settings.location}")
    with contextlib.closing(Journal(settings.data)) as journal:
        waiting = len(journal.all())
    if waiting:
        print(f"note: {waiting} jobs are here, and not reported as ended yet")
    printers = list_printers()
    for printer in printers:
        print(f"good: CUPS has the queue {printer['queue']} ({printer['state']})")
    if not printers:
        print("note: CUPS has no queues here, so devices of the type printer get no jobs")
    return status
