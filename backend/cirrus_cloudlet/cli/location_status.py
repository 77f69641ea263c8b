"""The command `location status`: the clients of a location, and the printers that they report."""

from __future__ import annotations

import time
from pathlib import Path

from cirrus_cloudlet.api.answers import timestamp
from cirrus_cloudlet.cli.command import argument, command
from cirrus_cloudlet.cli.listing import write_list
from cirrus_cloudlet.cli.paths import ANY_LOCATION, find_place
from cirrus_cloudlet.inventory.file import InventoryFile
from cirrus_cloudlet.storage.clients import Clients
from cirrus_cloudlet.storage.opening import open_store


@command(
    "location status",
    "list a location's clients and their printers",
    argument("path", metavar=ANY_LOCATION),
)
def _show_status(data: Path, path: str) -> None:
    company, location = find_place(InventoryFile(data).current(), path, ANY_LOCATION)
    with open_store(data) as store:
        clients = Clients(store).at(company, location)
    rows = []
    for client in clients:
        name, heard = client.name or client.id, timestamp(client.heard) or ""
        state = "away" if client.is_away(time.time()) else "here"
        rows.append((name, "", state, f"heard at {heard}", ""))
        for printer in client.printers:
            said = [each for each in (printer["message"], *printer["reasons"]) if each]
            supplies = "; ".join(printer["supplies"])
            rows.append((name, printer["queue"], printer["state"], "; ".join(said), supplies))
    write_list(rows, "client", "printer", "state", "message", "supplies")
