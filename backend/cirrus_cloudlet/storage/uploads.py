"""Uploaded files: their segments on disk, and which bytes have arrived.

Each segment is a file of its own, and the database names it only when it is complete and on
disk. Segments may arrive in any order and in parallel; later bytes replace earlier ones. A segment
that a later one covers is removed.
"""

from __future__ import annotations

import contextlib
import heapq
import logging
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cirrus_cloudlet.errors import Refusal, RequestFault
from cirrus_cloudlet.files import new_name, open_private, write_all
from cirrus_cloudlet.inventory.inventory import LARGEST
from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.engine import Connection, Row
from cirrus_cloudlet.storage.quotas import FILE_BYTES, Amount, Owner, Quotas, rows_of

log = logging.getLogger(__name__)
_READ_BYTES = 1024 * 1024
_HELD_BYTES = 256 * 1024  # of an incoming file in memory
_SEGMENTS = 65_536  # 4 GiB in segments of 64 KiB
CHANGED = "the file has expired, or was changed meanwhile"
_BATCH = 100  # uploads that one transaction removes
_FIND = "SELECT name FROM upload WHERE"


class Segment(NamedTuple):
    """Bytes of an upload from `position` on; a segment with a higher number arrived later."""

    number: int
    position: int
    length: int
    file: str

    @property
    def end(self) -> int:
        return self.position + self.length


class Extent(NamedTuple):
    """A range of bytes in one segment's file."""

    file: str
    offset: int
    length: int


class Contents(NamedTuple):
    """The bytes of a whole upload.

    Attributes:
        lengths: of its segments, in bytes.
        file: has exactly these bytes, and never changes; None if no file does.
    """

    chunks: Iterable[bytes]
    lengths: Sequence[int]
    file: Path | None


class Upload(NamedTuple):
    """An upload, the request that began it, and its owner."""

    name: str
    origin: str
    owner: Owner


class IncomingFile:
    """A segment while it arrives; `close` removes it, unless `keep` was called.

    A small segment is in memory only, until it is needed on disk.
    """

    def __init__(self, folder: Path, limit_bytes: int, quotas: Quotas, owner: Owner) -> None:
        self.name = ""  # of its file, if it has one
        self.size = 0
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._quotas = quotas
        self._owner = owner
        self._reserved = 0
        self._kept = False
        self._held = bytearray()  # what is not in the file yet
        self._file = -1

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        if not self._kept:
            if self._file >= 0:
                (self._folder / self.name).unlink(missing_ok=True)
            self._quotas.release(self._owner, Amount(self._reserved))

    def check_size(self, size_bytes: int) -> None:
        """Raise RequestFault if a size is above the limit."""
        if size_bytes > self._limit_bytes:
            raise RequestFault(
                413, f"the limit of this body is {self._limit_bytes} bytes ({LARGEST})"
            )

    def reserve(self, size_bytes: int) -> None:
        """Reserve room for a size; raise QuotaFull if the owner's quotas have no room."""
        missing = size_bytes + FILE_BYTES - self._reserved
        if missing > 0:
            self._quotas.reserve(self._owner, Amount(missing))
            self._reserved += missing

    def write(self, data: bytes) -> None:
        """Append data; raise RequestFault if the size is above the limit, or QuotaFull."""
        self.check_size(self.size + len(data))
        self.reserve(self.size + len(data))
        self.size += len(data)
        self._held += data
        if len(self._held) > _HELD_BYTES:
            self._write_held()

    def sync(self) -> None:
        """Write the complete segment to disk."""
        self._write_held()
        os.fdatasync(self._file)

    def contents(self) -> Contents:
        """The bytes of the complete segment, as those of a whole file; raise Refusal if none."""
        if self._file < 0:
            if not self._held:
                raise Refusal("the file is empty")
            return Contents([bytes(self._held)], [self.size], None)
        self._write_held()
        chunks = _read(self._folder, [Extent(self.name, 0, self.size)])
        return Contents(chunks, [self.size], self._folder / self.name)

    def keep(self) -> None:
        self._kept = True

    def _write_held(self) -> None:
        if self._file < 0:
            self.name = new_name()
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            self._file = open_private(os.fspath(self._folder / self.name), flags)
        write_all(self._file, self._held)
        self._held.clear()


