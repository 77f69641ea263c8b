"""Documents: the decompressed bytes that jobs deliver, with their size, digest and format.

A document is on disk before the database names it, and never changes. Only a document without
unfinished and saved jobs is removed: when it is old, or to make room.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from cirrus_cloudlet.errors import Refusal
from cirrus_cloudlet.files import (
    WrittenFile,
    link_or_copy,
    new_name,
    open_private,
    write_all,
)
from cirrus_cloudlet.formats import Format, FormatDetector
from cirrus_cloudlet.inventory.inventory import LARGEST
from cirrus_cloudlet.storage.database import Store
from cirrus_cloudlet.storage.engine import Connection
from cirrus_cloudlet.storage.quotas import FILE_BYTES, Amount, Owner, Quotas, rows_of

log = logging.getLogger(__name__)
_BATCH = 100  # documents that one transaction removes
# a document has `ended` if all its jobs have, and none is saved
_PRUNE = "UPDATE document SET pruned = true WHERE id IN"
_FIND = "SELECT id FROM document WHERE pruned = false"
_ORDER = "ORDER BY ended LIMIT ?"


class Document(NamedTuple):
    """A stored document.

    Attributes:
        segments: the lengths of its uploaded segments in bytes.
        file: has its bytes; to be synced before the database names the document.
    """

    id: str
    owner: Owner
    size: int
    sha256: str
    format: Format
    segments: Sequence[int]
    file: WrittenFile


def document_folder(folder: Path) -> Path:
    """The folder of the documents' bytes, each under its id, in a data folder."""
    return folder / "documents"


class Documents:
    """The documents of one data folder.

    Attributes:
        folder: where their bytes are, for the transaction that names a new one.
    """

    def __init__(self, store: Store, folder: Path, quotas: Quotas) -> None:
        self._store = store
        self._quotas = quotas
        self.folder = document_folder(folder)
        self.folder.mkdir(mode=0o700, exist_ok=True)

    def path(self, document_id: str) -> Path:
        """The path of a document's bytes, even if they were pruned."""
        return self.folder / document_id

    def write(
        self,
        owner: Owner,
        chunks: Iterable[bytes],
        segments: Sequence[int],
        limit: int,
        turn: AbstractContextManager[object],
        file: Path | None = None,
    ) -> Document:
        """Store a document's bytes; sync the file and call `insert`, or call `discard`.

        The file's name is not on disk then: see `folder`.

        Args:
            limit: the largest size in bytes.
            turn: a lock that is held while a chunk is made and written.
            file: has the bytes of `chunks` and never changes, so that they need no copy.

        Raises:
            Refusal: the document is empty or larger than `limit` bytes, or `chunks` raises it.
            QuotaFull: the owner's quotas have no room.
            FileNotFoundError: `file` is no longer there.
        """
        path = self.folder / new_name()
        digest = hashlib.sha256()
        detector = FormatDetector()
        size = reserved = 0
        rest = iter(chunks)
        try:
            if file:
                link_or_copy(file, path)
            flags = os.O_RDONLY if file else os.O_WRONLY | os.O_CREAT | os.O_EXCL
            descriptor = open_private(os.fspath(path), flags)
            written = WrittenFile(descriptor)
            try:
                while True:
                    with turn:
                        chunk = next(rest, b"")
                        if not chunk:
                            break
                        size += len(chunk)
                        if size > limit:
                            raise Refusal(f"the document is larger than {limit} bytes ({LARGEST})")
                        self._quotas.reserve(owner, Amount(size + FILE_BYTES - reserved))
                        reserved = size + FILE_BYTES
                        detector.add(chunk)
                        digest.update(chunk)
                        if not file:
                            write_all(descriptor, chunk)
                if not size:
                    raise Refusal("the document is empty")
                written.begin_sync()
                with turn:
                    found = detector.format()
            except BaseException:
                written.close()
                raise
        except BaseException:
            path.unlink(missing_ok=True)
            self._quotas.release(owner, Amount(reserved))
            raise
        return Document(path.name, owner, size, digest.hexdigest(), found, segments, written)

    def insert(self, db: Connection, document: Document) -> None:
        """Add a document to the database, in the transaction of its jobs."""
        db.execute(
            "INSERT INTO document"
            " (id, company, key, size, sha256, format, charset, segments, created)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (document.id, *document.owner, document.size, document.sha256, *document.format,
             json.dumps(list(document.segments)), time.time()),
        )  # fmt: skip

    def discard(self, document: Document) -> None:
        """Remove a document that has no job."""
        document.file.close()
        self._remove(document.id, document.owner, document.size)

    def prune(self, age_s: float) -> None:
        """Remove the bytes of documents whose jobs all ended more than `age_s` seconds ago."""
        count, before = 0, time.time() - age_s
        while found := self._prune("AND ended < ?", before):
            count += found
        if count:
            log.info("%d old documents removed", count)

    def make_room(self, company: str, key: str | None) -> bool:
        """Remove the bytes of a company's, or a key's, oldest documents whose jobs all ended."""
        where, values = rows_of(company, key)
        return self._prune(f"AND {where} AND ended IS NOT NULL", *values) > 0

    def is_stored(self, name: str) -> bool:
        """Whether the name of a file in the folder is a document's."""
        found = self._store.execute("SELECT 1 FROM document WHERE id = ? AND pruned = false", name)
        return bool(found)

    def _prune(self, which: str, *values: object) -> int:
        rows = self._store.execute(
            f"{_PRUNE} ({_FIND} {which} {_ORDER}) RETURNING id, company, key, size", *values, _BATCH
        )
        for row in rows:
            self._remove(row["id"], Owner(row["company"], row["key"]), row["size"])
        return len(rows)

    def _remove(self, document_id: str, owner: Owner, size: int) -> None:
        self.path(document_id).unlink(missing_ok=True)
        self._quotas.release(owner, Amount(size + FILE_BYTES))
