"""Documents: the decompressed bytes that jobs deliver, with their size, digest and format.

A document is on disk before the database names it, and never changes. Only a document without
unfinished and saved jobs is removed.
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

from cirrus_cloudlet.errors import Refusal
from cirrus_cloudlet.files import open_private, sync_folder
from cirrus_cloudlet.formats import HEAD_BYTES, sniff
from cirrus_cloudlet.storage.database import Store

log = logging.getLogger(__name__)


class Document(NamedTuple):
    """A stored document; `segments` are the lengths of its uploaded segments in bytes."""

    id: str
    size: int
    sha256: str
    format: str
    segments: Sequence[int]


class Documents:
    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder / "documents"
        self._folder.mkdir(mode=0o700, exist_ok=True)

    def path(self, document_id: str) -> Path:
        """The path of a document's bytes, even if they were pruned."""
        return self._folder / document_id

    def write(self, chunks: Iterable[bytes], segments: Sequence[int], limit: int) -> Document:
        """Store a document's bytes; call `insert` or `discard` next.

        Raises:
            Refusal: the document is empty or larger than `limit` bytes, or `chunks` raises it.
        """
        path = self._folder / secrets.token_hex(16)
        digest = hashlib.sha256()
        head = b""
        size = 0
        try:
            with open(path, "xb", opener=open_private) as file:
                for chunk in chunks:
                    size += len(chunk)
                    if size > limit:
                        raise Refusal(f"the document is larger than {limit} bytes")
                    head += chunk[: HEAD_BYTES - len(head)]
                    digest.update(chunk)
                    file.write(chunk)
                if not size:
                    raise Refusal("the document is empty")
                file.flush()
                os.fsync(file.fileno())
            sync_folder(self._folder)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Document(path.name, size, digest.hexdigest(), sniff(head), segments)

    def insert(self, db: sqlite3.Connection, document: Document) -> None:
        """Add a document to the database, in the transaction of its jobs."""
        db.execute(
            "INSERT INTO document (id, size, sha256, format, segments, created)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (document.id, document.size, document.sha256, document.format,
             json.dumps(list(document.segments)), time.time()),
        )  # fmt: skip

    def discard(self, document: Document) -> None:
        """Remove a document that has no job."""
        self.path(document.id).unlink(missing_ok=True)

    def prune(self, age_s: float) -> None:
        """Remove the bytes of documents whose jobs all ended more than `age_s` seconds ago."""
        rows = self._store.execute(
            "UPDATE document SET pruned = 1 WHERE NOT pruned AND NOT EXISTS ("
            " SELECT 1 FROM job WHERE job.document = document.id"
            " AND (job.state IN (0, 1, 8) OR job.updated > ?)) RETURNING id",
            time.time() - age_s,
        )
        for row in rows:
            self.path(row["id"]).unlink(missing_ok=True)
        if rows:
            log.info("%d old documents removed", len(rows))

    def sweep(self) -> None:
        """Remove leftovers of a crash; call this only while no request is served."""
        known = {
            row["id"] for row in self._store.execute("SELECT id FROM document WHERE NOT pruned")
        }
        for path in self._folder.iterdir():
            if path.name not in known:
                path.unlink()