class Uploads:
    def __init__(self, store: Store, folder: Path, quotas: Quotas) -> None:
        self._store = store
        self._quotas = quotas
        self.folder = folder / "uploads"
        self.folder.mkdir(mode=0o700, exist_ok=True)

    def new(self, owner: Owner, origin: str) -> Upload:
        """Begin an upload by the request `origin`; its name cannot be guessed.

        Raises:
            QuotaFull: the owner has too many uploads that were not submitted.
        """
        name = secrets.token_hex(16)
        self._quotas.reserve(owner, Amount(uploads=1))
        try:
            with self._store.transaction(owner.company) as db:
                db.execute(
                    "INSERT INTO upload (name, owner, key, origin, created) VALUES (?, ?, ?, ?, ?)",
                    (name, *owner, origin, time.time()),
                )
        except BaseException:
            self._quotas.release(owner, Amount(uploads=1))
            raise
        return Upload(name, origin, owner)

    def find(self, name: str, company: str, lifetime_s: float) -> Upload:
        """Find an upload; raise Refusal if it is unknown or has expired."""
        rows = self._store.execute(
            "SELECT origin, key FROM upload WHERE name = ? AND owner = ? AND created >= ?",
            *(name, company, time.time() - lifetime_s),
        )
        if not rows:
            # the same message for another company's file, so that its name is not confirmed
            raise _unknown(name)
        return Upload(name, rows[0]["origin"], Owner(company, rows[0]["key"]))

    def incoming(self, owner: Owner, limit_bytes: int) -> contextlib.closing[IncomingFile]:
        return contextlib.closing(IncomingFile(self.folder, limit_bytes, self._quotas, owner))

    def add_segment(
        self, upload: Upload, position: int, received: IncomingFile, limit_bytes: int
    ) -> None:
        """Add a complete segment to an upload, and remove those that it covers.

        Raises:
            Refusal: the upload has expired.
            RequestFault: the stored segments have more than `limit_bytes` bytes, or are too many.
        """
        received.sync()
        with self._store.transaction(upload.owner.company) as db:
            covered = db.execute(
                "DELETE FROM segment WHERE upload = ?1 AND position BETWEEN ?2 AND ?3"
                " AND position + length <= ?3 RETURNING file, length",
                (upload.name, position, position + received.size),
            ).fetchall()
            gone_bytes = sum(row["length"] for row in covered)
            found = db.execute(
                "UPDATE upload SET bytes = bytes + ?, segments = segments + ? WHERE name = ?"
                " RETURNING bytes, segments",
                (received.size - gone_bytes, 1 - len(covered), upload.name),
            ).fetchone()
            if found is None:
                raise _unknown(upload.name)
            if found["bytes"] > limit_bytes:
                raise RequestFault(
                    413, f"the limit is {limit_bytes} bytes in all segments ({LARGEST})"
                )
            if found["segments"] > _SEGMENTS:
                raise RequestFault(413, f"the limit is {_SEGMENTS} segments; send larger ones")
            db.execute(
                "INSERT INTO segment (upload, position, length, file) VALUES (?, ?, ?, ?)",
                (upload.name, position, received.size, received.name),
            )
        received.keep()
        self._remove_files(row["file"] for row in covered)
        self._quotas.release(upload.owner, _in_files(gone_bytes, len(covered)))

    def contents(self, name: str) -> Contents:
        """The bytes of an upload; raise Refusal if it is empty or not complete."""
        rows = self._store.execute(
            "SELECT number, position, length, file FROM segment WHERE upload = ? ORDER BY number",
            name,
        )
        segments = [Segment(*row) for row in rows]
        extents = assemble(segments)
        whole = [
            self.folder / segment.file
            for segment in segments
            if extents == [Extent(segment.file, 0, segment.length)]
        ]
        lengths = [segment.length for segment in segments]
        return Contents(_read(self.folder, extents), lengths, whole[0] if whole else None)

    def expire(self, lifetime_s: float) -> None:
        """Remove the uploads that are older than `lifetime_s` seconds."""
        count = 0
        while found := self._remove("created < ? LIMIT ?", time.time() - lifetime_s, _BATCH):
            count += found
        if count:
            log.info("%d expired uploads removed", count)

    def make_room(self, company: str, key: str | None) -> bool:
        """Remove the oldest submitted uploads of a company, or of one of its keys, if any."""
        where, values = rows_of(company, key, "owner")
        return self._remove(f"submitted AND {where} ORDER BY created LIMIT ?", *values, _BATCH) > 0

    def is_stored(self, name: str) -> bool:
        """Whether the name of a file in the folder is a segment's."""
        return bool(self._store.execute("SELECT 1 FROM segment WHERE file = ?", name))

    def _remove(self, where: str, *values: object) -> int:
        with self._store.transaction() as db:
            names = db.execute(f"{_FIND} {where}", values).fetchall()
            files: list[Row] = []
            gone: list[Row] = []
            for (name,) in names:
                files += db.execute("DELETE FROM segment WHERE upload = ? RETURNING file", (name,))
                gone += db.execute("DELETE FROM upload WHERE name = ? RETURNING *", (name,))
        self._remove_files(row["file"] for row in files)
        for row in gone:
            amount = _in_files(row["bytes"], row["segments"])._replace(uploads=1)
            self._quotas.release(Owner(row["owner"], row["key"]), amount)
        return len(gone)

    def _remove_files(self, names: Iterable[str]) -> None:
        for name in names:
            (self.folder / name).unlink(missing_ok=True)


