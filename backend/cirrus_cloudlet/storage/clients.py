"""The clients of locations: when each was heard last, and the printers that it reports."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cirrus_cloudlet.storage.database import Store

SILENT_S = 300.0  # after this time without a request, a client counts as away
_SELECT = "SELECT company, location, id, name, version, heard, printers FROM client "
_NOTE_EVERY_S = 10.0  # a write for each request would cost more than the request


class ClientName(NamedTuple):
    """A client, by its place and its own id."""

    company: str
    location: str
    id: str


class Client(NamedTuple):
    """What a client has reported of itself.

    Attributes:
        id: differs between the clients of a location.
        name: of its machine.
        heard: the time of its last request, by the clock of this server.
        printers: see `cirrus_cloudlet.printers`.
    """

    company: str
    location: str
    id: str
    name: str
    version: str
    heard: float
    printers: Sequence[Mapping[str, Any]]

    def is_away(self, now: float) -> bool:
        return self.heard < now - SILENT_S


class Clients:
    """The clients of all locations."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._noted: dict[ClientName, float] = {}

    def hear(self, client: ClientName, now: float | None = None) -> None:
        """Note that a client has sent a request."""
        now = time.time() if now is None else now
        if abs(now - self._noted.get(client, 0.0)) < _NOTE_EVERY_S:
            return
        self._store.execute(
            "INSERT INTO client (company, location, id, name, version, heard)"
            " VALUES (?, ?, ?, '', '', ?)"
            " ON CONFLICT (company, location, id) DO UPDATE SET heard = excluded.heard",
            *(*client, now),
        )
        self._noted[client] = now

    def describe(
        self, client: ClientName, name: str, version: str, printers: Sequence[Mapping[str, Any]]
    ) -> None:
        """Replace what a client has reported of itself."""
        self._store.execute(
            "INSERT INTO client (company, location, id, name, version, heard, printers)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (company, location, id) DO UPDATE SET name = excluded.name,"
            " version = excluded.version, heard = excluded.heard, printers = excluded.printers",
            *(*client, name, version, time.time(), json.dumps(printers)),
        )

    def at(self, company: str, location: str) -> list[Client]:
        """List the clients of a location, the one that was heard last first."""
        return self._select("WHERE company = ? AND location = ? ORDER BY heard DESC",
                            company, location)  # fmt: skip

    def has_one(self, company: str, location: str) -> bool:
        """Whether a location has a client that is not away."""
        return any(not each.is_away(time.time()) for each in self.at(company, location))

    def queues(self, client: ClientName) -> frozenset[str]:
        """The names of the CUPS queues that a client has reported."""
        found = self._select("WHERE company = ? AND location = ? AND id = ?", *client)
        return frozenset(str(each["queue"]) for row in found for each in row.printers)

    def _select(self, which: str, *values: object) -> list[Client]:
        rows = self._store.execute(_SELECT + which, *values)
        return [Client(**{**dict(row), "printers": json.loads(row["printers"])}) for row in rows]
