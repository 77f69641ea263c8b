"""The client's spool: documents on disk, fetched with resume and checked by their digest."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from cirrus_cloudlet.files import open_private, sync_folder


class Source(Protocol):
    """Opens a document at a byte position; gives the position of the answer, and the bytes."""

    def __call__(self, *, position: int) -> AbstractContextManager[tuple[int, Iterator[bytes]]]: ...


class WrongDocument(Exception):
    """The server's document is not the one that it has announced."""


class Spool:
    """The documents of a client, each under a name of its job's claim."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)

    def path(self, token: str) -> Path:
        """Where the complete document of a claim is."""
        return self._folder / hashlib.sha256(token.encode()).hexdigest()[:32]

    def has(self, token: str) -> bool:
        return self.path(token).exists()

    def count_bytes(self, token: str) -> int:
        """The bytes of an incomplete document that are here."""
        try:
            return self.path(token).with_suffix(".part").stat().st_size
        except FileNotFoundError:
            return 0

    def fetch(
        self, token: str, size: int, sha256: str, source: Source, told: Callable[[int], None]
    ) -> None:
        """Fetch what is missing of a document; the complete document is on disk then.

        Args:
            told: gets the number of bytes that are here, after each piece; it may raise.

        Raises:
            WrongDocument: the bytes differ from size or digest; they are removed.
            OSError: the disk does not take them.
        """
        part = self.path(token).with_suffix(".part")
        with open(part, "ab+", opener=open_private) as file:
            here = file.seek(0, os.SEEK_END)
            if here > size:
                file.truncate(0)
                here = 0
            if here < size:
                with source(position=here) as (start, pieces):
                    if start != here:  # the server has ignored the position
                        file.truncate(start)
                        here = start
                    for piece in pieces:
                        file.write(piece)
                        here += len(piece)
                        if here > size:
                            break
                        told(here)
            file.flush()
            os.fsync(file.fileno())
            if here < size:
                raise ConnectionError("the document ended early")
            file.seek(0)
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if here != size or found != sha256:
            part.unlink()
            raise WrongDocument(f"the document has {here} bytes and the digest {found}")
        part.rename(self.path(token))
        sync_folder(self._folder)

    def remove(self, token: str) -> None:
        path = self.path(token)
        for each in (path, path.with_suffix(".part")):
            each.unlink(missing_ok=True)

    def keep_only(self, tokens: Collection[str]) -> None:
        """Remove all documents but those of some claims."""
        kept = {self.path(token).name for token in tokens}
        for path in self._folder.iterdir():
            if path.name.partition(".")[0] not in kept:
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
