"""All parts of the cloud of one data folder."""

from __future__ import annotations

from pathlib import Path

from cirrus_cloudlet.delivery.worker import Worker
from cirrus_cloudlet.inventory.file import InventoryFile
from cirrus_cloudlet.storage.access import Accounts, Keys
from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.documents import Documents
from cirrus_cloudlet.storage.jobs import Jobs
from cirrus_cloudlet.storage.previews import Previews
from cirrus_cloudlet.storage.uploads import Uploads

HOUR_S = 3600.0
_DAY_S = 24 * HOUR_S
_STOP_WAIT_S = 0.7


class Cloud:
    """All parts of one data folder; raises SettingsError if the folder cannot be used."""

    def __init__(self, folder: Path) -> None:
        self.inventory = InventoryFile(folder, remote=True)
        self.store = Store(folder)
        self.keys = Keys(self.store)
        self.accounts = Accounts(self.store)
        self.uploads = Uploads(self.store, folder)
        self.documents = Documents(self.store, folder)
        self.previews = Previews(folder, self.documents.path)
        self.jobs = Jobs(self.store)
        self.worker = Worker(
            self.store, self.inventory, self.documents.path, folder, self._remove_old
        )

    def start(self) -> None:
        """Remove files that no row names, as after a crash, and start delivering."""
        self.uploads.sweep()
        self.documents.sweep()
        self.previews.sweep(everything=True)
        self.worker.start()

    def stop(self) -> None:
        """Stop delivering, and close the database."""
        self.worker.stop(_STOP_WAIT_S)
        self.store.close()

    def _remove_old(self) -> None:
        limits = self.inventory.current().limits
        self.uploads.expire(limits.upload_hours * HOUR_S)
        self.documents.prune(limits.document_days * _DAY_S)
        self.previews.sweep()