def mark_submitted(db: Connection, upload: Upload) -> None:
    """Record, in the transaction of its jobs, that an upload may make room for others."""
    db.execute("UPDATE upload SET submitted = true WHERE name = ?", (upload.name,))


def _read(folder: Path, extents: Sequence[Extent]) -> Iterator[bytes]:
    for extent in extents:
        try:
            file = (folder / extent.file).open("rb")
        except FileNotFoundError as error:
            raise Refusal(CHANGED) from error
        with file:
            file.seek(extent.offset)
            rest = extent.length
            while rest:
                data = file.read(min(rest, _READ_BYTES))
                if not data:
                    raise OSError(f"segment file {extent.file} is truncated")
                rest -= len(data)
                yield data


def _unknown(name: str) -> Refusal:
    return Refusal(f"file {name!r} is unknown or has expired")


def _in_files(size_bytes: int, files: int) -> Amount:
    return Amount(size_bytes + files * FILE_BYTES)


def assemble(segments: Sequence[Segment]) -> list[Extent]:
    """Map each byte of the whole file to the newest segment that has this byte.

    Raises:
        Refusal: the file is empty, or a byte before its end is missing.
    """
    waiting = sorted(segments, key=lambda segment: segment.position, reverse=True)
    active: list[tuple[int, Segment]] = []  # a heap, the latest segment on top
    extents: list[Extent] = []
    position = 0
    while waiting or active:
        while waiting and waiting[-1].position <= position:
            segment = waiting.pop()
            heapq.heappush(active, (-segment.number, segment))
        while active and active[0][1].end <= position:
            heapq.heappop(active)
        if active:
            top = active[0][1]
            stop = min(top.end, waiting[-1].position) if waiting else top.end
            extents.append(Extent(top.file, position - top.position, stop - position))
            position = stop
        elif waiting:
            raise Refusal(f"the file is not complete: byte {position} is missing")
    if not extents:
        raise Refusal("the file is empty")
    return extents
