"""All parts of the cloud of one data folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cirrus_cloudlet import housekeeping
from cirrus_cloudlet.delivery.queue import DeliveryQueue
from cirrus_cloudlet.delivery.worker import Worker
from cirrus_cloudlet.inventory.file import InventoryFile
from cirrus_cloudlet.storage.accounts import Accounts
from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.documents import Documents
from cirrus_cloudlet.storage.jobs import Jobs
from cirrus_cloudlet.storage.keys import Keys
from cirrus_cloudlet.storage.previews import Previews
from cirrus_cloudlet.storage.sessions import Sessions
from cirrus_cloudlet.storage.uploads import Uploads
from cirrus_cloudlet.submit import Submission

_STOP_WAIT_S = 0.7


@dataclass(frozen=True, slots=True)
class Cloud:
    """The parts that requests and deliveries work on."""

    store: Store
    inventory: InventoryFile
    keys: Keys
    accounts: Accounts
    sessions: Sessions
    uploads: Uploads
    documents: Documents
    previews: Previews
    jobs: Jobs
    submission: Submission
    worker: Worker

    def start(self) -> None:
        """Remove the leftovers of the last run, and start delivering."""
        housekeeping.remove_leftovers(self.uploads, self.documents, self.previews)
        self.worker.start()

    def stop(self) -> None:
        """Stop delivering, and close the database."""
        self.worker.stop(_STOP_WAIT_S)
        self.store.close()


def make_cloud(folder: Path) -> Cloud:
    """Make the cloud of a data folder; it is not started yet.

    Raises:
        SettingsError: cloudlet.toml or the database in the folder cannot be used.
    """
    inventory = InventoryFile(folder)
    store = Store(folder)
    uploads = Uploads(store, folder)
    documents = Documents(store, folder)
    previews = Previews(folder, documents.path)
    jobs = Jobs(store)
    worker = Worker(
        DeliveryQueue(store),
        inventory,
        documents.path,
        folder,
        lambda: housekeeping.remove_old(inventory, uploads, documents, previews),
    )
    submission = Submission(store, inventory, uploads, documents, jobs, worker.notice)
    return Cloud(
        store=store,
        inventory=inventory,
        keys=Keys(store),
        accounts=Accounts(store),
        sessions=Sessions(store),
        uploads=uploads,
        documents=documents,
        previews=previews,
        jobs=jobs,
        submission=submission,
        worker=worker,
    )
