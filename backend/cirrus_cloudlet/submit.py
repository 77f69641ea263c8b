"""Submit an uploaded file to devices: to all of its targets, or to none.

The order of effects: check the request → write the document → store document, jobs and
idempotency key in one transaction → return the job ids. A request that repeats a key gets the
ids of the first request, and makes no job.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cirrus_cloudlet.compression import Compression, decompress
from cirrus_cloudlet.errors import Refusal
from cirrus_cloudlet.inventory.file import InventoryFile
from cirrus_cloudlet.inventory.ids import parse_targets
from cirrus_cloudlet.inventory.inventory import Device
from cirrus_cloudlet.job_props import parse_props
from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.documents import Document, Documents
from cirrus_cloudlet.storage.jobs import Jobs
from cirrus_cloudlet.storage.uploads import Segment, Uploads, assemble


@dataclass(frozen=True, slots=True)
class Order:
    """The parameters of a submit; lists are not parsed yet."""

    company: str
    targets: str
    title: str
    props: str
    compression: Compression
    semicolons: bool
    idempotency_key: str | None = None

    @property
    def request(self) -> str:
        """The part of the request that has to be the same when a key is repeated.

        The document is not part of it: a filter that runs again may write another date into it.
        """
        return json.dumps([self.targets, self.title, self.props])


class Submission:
    """Submits for one data folder; `submitted` is called after each submit."""

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
        """Make the jobs, and return their ids in the order of the targets.

        Raises:
            Refusal: a parameter or the file is wrong; no job was made.
        """
        with self._store.reading() as db:
            if known := _find_earlier(db, order):
                return known
        props = parse_props(order.props, semicolons=order.semicolons)
        targets = parse_targets(order.targets)
        inventory = self._inventory.current()
        for target in targets:
            location = inventory.location(order.company, target.location)
            if location.inactive:
                raise Refusal(f"location {target.location!r} is inactive")
            if inventory.device(order.company, *target).inactive:
                raise Refusal(f"device {target.device!r} at {target.location!r} is inactive")
        document = self._documents.write(
            decompress(self._uploads.read(assemble(segments)), order.compression),
            [segment.length for segment in segments],
            inventory.limits.document_bytes,
        )
        try:
            for target in targets:
                _check_format(inventory.device(order.company, *target), document)
            with self._store.transaction() as db:
                if known := _find_earlier(db, order):  # a parallel request was faster
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


def _find_earlier(db: sqlite3.Connection, order: Order) -> list[str]:
    """Find the job ids of an earlier request with the same key; empty if there was none."""
    row = db.execute(
        "SELECT request, jobs FROM idempotency WHERE company = ? AND key = ?",
        (order.company, order.idempotency_key),
    ).fetchone()
    if row is None:
        return []
    if row["request"] != order.request:
        raise Refusal("this Idempotency-Key belongs to another request")
    ids: list[str] = json.loads(row["jobs"])
    return ids


def _check_format(device: Device, document: Document) -> None:
    if not device.takes(document.format):
        allowed = ", ".join(device.formats)
        raise Refusal(
            f"device {device.id!r} at {device.location!r} takes {allowed},"
            f" and this document is {document.format}"
        )
