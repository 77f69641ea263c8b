"""Submit an uploaded file to devices: to all of its targets, or to none.

The order of effects: check the request → write the document → store document, jobs and
idempotency key in one transaction → return the job ids. A request that repeats a key gets the
ids of the first request, and makes no job. Several small submits take each step together.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cirrus_cloudlet.charsets import can_stay, convert
from cirrus_cloudlet.compression import Compression, decompress
from cirrus_cloudlet.delivery.queue import Place
from cirrus_cloudlet.errors import NotSmall, Refusal, WrongFormat
from cirrus_cloudlet.formats import Format
from cirrus_cloudlet.inventory.inventory import Device, Inventory, parse_targets
from cirrus_cloudlet.job_props import parse_props, user_of
from cirrus_cloudlet.shares import Share
from cirrus_cloudlet.storage.commits import savepoint
from cirrus_cloudlet.storage.documents import Document
from cirrus_cloudlet.storage.engine import CommitInDoubt, Connection, Row
from cirrus_cloudlet.storage.jobs import Texts, measure
from cirrus_cloudlet.storage.quotas import Amount, Owner
from cirrus_cloudlet.storage.uploads import CHANGED, Contents, Upload, mark_submitted

if TYPE_CHECKING:
    from cirrus_cloudlet.cloud import Cloud

_PIECE_BYTES = 1024 * 1024
_SMALL_BYTES = 1024 * 1024  # of the document of a small submit; a few bytes may hold gigabytes
_JOBS = 100  # of a transaction with several submits; meanwhile, other companies wait
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


class _Prepared(NamedTuple):
    """A submit that was checked, and whose document is written."""

    order: Order
    upload: Upload | None
    request: str  # what a repeated key has to repeat
    targets: Sequence[tuple[str, str]]
    held_for: Sequence[str | None]  # for each target, whose release its job waits for
    texts: Texts
    document: Document


class Submission:
    """A submit, which `submit_all` does together with others. A call returns its result.

    Args:
        share: of the order's company.
        receive: returns the order, the file as it was uploaded, and the upload of this file unless
            it is submitted as it arrives.
        is_small: the call raises NotSmall if the document is large. Others need not wait for it.
    """

    prepared: _Prepared  # once `prepare` has returned True

    def __init__(
        self,
        cloud: Cloud,
        share: Share,
        receive: Callable[[], tuple[Order, Contents, Upload | None]],
        *,
        is_small: bool = False,
    ) -> None:
        self.cloud = cloud
        self._share = share
        self._receive = receive
        self._is_small = is_small
        self._undo = contextlib.ExitStack()
        self._ids: list[str] = []
        self._error: BaseException | None = None

    def __call__(self) -> list[str]:
        """Return the ids of the jobs, in the order of the targets.

        Raises:
            Refusal: a parameter or the file is wrong; no job was made.
            QuotaFull: the owner's quotas have no room; no job was made.
            NotSmall: see `is_small`; no job was made.
        """
        if self._error:
            raise self._error
        return self._ids

    def prepare(self) -> bool:
        """Check the request, and write the document; return False if the jobs exist already."""
        order, contents, upload = self._receive()
        cloud, company = self.cloud, order.owner.company
        # the document may differ when a key is repeated: a filter may write another date into it
        request = json.dumps([order.targets, order.title, order.props])
        key = order.idempotency_key
        if key is not None and (rows := cloud.store.execute(_EARLIER, company, key)):
            self._ids = _read_ids(rows[0], request)
            return False
        props = parse_props(order.props, semicolons=order.semicolons)
        targets = parse_targets(order.targets)
        inventory = cloud.inventory.current()
        devices = [_find_device(inventory, company, *target) for target in targets]
        texts = measure(order.title, props, len(request) // len(targets))
        jobs = Amount(bytes=len(targets) * texts.job_bytes, jobs=len(targets))
        cloud.quotas.reserve(order.owner, jobs)
        self._undo.callback(cloud.quotas.release, order.owner, jobs)
        is_plain = order.compression is Compression.NONE
        chunks = decompress(contents.chunks, order.compression)
        with self._share.writing:
            try:
                document = cloud.documents.write(
                    order.owner,
                    _only_small(chunks) if self._is_small else chunks,
                    contents.lengths,
                    inventory.limits.largest_bytes,
                    self._share.turn,
                    contents.file if is_plain else None,
                )
            except FileNotFoundError as error:
                raise Refusal(CHANGED) from error
        self._undo.callback(cloud.documents.discard, document)
        for device in devices:
            if not {"any", document.format.name} & set(device.formats):
                raise WrongFormat(_describe(device), device.formats, document.format.name)
        path = cloud.documents.path(document.id)
        _check_text(path, document.format, devices, self._share.turn)
        owner = user_of(props)
        held_for = [
            owner if inventory.location(company, each.location).holds(each) else None
            for each in devices
        ]
        self.prepared = _Prepared(order, upload, request, targets, held_for, texts, document)
        return True

    def insert(self, db: Connection) -> bool:
        """Add document, jobs and key to the database; return False if the jobs exist already."""
        order, upload, request, targets, held_for, texts, document = self.prepared
        repeated = (order.owner.company, order.idempotency_key)
        is_repeatable = order.idempotency_key is not None
        with savepoint(db):
            # a parallel request may have been faster
            if is_repeatable and (row := db.execute(_EARLIER, repeated).fetchone()):
                self._ids = _read_ids(row, request)
                return False
            self.cloud.documents.insert(db, document)
            self._ids = self.cloud.jobs.insert(db, document, targets, texts, held_for)
            if upload:
                mark_submitted(db, upload)
            if is_repeatable:
                db.execute(
                    "INSERT INTO idempotency (company, key, request, jobs, document)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (*repeated, request, json.dumps(self._ids), document.id),
                )
        return True

    def attempt(self, step: Callable[[], bool | None]) -> bool:
        """Do a step; return whether the submit continues. If not, its result is known."""
        try:
            if step() is not False:
                return True
        except BaseException as error:  # noqa: BLE001 - the call raises it
            self._error = error
        self._undo_all()
        return False

    def fail(self, error: BaseException) -> None:
        """End the submit with an error of the whole group, unless the submit has its own error."""
        self._error = self._error or error
        if isinstance(error, CommitInDoubt):  # a job may need the document; the next start decides
            self.prepared.document.file.close()
            self._undo.pop_all()
        self._undo_all()

    def _undo_all(self) -> None:
        try:
            self._undo.close()
        except BaseException as error:  # noqa: BLE001 - the call raises it; others go on
            self._error = self._error or error

    def finish(self) -> None:
        """Tell the worker about the jobs, which are on disk now."""
        self._undo.pop_all()
        order, targets = self.prepared.order, self.prepared.targets
        self.cloud.worker.notice(Place(order.owner.company, *target) for target in targets)


def submit_all(submissions: Sequence[Submission]) -> None:
    """Make the jobs of several submits to one cloud: of each submit, all jobs or none.

    The jobs are in few transactions, each of which waits for the disk once.
    """
    left = [each for each in submissions if each.attempt(each.prepare)]
    left = [each for each in left if each.attempt(each.prepared.document.file.sync)]
    for portion in _portions(left):
        _insert_all(portion)


def _portions(submissions: Sequence[Submission]) -> Iterator[list[Submission]]:
    """Divide submits among transactions: several in one have at most _JOBS jobs."""
    portion: list[Submission] = []
    jobs = 0
    for each in submissions:
        jobs += len(each.prepared.targets)
        if portion and jobs > _JOBS:
            yield portion
            portion, jobs = [], len(each.prepared.targets)
        portion.append(each)
    if portion:
        yield portion


def _insert_all(submissions: Sequence[Submission]) -> None:
    """Add the jobs of submits to the database in one transaction."""
    made: list[Submission] = []
    cloud, company = submissions[0].cloud, submissions[0].prepared.order.owner.company
    try:
        with cloud.store.transaction(company, cloud.documents.folder) as db:
            for each in submissions:
                if each.attempt(partial(each.insert, db)):
                    made.append(each)
                elif not db.in_transaction:  # SQLite has undone all of it
                    each()
    except BaseException as error:  # noqa: BLE001 - each call raises it
        for each in submissions:
            each.fail(error)
    else:
        for each in made:
            each.finish()


def _only_small(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks of a document; raise NotSmall if it is large."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > _SMALL_BYTES:
            raise NotSmall
        yield chunk


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


def _read_ids(row: Row, request: str) -> list[str]:
    if row["request"] != request:
        raise Refusal("this Idempotency-Key belongs to another request")
    ids: list[str] = json.loads(row["jobs"])
    return ids
