"""Submit an uploaded file to devices: to all of its targets, or to none.

The order of effects: check the request → write the document → store document, jobs and
idempotency key in one transaction → return the job ids. A request that repeats a key gets the
ids of the first request, and makes no job.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from cirrus_cloudlet.charsets import can_stay, convert
from cirrus_cloudlet.cloud import Cloud
from cirrus_cloudlet.compression import Compression, decompress
from cirrus_cloudlet.delivery.queue import Place
from cirrus_cloudlet.errors import Refusal
from cirrus_cloudlet.formats import Format
from cirrus_cloudlet.inventory.inventory import Device, Inventory, parse_targets
from cirrus_cloudlet.job_props import parse_props
from cirrus_cloudlet.shares import Share
from cirrus_cloudlet.storage.jobs import measure
from cirrus_cloudlet.storage.quotas import Amount, Owner
from cirrus_cloudlet.storage.uploads import CHANGED, Contents, Upload, mark_submitted

_PIECE_BYTES = 1024 * 1024
_EARLIER = "SELECT request, jobs FROM idempotency WHERE company = ? AND key = ?"


class Order(NamedTuple):
    """The parameters of a submit; lists are not parsed yet."""

    owner: Owner
    targets: str
    title: str
    props: str
    compression: Compression
    semicolons: bool
    idempotency_key: str | None


def submit(
    cloud: Cloud,
    order: Order,
    contents: Contents,
    share: Share,
    upload: Upload | None = None,
) -> list[str]:
    """Make the jobs, and return their ids in the order of the targets.

    Args:
        contents: the file, as it was uploaded.
        share: of the order's company.
        upload: the upload of this file, unless it is submitted as it arrives.

    Raises:
        Refusal: a parameter or the file is wrong; no job was made.
        QuotaFull: the owner's quotas have no room; no job was made.
    """
    # the document may differ when a key is repeated: a filter may write another date into it
    request = json.dumps([order.targets, order.title, order.props])
    company = order.owner.company
    repeated = (company, order.idempotency_key)
    is_repeatable = order.idempotency_key is not None
    if is_repeatable and (rows := cloud.store.execute(_EARLIER, *repeated)):
        return _read_ids(rows[0], request)
    props = parse_props(order.props, semicolons=order.semicolons)
    targets = parse_targets(order.targets)
    inventory = cloud.inventory.current()
    devices = [_find_device(inventory, company, *target) for target in targets]
    is_plain = order.compression is Compression.NONE
    texts = measure(order.title, props, len(request) // len(targets))
    jobs = Amount(bytes=len(targets) * texts.job_bytes, jobs=len(targets))
    with contextlib.ExitStack() as undo:
        cloud.quotas.reserve(order.owner, jobs)
        undo.callback(cloud.quotas.release, order.owner, jobs)
        with share.writing:
            try:
                document = cloud.documents.write(
                    order.owner,
                    decompress(contents.chunks, order.compression),
                    contents.lengths,
                    inventory.limits.largest_bytes,
                    share.turn,
                    contents.file if is_plain else None,
                )
            except FileNotFoundError as error:
                raise Refusal(CHANGED) from error
        undo.callback(cloud.documents.discard, document)
        for device in devices:
            if not {"any", document.format.name} & set(device.formats):
                raise Refusal(
                    f"{_describe(device)} takes {', '.join(device.formats)},"
                    f" and this document is {document.format.name}"
                )
        _check_text(cloud.documents.path(document.id), document.format, devices, share.turn)
        with cloud.store.transaction(company, cloud.documents.folder) as db:
            # a parallel request may have been faster
            if is_repeatable and (row := db.execute(_EARLIER, repeated).fetchone()):
                return _read_ids(row, request)
            cloud.documents.insert(db, document)
            ids = cloud.jobs.insert(db, document, targets, texts)
            if upload:
                mark_submitted(db, upload)
            if is_repeatable:
                db.execute(
                    "INSERT INTO idempotency (company, key, request, jobs, document)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (*repeated, request, json.dumps(ids), document.id),
                )
        undo.pop_all()
    cloud.worker.notice(Place(company, *target) for target in targets)
    return ids


def _find_device(inventory: Inventory, company: str, location: str, name: str) -> Device:
    if inventory.location(company, location).inactive:
        raise Refusal(f"location {location!r} is inactive")
    device = inventory.device(company, location, name)
    if device.inactive:
        raise Refusal(f"device {name!r} at {location!r} is inactive")
    return device


def _check_text(
    document: Path, found: Format, devices: Sequence[Device], turn: AbstractContextManager[object]
) -> None:
    """Raise Refusal if a text has a character that the charset of a device lacks."""
    for charset, device in {device.text_charset: device for device in devices}.items():
        if found.name != "txt" or charset is None or can_stay(found.charset, charset):
            continue
        with document.open("rb") as file:
            chunks = iter(lambda: file.read(_PIECE_BYTES), b"")
            pieces = convert(chunks, found.charset, charset)
            try:
                while True:
                    with turn:
                        if next(pieces, None) is None:
                            break
            except Refusal as refusal:
                takes = f"{_describe(device)} takes texts in {charset}"
                raise Refusal(f"{takes}, and {refusal}") from refusal


def _describe(device: Device) -> str:
    return f"device {device.id!r} at {device.location!r}"


def _read_ids(row: sqlite3.Row, request: str) -> list[str]:
    if row["request"] != request:
        raise Refusal("this Idempotency-Key belongs to another request")
    ids: list[str] = json.loads(row["jobs"])
    return ids
