"""Submit an uploaded file to devices: to all of its targets, or to none.

The order of effects: check the request → write the document → store document, jobs and
idempotency key in one transaction → return the job ids. A request that repeats a key gets the
ids of the first request, and makes no job.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.compression import Compression, decompress
from cirrus_cloudlet.errors import Refusal
from cirrus_cloudlet.inventory.inventory import Device, parse_targets
from cirrus_cloudlet.job_props import parse_props
from cirrus_cloudlet.storage.uploads import Segment, assemble

_EARLIER = "SELECT request, jobs FROM idempotency WHERE company = ? AND key = ?"


@dataclass(frozen=True, slots=True)
class Order:
    """The parameters of a submit; lists are not parsed yet."""

    company: str
    targets: str
    title: str
    props: str
    compression: Compression
    semicolons: bool
    idempotency_key: str | None

    @property
    def request(self) -> str:
        """The part of the request that has to be the same when a key is repeated.

        The document is not part of it: a filter that runs again may write another date into it.
        """
        return json.dumps([self.targets, self.title, self.props])


def submit(cloud: Cloud, order: Order, segments: Sequence[Segment]) -> list[str]:
    """Make the jobs, and return their ids in the order of the targets.

    Raises:
        Refusal: a parameter or the file is wrong; no job was made.
    """
    repeated = (order.company, order.idempotency_key)
    if rows := cloud.store.execute(_EARLIER, *repeated):
        return _read_ids(rows[0], order)
    props = parse_props(order.props, semicolons=order.semicolons)
    targets = parse_targets(order.targets)
    inventory = cloud.inventory.current()
    for location, device in targets:
        if inventory.location(order.company, location).inactive:
            raise Refusal(f"location {location!r} is inactive")
        if inventory.device(order.company, location, device).inactive:
            raise Refusal(f"device {device!r} at {location!r} is inactive")
    document = cloud.documents.write(
        decompress(cloud.uploads.read(assemble(segments)), order.compression),
        [segment.length for segment in segments],
        inventory.limits.document_bytes,
    )
    try:
        for target in targets:
            _check_format(inventory.device(order.company, *target), document.format)
        with cloud.store.transaction() as db:
            if row := db.execute(_EARLIER, repeated).fetchone():  # a parallel request was faster
                cloud.documents.discard(document)
                return _read_ids(row, order)
            cloud.documents.insert(db, document)
            ids = cloud.jobs.insert(db, order.company, targets, order.title, props, document.id)
            if order.idempotency_key is not None:
                db.execute(
                    "INSERT INTO idempotency VALUES (?, ?, ?, ?)",
                    (*repeated, order.request, json.dumps(ids)),
                )
    except BaseException:
        cloud.documents.discard(document)
        raise
    cloud.worker.notice()
    return ids


def _read_ids(row: sqlite3.Row, order: Order) -> list[str]:
    """Read the job ids of an earlier request with the same key."""
    if row["request"] != order.request:
        raise Refusal("this Idempotency-Key belongs to another request")
    ids: list[str] = json.loads(row["jobs"])
    return ids


def _check_format(device: Device, document_format: str) -> None:
    if not {"any", document_format} & set(device.formats):
        raise Refusal(
            f"device {device.id!r} at {device.location!r} takes {', '.join(device.formats)},"
            f" and this document is {document_format}"
        )
