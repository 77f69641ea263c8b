"""All parts of the cloud of one data folder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool

from cirrus_cloudlet.changes import change_inventory
from cirrus_cloudlet.delivery.claims import Claims
from cirrus_cloudlet.delivery.queue import Queue
from cirrus_cloudlet.delivery.waiting import Waiting
from cirrus_cloudlet.delivery.worker import Worker
from cirrus_cloudlet.errors import SettingsError
from cirrus_cloudlet.identity.openid import OpenId
from cirrus_cloudlet.identity.settings import read_providers
from cirrus_cloudlet.inventory.file import Changes, InventoryFile
from cirrus_cloudlet.inventory.inventory import DELIVERY_FOLDER
from cirrus_cloudlet.inventory.reported import printer_changes
from cirrus_cloudlet.shares import Shares
from cirrus_cloudlet.storage.access import Accounts
from cirrus_cloudlet.storage.audit import Actor, Audit
from cirrus_cloudlet.storage.clients import ClientName, Clients
from cirrus_cloudlet.storage.copies import Copies
from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.documents import Documents
from cirrus_cloudlet.storage.figures import DeliveryFigures
from cirrus_cloudlet.storage.job_lists import JobLists
from cirrus_cloudlet.storage.jobs import Jobs
from cirrus_cloudlet.storage.keys import Keys
from cirrus_cloudlet.storage.leftovers import Leftovers
from cirrus_cloudlet.storage.opening import open_store
from cirrus_cloudlet.storage.previews import Previews
from cirrus_cloudlet.storage.quotas import Amount, Full, Owner, Quotas, stored_amounts
from cirrus_cloudlet.storage.releases import Releases
from cirrus_cloudlet.storage.text_index import TextIndex
from cirrus_cloudlet.storage.uploads import Uploads
from cirrus_cloudlet.submit import submit_all

log = logging.getLogger(__name__)
HOUR_S = 3600.0
_DAY_S = 24 * HOUR_S
_STOP_WAIT_S = 0.7
_T = TypeVar("_T")


class Cloud:
    """All parts of one data folder; raises SettingsError if the folder cannot be used.

    Args:
        open_store: opens the folder's database.
    """

    def __init__(self, folder: Path, open_store: Callable[[Path], Store] = open_store) -> None:
        self.inventory = InventoryFile(folder, remote=True)
        self._reported = InventoryFile(folder)
        self.shares = Shares(submit_all)
        self.store = open_store(folder)
        self.keys = Keys(self.store)
        self.accounts = Accounts(self.store)
        self.providers = {name: OpenId(each) for name, each in read_providers(folder).items()}
        self.audit = Audit(self.store)
        self.quotas = Quotas(lambda: self.inventory.current().limits, self._make_room)
        self.uploads = Uploads(self.store, folder, self.quotas)
        self.documents = Documents(self.store, folder, self.quotas)
        self.previews = Previews(folder, self.documents.path)
        self.jobs = Jobs(self.store)
        self.releases = Releases(self.store)
        self.texts = TextIndex(self.store, folder)
        self.figures = DeliveryFigures(self.store, folder)
        self.lists = JobLists(self.store, self.texts)
        self.copies = Copies(self.store, folder / DELIVERY_FOLDER, self.quotas)
        self.leftovers = Leftovers(
            {
                self.uploads.folder: self.uploads.is_stored,
                self.documents.folder: self.documents.is_stored,
            },
            self.previews.unused,
        )
        self.queue = Queue(self.store, self.copies)
        self.clients = Clients(self.store)
        self.claims = Claims(self.store, self.queue)
        self.waiting = Waiting()
        self.worker = Worker(
            self.queue,
            self.inventory,
            self.documents.path,
            folder,
            offer=self.waiting.tell,
            sweep=self.claims.release_silent,
            clean=self._remove_old,
        )

    def start(self) -> None:
        """Count what is stored, start delivering, and look for leftovers of a crash."""
        for owner, amount in stored_amounts(self.store):
            self.quotas.count(owner, amount)
        self.previews.start()
        self.leftovers.start()
        self.worker.start()

    async def look_up(self, find: Callable[[str], _T], value: str) -> _T:
        """Find a row; in a thread, unless the thread would cost more than the reading."""
        return find(value) if self.store.is_local else await run_in_threadpool(find, value)

    def change(self, changes: Changes, by: Actor) -> None:
        """Change companies, locations and devices, and record who did.

        Raises:
            SettingsError: the change is not possible, or is not allowed over the network.
        """
        change_inventory(self.inventory, self.store, changes, by)

    def add_printers(
        self, client: ClientName, printers: Sequence[Mapping[str, Any]], by: Actor
    ) -> None:
        """Describe a location's devices by the printers that its client reports, and add new ones.

        Only devices of the location change, and only devices that print to a queue there.
        """
        location = self.inventory.current().companies.get(client.company, {}).get(client.location)
        if location and (changes := printer_changes(location, printers)):
            try:
                # the check of the other inventory is about devices of this machine
                change_inventory(self._reported, self.store, changes, by)
            except SettingsError as error:
                log.warning("the printers of %s stay as they were: %s", client.location, error)

    def stop(self) -> None:
        """Stop delivering, and close the database."""
        self.texts.stop(_STOP_WAIT_S)
        self.figures.stop(_STOP_WAIT_S)
        self.leftovers.stop(_STOP_WAIT_S)
        self.worker.stop(_STOP_WAIT_S)
        self.store.close()

    def _make_room(self, full: Full) -> bool:
        """Remove some of what makes room for new things: uploads first, which are sent again."""
        whose = (full.company, full.key)
        if full.field == "uploads":
            return self.uploads.make_room(*whose)
        if full.field == "delivered_bytes":
            return self.copies.make_room(*whose)
        if full.field == "bytes" and self.uploads.make_room(*whose):
            return True
        has_pruned = self.documents.make_room(*whose)
        if full.field == "bytes" and has_pruned:
            return True
        return self._release(self.jobs.make_room(*whose))

    def _remove_old(self) -> None:
        inventory = self.inventory.current()
        limits = inventory.limits
        self.uploads.expire(limits.upload_hours * HOUR_S)
        self.documents.prune(limits.document_days * _DAY_S)
        self.releases.expire(limits.hold_hours * HOUR_S)
        self._release(self.jobs.prune(limits.job_days * _DAY_S))
        self.audit.prune(limits.change_days * _DAY_S, inventory.companies)
        self.previews.sweep()

    def _release(self, removed: Sequence[tuple[Owner, Amount]]) -> bool:
        for owner, amount in removed:
            self.quotas.release(owner, amount)
        return bool(removed)
