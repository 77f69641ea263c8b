"""Uploaded files: their segments on disk, and which bytes have arrived.

Each segment is a file of its own, and the database names it only when it is complete and on
disk. Segments may arrive in any order and in parallel; later bytes replace earlier ones.
"""

from __future__ import annotations

import contextlib
import heapq
import logging
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cirrus_cloudlet.errors import Refusal, RequestFault
from cirrus_cloudlet.files import open_private
from cirrus_cloudlet.storage.database import Store

log = logging.getLogger(__name__)
_READ_BYTES = 1024 * 1024


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


class IncomingFile:
    """A segment while it arrives; `close` removes it, unless `keep` was called."""

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self.path = path
        self.size = 0
        self._limit_bytes = limit_bytes
        self._kept = False
        self._file = open(path, "xb", 0, opener=open_private)  # noqa: SIM115 - see `close`

    def close(self) -> None:
        self._file.close()
        if not self._kept:
            self.path.unlink(missing_ok=True)

    def check_size(self, size_bytes: int) -> None:
        """Raise RequestFault if a size is above the limit."""
        if size_bytes > self._limit_bytes:
            raise RequestFault(413, f"the limit is {self._limit_bytes} bytes")

    def write(self, data: bytes) -> None:
        """Append data; raise RequestFault if the size is above the limit."""
        self.size += len(data)
        self.check_size(self.size)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def keep(self) -> None:
        """Write the complete segment to disk, and keep it."""
        os.fdatasync(self._file.fileno())
        self._kept = True


class Uploads:
    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder / "uploads"
        self._folder.mkdir(mode=0o700, exist_ok=True)

    def new(self, owner: str, origin: str) -> str:
        """Begin an upload by the request `origin`; return its name, which cannot be guessed."""
        name = secrets.token_hex(16)
        self._store.execute(
            "INSERT INTO upload (name, owner, origin, created) VALUES (?, ?, ?, ?)",
            *(name, owner, origin, time.time()),
        )
        return name

    def find_origin(self, name: str, owner: str, lifetime_s: float) -> str:
        """Find the request that began an upload; raise Refusal if it is unknown or has expired."""
        rows = self._store.execute(
            "SELECT origin FROM upload WHERE name = ? AND owner = ? AND created >= ?",
            *(name, owner, time.time() - lifetime_s),
        )
        if not rows:
            # the same message for another company's file, so that its name is not confirmed
            raise Refusal(f"file {name!r} is unknown or has expired")
        return str(rows[0]["origin"])

    def incoming(self, limit_bytes: int) -> contextlib.closing[IncomingFile]:
        return contextlib.closing(IncomingFile(self._folder / secrets.token_hex(16), limit_bytes))

    def add_segment(self, name: str, position: int, received: IncomingFile) -> None:
        """Add a complete segment to an upload; raise Refusal if the upload has expired."""
        received.keep()
        try:
            self._store.execute(
                "INSERT INTO segment (upload, position, length, file) VALUES (?, ?, ?, ?)",
                *(name, position, received.size, received.path.name),
            )
        except sqlite3.IntegrityError as error:
            received.path.unlink(missing_ok=True)
            raise Refusal(f"file {name!r} is unknown or has expired") from error

    def segments(self, name: str) -> list[Segment]:
        """List the segments of an upload in the order of their arrival."""
        rows = self._store.execute(
            "SELECT number, position, length, file FROM segment WHERE upload = ? ORDER BY number",
            name,
        )
        return [Segment(*row) for row in rows]

    def read(self, extents: Sequence[Extent]) -> Iterator[bytes]:
        for extent in extents:
            with (self._folder / extent.file).open("rb") as file:
                file.seek(extent.offset)
                rest = extent.length
                while rest:
                    data = file.read(min(rest, _READ_BYTES))
                    if not data:
                        raise OSError(f"segment file {extent.file} is truncated")
                    rest -= len(data)
                    yield data

    def expire(self, lifetime_s: float) -> None:
        """Remove the uploads that are older than `lifetime_s` seconds."""
        over = time.time() - lifetime_s
        with self._store.transaction() as db:
            files = db.execute(
                "DELETE FROM segment WHERE upload IN (SELECT name FROM upload WHERE created < ?)"
                " RETURNING file",
                (over,),
            ).fetchall()
            count = db.execute("DELETE FROM upload WHERE created < ?", (over,)).rowcount
        for row in files:
            (self._folder / row["file"]).unlink(missing_ok=True)
        if count:
            log.info("%d expired uploads removed", count)

    def sweep(self) -> None:
        """Remove leftovers of a crash; call this only while no request is served."""
        known = {row["file"] for row in self._store.execute("SELECT file FROM segment")}
        for path in self._folder.iterdir():
            if path.name not in known:
                path.unlink()


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
