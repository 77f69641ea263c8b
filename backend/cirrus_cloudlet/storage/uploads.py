"""Uploaded files: their segments on disk, and which bytes are there.

Each segment is a file of its own, named in the database only when it is whole and on the disk.
So nothing half-written ever counts, segments come in any order and at once, and one sent again
lies over the earlier one. Nothing here looks into the bytes.
"""

from __future__ import annotations

import heapq
import logging
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from cirrus_cloudlet.errors import Refused, RequestFault
from cirrus_cloudlet.storage.database import Store

log = logging.getLogger(__name__)
_READ_BYTES = 1024 * 1024


class Segment(NamedTuple):
    """Bytes of an upload from `position` on; a higher number came later."""

    number: int
    position: int
    length: int
    file: str

    @property
    def end(self) -> int:
        """The position after its last byte."""
        return self.position + self.length


class Extent(NamedTuple):
    """Bytes of one segment's file."""

    file: str
    offset: int
    length: int


class Upload(NamedTuple):
    """A file being uploaded; `origin` is the request it began with."""

    name: str
    owner: str
    origin: str
    created: float


class IncomingFile:
    """A segment while it comes in; it is gone after the block unless it was kept."""

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self.path = path
        self.size = 0
        self._limit_bytes = limit_bytes
        self._kept = False
        self._file = path.open("xb", buffering=0)

    def __enter__(self) -> IncomingFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if not self._kept:
            self.path.unlink(missing_ok=True)

    def allow(self, size: int) -> None:
        """Let a file of this size through.

        Raises:
            RequestFault: the server does not take so much.
        """
        if size > self._limit_bytes:
            raise RequestFault(413, f"more than {self._limit_bytes} bytes are not taken")

    def write(self, data: bytes) -> None:
        """Append.

        Raises:
            RequestFault: there is more than the server takes.
        """
        self.size += len(data)
        self.allow(self.size)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def keep(self) -> None:
        """All of it came: put it on the disk to stay."""
        os.fdatasync(self._file.fileno())
        self._kept = True


class Uploads:
    """The uploads of one data folder."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder / "uploads"
        self._folder.mkdir(mode=0o700, exist_ok=True)

    def new(self, owner: str, origin: str) -> str:
        """Begin an upload; returns its name, which cannot be guessed."""
        name = secrets.token_hex(16)
        with self._store.transaction() as db:
            db.execute(
                "INSERT INTO upload (name, owner, origin, created) VALUES (?, ?, ?, ?)",
                (name, owner, origin, time.time()),
            )
        return name

    def find(self, name: str, owner: str, lifetime_s: float) -> Upload:
        """The upload of this name.

        Raises:
            Refused: there is none that this owner may use, or its time is over.
        """
        with self._store.reading() as db:
            row = db.execute(
                "SELECT name, owner, origin, created FROM upload WHERE name = ?", (name,)
            ).fetchone()
        # whose file it is stays untold: another company's name is as good as no name
        if row is None or row["owner"] != owner or row["created"] + lifetime_s < time.time():
            raise Refused(f"file {name!r} is unknown or has expired")
        return Upload(*row)

    def incoming(self, limit_bytes: int) -> IncomingFile:
        """A place for bytes that are about to come."""
        return IncomingFile(self._folder / secrets.token_hex(16), limit_bytes)

    def add_segment(self, name: str, position: int, received: IncomingFile) -> None:
        """Let a whole segment count.

        Raises:
            Refused: the upload is gone by now.
        """
        received.keep()
        try:
            with self._store.transaction() as db:
                db.execute(
                    "INSERT INTO segment (upload, position, length, file) VALUES (?, ?, ?, ?)",
                    (name, position, received.size, received.path.name),
                )
        except sqlite3.IntegrityError as error:
            received.path.unlink(missing_ok=True)
            raise Refused(f"file {name!r} is unknown or has expired") from error

    def segments(self, name: str) -> list[Segment]:
        """What has come so far, in the order of coming."""
        with self._store.reading() as db:
            rows = db.execute(
                "SELECT number, position, length, file FROM segment WHERE upload = ?"
                " ORDER BY number",
                (name,),
            )
            return [Segment(*row) for row in rows]

    def read(self, extents: Sequence[Extent]) -> Iterator[bytes]:
        """The bytes of these extents, one after the other."""
        for extent in extents:
            with (self._folder / extent.file).open("rb") as file:
                file.seek(extent.offset)
                rest = extent.length
                while rest:
                    data = file.read(min(rest, _READ_BYTES))
                    if not data:
                        raise OSError(f"segment file {extent.file} has lost its end")
                    rest -= len(data)
                    yield data

    def expire(self, lifetime_s: float) -> None:
        """Remove the uploads whose time is over."""
        with self._store.transaction() as db:
            over = time.time() - lifetime_s
            files = [
                row["file"]
                for row in db.execute(
                    "SELECT file FROM segment JOIN upload ON upload.name = segment.upload"
                    " WHERE upload.created < ?",
                    (over,),
                )
            ]
            count = db.execute("DELETE FROM upload WHERE created < ?", (over,)).rowcount
        for file in files:
            (self._folder / file).unlink(missing_ok=True)
        if count:
            log.info("%d expired uploads removed", count)

    def sweep(self) -> None:
        """Remove what a crash left behind; only while no request is being served."""
        with self._store.reading() as db:
            known = {row["file"] for row in db.execute("SELECT file FROM segment")}
        for path in self._folder.iterdir():
            if path.name not in known:
                path.unlink()


def assembled(segments: Sequence[Segment]) -> list[Extent]:
    """Where each byte of the whole file is: in the segment that came last for it.

    Raises:
        Refused: there is nothing, or a byte before the end never came.
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
            raise Refused(f"the file is not complete: byte {position} is missing")
    if not extents:
        raise Refused("the file is empty")
    return extents
