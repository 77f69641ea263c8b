"""Many raw queues of a private cupsd; lpadmin(8) would take a while."""

from __future__ import annotations

from collections.abc import Mapping

import cups

from private_cups import PrivateCups


def add_raw_queues(server: PrivateCups, uris: Mapping[str, str]) -> None:
    """Add the queues with these names and URIs."""
    connection = cups.Connection(host=str(server.socket))
    for name, uri in uris.items():
        connection.addPrinter(name, device=uri)
        connection.enablePrinter(name)
        connection.acceptJobs(name)
