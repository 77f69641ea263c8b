"""Submit an uploaded file to devices: to all of its targets, or to none.

The order of effects: check the request → write the document → store document, jobs and
idempotency key in one transaction → return the job ids. A request that repeats a key gets the
ids of the first request, and makes no job.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.compression import Compression, decompress
from cirrus_cloudlet.errors import Refusal
from cirrus_cloudlet.inventory.inventory import parse_targets
from cirrus_cloudlet.job_props import parse_props
from cirrus_cloudlet.storage.uploads import Segment, assemble

_EARLIER = "SELECT request, jobs FROM idempotency WHERE company = ? AND key = ?"


class Order(NamedTuple):
    """The parameters of a submit; lists are not parsed yet."""

    company: str
    targets: str
    title: str
    props: str
    compression: Compression
    semicolons: bool
    idempotency_key: str | None


def submit(cloud: Cloud, order: Order, segments: Sequence[Segment]) -> list[str]:
    """Make the jobs, and return their ids in the order of the targets.

    Raises:
        Refusal: a parameter or the file is wrong; no job was made.
    """
    # the document may differ when a key is repeated: a filter may write another date into it
    request = json.dumps([order.targets, order.title, order.props])
    repeated = (order.company, order.idempotency_key)
    if rows := cloud.store.execute(_EARLIER, *repeated):
        return _read_ids(rows[0], request)
    props = parse_props(order.props, semicolons=order.semicolons)
    targets = parse_targets(order.targets)
    inventory = cloud.inventory.current()
    for location, name in targets:
        if inventory.location(order.company, location).inactive:
            raise Refusal(f"location {location!r} is inactive")
        if inventory.device(order.company, location, name).inactive:
            raise Refusal(f"device {name!r} at {location!r} is inactive")
    document = cloud.documents.write(
        decompress(cloud.uploads.read(assemble(segments)), order.compression),
        [segment.length for segment in segments],
        inventory.limits.document_bytes,
    )
    try:
        for location, name in targets:
            formats = inventory.device(order.company, location, name).formats
            if not {"any", document.format} & set(formats):
                raise Refusal(
                    f"device {name!r} at {location!r} takes {', '.join(formats)},"
                    f" and this document is {document.format}"
                )
        with cloud.store.transaction() as db:
            if row := db.execute(_EARLIER, repeated).fetchone():  # a parallel request was faster
                cloud.documents.discard(document)
                return _read_ids(row, request)
            cloud.documents.insert(db, document)
            ids = cloud.jobs.insert(db, order.company, targets, order.title, props, document.id)
            if order.idempotency_key is not None:
                db.execute(
                    "INSERT INTO idempotency VALUES (?, ?, ?, ?)",
                    (*repeated, request, json.dumps(ids)),
                )
    except BaseException:
        cloud.documents.discard(document)
        raise
    cloud.worker.notice()
    return ids


def _read_ids(row: sqlite3.Row, request: str) -> list[str]:
    if row["request"] != request:
        raise Refusal("this Idempotency-Key belongs to another request")
    ids: list[str] = json.loads(row["jobs"])
    return ids
