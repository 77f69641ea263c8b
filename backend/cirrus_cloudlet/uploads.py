"""Uploaded bytes on disk: temporary files filled by segments, and the documents made of them.

Bodies are never held in memory. A temporary file counts only the bytes of requests that came
whole. A document is the uploaded data decompressed and checked to its last byte.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import secrets
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from cirrus_cloudlet.faults import Refusal
from cirrus_cloudlet.store import Store

EXPIRE_S = 24 * 3600
READ_BYTES = 256 * 1024
DOCUMENT_BYTES = 4 * 1024**3
NONE, ZLIB, GZIP = "0", "1", "2"


class Uploads:
    """Temporary files and documents below `folder`."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._temporary = folder / "uploads"
        self._documents = folder / "documents"
        self._store = store
        for path in (self._temporary, self._documents):
            path.mkdir(mode=0o700, exist_ok=True)

    def new(self, owner: str) -> str:
        """A new empty temporary file of the key `owner`; its name."""
        name = secrets.token_hex(16)
        (self._temporary / name).touch(mode=0o600)
        self._store.add_upload(name, owner)
        return name

    def open_at(self, name: str, owner: str, index: int) -> BinaryIO:
        """The file, to be written from byte `index`.

        Raises:
            Refusal: no such file, another key's file, or an index out of bounds.
        """
        self._own(name, owner)
        if not 0 <= index < DOCUMENT_BYTES:
            raise Refusal(f"index {index} is out of range")
        file = (self._temporary / name).open("r+b", buffering=0)
        file.seek(index)
        return file

    def written(self, name: str, start: int, end: int) -> None:
        """The bytes from `start` up to `end` have come whole."""
        if end > start:
            self._store.add_range(name, start, end)

    def document(self, name: str, owner: str, compression: str) -> dict[str, Any]:
        """Make a document of a temporary file, which stays for further submits.

        Returns:
            id, size (bytes), sha256 (hex) and format, as `Store.add_jobs` takes them.

        Raises:
            Refusal: unknown file, missing bytes, empty, or not what `compression` says.
        """
        ranges = self._own(name, owner)["ranges"]
        if not ranges:
            raise Refusal("the file is empty")
        if ranges[0][0] > 0 or len(ranges) > 1:
            raise Refusal(f"byte {0 if ranges[0][0] else ranges[0][1]} of the file is missing")
        document_id = secrets.token_hex(16)
        path = self.path(document_id)
        digest, size, head = hashlib.sha256(), 0, b""
        try:
            with (self._temporary / name).open("rb") as source, path.open("xb") as out:
                for chunk in _plain(source, compression):
                    digest.update(chunk)
                    size += len(chunk)
                    head = head or chunk[:2048]
                    if size > DOCUMENT_BYTES:
                        raise Refusal("the document is too large")
                    out.write(chunk)
                out.flush()
                os.fsync(out.fileno())
            if size == 0:
                raise Refusal("the document is empty")
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return {
            "id": document_id, "size": size, "sha256": digest.hexdigest(), "format": sniff(head),
        }  # fmt: skip

    def forget_document(self, document_id: str) -> None:
        """A document that no job came of."""
        self.path(document_id).unlink(missing_ok=True)

    def path(self, document_id: str) -> Path:
        """Where a document is."""
        return self._documents / document_id

    def expire(self) -> None:
        """Remove temporary files that nobody has submitted for a day."""
        for name in self._store.expire_uploads(time.time() - EXPIRE_S):
            (self._temporary / name).unlink(missing_ok=True)

    def _own(self, name: str, owner: str) -> dict[str, Any]:
        upload = self._store.upload(name)
        if upload is None or upload["owner"] != owner:
            raise Refusal(f"no file '{name[:64]}' here; it may have expired")
        return upload


def _plain(source: BinaryIO, compression: str) -> Iterator[bytes]:
    """The decompressed content, checked: one whole stream and nothing behind it."""
    if compression == ZLIB:
        return _inflated(source)
    return _gunzipped(source) if compression == GZIP else _pieces(source)


def _pieces(source: BinaryIO) -> Iterator[bytes]:
    while chunk := source.read(READ_BYTES):
        yield chunk


def _gunzipped(source: BinaryIO) -> Iterator[bytes]:
    try:
        with gzip.GzipFile(fileobj=source) as stream:
            while chunk := stream.read(READ_BYTES):
                yield chunk
    except (OSError, EOFError, zlib.error) as error:
        raise Refusal(f"the file is not whole gzip data (RFC 1952): {error}") from None


def _inflated(source: BinaryIO) -> Iterator[bytes]:
    stream = zlib.decompressobj()
    try:
        for chunk in _pieces(source):
            left = chunk
            while left and not stream.eof:
                yield stream.decompress(left, READ_BYTES)
                left = stream.unconsumed_tail
            if stream.unused_data or (stream.eof and left):
                raise Refusal("there are bytes behind the end of the zlib stream")
        yield stream.flush()
    except zlib.error as error:
        raise Refusal(f"the file is not zlib data (RFC 1950): {error}") from None
    if not stream.eof:
        raise Refusal("the zlib stream (RFC 1950) is not complete")


def sniff(head: bytes) -> str:
    """The format of a document by its first bytes: pdf, ps, pcl, pcl6, txt or bin."""
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if b"ENTER LANGUAGE" in head:
        language = head.split(b"ENTER LANGUAGE", 1)[1][:40].upper()
        for sign, name in ((b"PCLXL", "pcl6"), (b"POSTSCRIPT", "ps"), (b"PDF", "pdf")):
            if sign in language:
                return name
        return "pcl"
    if head.startswith(b"%!"):
        return "ps"
    if b") HP-PCL XL" in head:
        return "pcl6"
    if head.startswith(b"\x1b"):
        return "pcl"
    text = all(byte >= 32 or byte in b"\t\n\r\f" for byte in head)
    return "txt" if text else "bin"
