"""Submit an uploaded file to devices: all of its targets, or nothing.

The order of effects: check what was asked → write the document → one transaction with the
document, its jobs and its idempotency key. Only after that is a job id told to anybody. A request
with a key that was used before gets the ids that the first one got, and makes no job.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cirrus_cloudlet.compression import Compression, decompressed
from cirrus_cloudlet.errors import Refused
from cirrus_cloudlet.inventory.file import InventoryFile
from cirrus_cloudlet.inventory.ids import parse_targets
from cirrus_cloudlet.inventory.inventory import Device
from cirrus_cloudlet.job_props import parse_props
from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.documents import Document, Documents
from cirrus_cloudlet.storage.jobs import Jobs
from cirrus_cloudlet.storage.uploads import Segment, Uploads, assembled


@dataclass(frozen=True, slots=True)
class Order:
    """A submit as it was asked for, the lists still as texts."""

    company: str
    targets: str
    title: str
    props: str
    compression: Compression
    semicolons: bool
    idempotency_key: str | None = None

    @property
    def request(self) -> str:
        """What has to be the same where a key comes again. Not the bytes: a filter that runs
        again may write another date into them."""
        return json.dumps([self.targets, self.title, self.props])


class Submission:
    """Submits for one data folder; `submitted` is called after each one."""

    def __init__(
        self,
        store: Store,
        inventory: InventoryFile,
        uploads: Uploads,
        documents: Documents,
        jobs: Jobs,
        submitted: Callable[[], None],
    ) -> None:
        self._store = store
        self._inventory = inventory
        self._uploads = uploads
        self._documents = documents
        self._jobs = jobs
        self._submitted = submitted

    def submit(self, order: Order, segments: Sequence[Segment]) -> list[str]:
        """Make the jobs; returns their ids in the order of the targets.

        Raises:
            Refused: anything about the order or the file is wrong; there is no job then.
        """
        with self._store.reading() as db:
            if known := _known(db, order):
                return known
        props = parse_props(order.props, semicolons=order.semicolons)
        targets = parse_targets(order.targets)
        inventory = self._inventory.current()
        for target in targets:
            location = inventory.location(order.company, target.location)
            if location.inactive:
                raise Refused(f"location {target.location!r} is inactive")
            if inventory.device(order.company, *target).inactive:
                raise Refused(f"device {target.device!r} at {target.location!r} is inactive")
        document = self._documents.write(
            decompressed(self._uploads.read(assembled(segments)), order.compression),
            [segment.length for segment in segments],
            inventory.limits.document_bytes,
        )
        try:
            for target in targets:
                _check_format(inventory.device(order.company, *target), document)
            with self._store.transaction() as db:
                if known := _known(db, order):  # the same request was quicker on another line
                    self._documents.discard(document)
                    return known
                self._documents.insert(db, document)
                ids = self._jobs.insert(db, order.company, targets, order.title, props, document.id)
                if order.idempotency_key is not None:
                    db.execute(
                        "INSERT INTO idempotency VALUES (?, ?, ?, ?)",
                        (order.company, order.idempotency_key, order.request, json.dumps(ids)),
                    )
        except BaseException:
            self._documents.discard(document)
            raise
        self._submitted()
        return ids


def _known(db: sqlite3.Connection, order: Order) -> list[str]:
    """The ids of an earlier request with the same key; none if there was none."""
    row = db.execute(
        "SELECT request, jobs FROM idempotency WHERE company = ? AND key = ?",
        (order.company, order.idempotency_key),
    ).fetchone()
    if row is None:
        return []
    if row["request"] != order.request:
        raise Refused("this Idempotency-Key came with another request before")
    ids: list[str] = json.loads(row["jobs"])
    return ids


def _check_format(device: Device, document: Document) -> None:
    if not device.takes(document.format):
        allowed = ", ".join(device.formats)
        raise Refused(
            f"device {device.id!r} at {device.location!r} takes {allowed},"
            f" and this document is {document.format}"
        )
