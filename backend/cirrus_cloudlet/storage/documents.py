"""Documents: the decompressed bytes that jobs deliver, with their size, digest and format.

A document is on the disk before the database names it, and is never changed. It is removed only
when no unfinished or saved job needs it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from cirrus_cloudlet.errors import Refused
from cirrus_cloudlet.formats import HEAD_BYTES, sniff
from cirrus_cloudlet.storage.database import Store

log = logging.getLogger(__name__)


class Document(NamedTuple):
    """What is known of a document; `segments` are the lengths it was uploaded in."""

    id: str
    size: int
    sha256: str
    format: str
    segments: Sequence[int]


class Documents:
    """The documents of one data folder."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder / "documents"
        self._folder.mkdir(mode=0o700, exist_ok=True)

    def path(self, document_id: str) -> Path:
        """Where a document's bytes are, or were before they were pruned."""
        return self._folder / document_id

    def write(self, chunks: Iterable[bytes], segments: Sequence[int], limit: int) -> Document:
        """Store a document's bytes; `insert` or `discard` it next.

        Raises:
            Refused: there are none, or too many, or `chunks` refuses.
        """
        path = self._folder / secrets.token_hex(16)
        digest = hashlib.sha256()
        head = b""
        size = 0
        try:
            with path.open("xb") as file:
                for chunk in chunks:
                    size += len(chunk)
                    if size > limit:
                        raise Refused(f"the document is larger than {limit} bytes")
                    head += chunk[: HEAD_BYTES - len(head)]
                    digest.update(chunk)
                    file.write(chunk)
                if not size:
                    raise Refused("the document is empty")
                file.flush()
                os.fsync(file.fileno())
            _sync_folder(self._folder)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Document(path.name, size, digest.hexdigest(), sniff(head), segments)

    def insert(self, db: sqlite3.Connection, document: Document) -> None:
        """Name a document in the database, in the transaction of its jobs."""
        db.execute(
            "INSERT INTO document (id, size, sha256, format, segments, created)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (document.id, document.size, document.sha256, document.format,
             json.dumps(list(document.segments)), time.time()),
        )  # fmt: skip

    def discard(self, document: Document) -> None:
        """Forget a document that no job came of."""
        self.path(document.id).unlink(missing_ok=True)

    def prune(self, age_s: float) -> None:
        """Remove the bytes of documents all of whose jobs ended longer ago than this."""
        with self._store.transaction() as db:
            ids = [
                row["id"]
                for row in db.execute(
                    "SELECT id FROM document WHERE NOT pruned AND NOT EXISTS ("
                    " SELECT 1 FROM job WHERE job.document = document.id"
                    " AND (job.state IN (0, 1, 8) OR job.updated > ?))",
                    (time.time() - age_s,),
                )
            ]
            db.executemany("UPDATE document SET pruned = 1 WHERE id = ?", [(each,) for each in ids])
        for each in ids:
            self.path(each).unlink(missing_ok=True)
        if ids:
            log.info("%d old documents removed", len(ids))

    def sweep(self) -> None:
        """Remove what a crash left behind; only while no request is being served."""
        with self._store.reading() as db:
            known = {row["id"] for row in db.execute("SELECT id FROM document WHERE NOT pruned")}
        for path in self._folder.iterdir():
            if path.name not in known:
                path.unlink()


def _sync_folder(folder: Path) -> None:
    """Put a new name on the disk, not only the bytes under it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
