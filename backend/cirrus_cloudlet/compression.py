"""Decompress uploaded data.

A compressed stream is accepted only with its end, the right checksum and no bytes after it.
Memory use does not grow with the document, and processor time grows at most with its bytes.
"""

from __future__ import annotations

import enum
import time
import zlib
from collections.abc import Callable, Iterable, Iterator

from cirrus_cloudlet.errors import Refusal

_PIECE_BYTES = 1024 * 1024  # a small upload may hold gigabytes
_FIRST_FED_BYTES = 4096
_WINDOW = {1: zlib.MAX_WBITS, 2: zlib.MAX_WBITS + 16}  # RFC 1950, RFC 1952
# bgzip ends a member after each 64 KiB of the document, at the latest
_FREE_MEMBERS, _DOCUMENT_BYTES_A_MEMBER = 1000, 1024
# a tenth of what zlib does on a slow machine
_FREE_S, _BYTES_PER_S = 5.0, 16 * 1024 * 1024


class Compression(enum.IntEnum):
    """The values of the API's `cmp`."""

    NONE = 0
    ZLIB = 1
    GZIP = 2


def parse_compression(text: str | None, highest: Compression) -> Compression:
    """Read `cmp` of a request (absent means none); raise Refusal if `cmp` is above `highest`."""
    allowed = {str(each.value): each for each in Compression if each <= highest}
    if (text or "0") not in allowed:
        raise Refusal(f"cmp={text!r}, but this request takes {', '.join(allowed)}")
    return allowed[text or "0"]


def decompress(
    chunks: Iterable[bytes],
    compression: Compression,
    cpu_s: Callable[[], float] = time.thread_time,
) -> Iterator[bytes]:
    """Yield the document's bytes; `cpu_s` tells the thread's processor time in seconds.

    Raises:
        Refusal: the stream is damaged, cut short, has bytes after its end, has more members than
            a document of its size needs (RFC 1952, 2.2), or takes too long.
    """
    stream = Decompressor(compression, cpu_s)
    for chunk in chunks:
        yield from stream.add(chunk)
    yield from stream.finish()


class Decompressor:
    """A zlib stream, or a series of gzip members, with the count of what it has cost.

    The methods raise Refusal as `decompress` does.
    """

    def __init__(
        self, compression: Compression, cpu_s: Callable[[], float] = time.thread_time
    ) -> None:
        self._name = compression.name.lower()
        self._compression = compression
        self._cpu_s = cpu_s
        self._zlib = zlib.decompressobj(_WINDOW.get(compression, zlib.MAX_WBITS))
        self._fed_bytes = _FIRST_FED_BYTES
        self._members = 1
        self._in = self._out = 0
        self._spent_s = 0.0

    def add(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the pieces that the stream's next bytes hold."""
        if self._compression is Compression.NONE:
            yield chunk
            return
        rest = memoryview(chunk)
        while rest:
            piece, taken = self._feed(rest)
            rest = rest[taken:]
            if piece:
                yield piece

    def finish(self) -> Iterator[bytes]:
        """Yield the last pieces, when the stream has no more bytes."""
        while not self._zlib.eof and self._compression is not Compression.NONE:
            piece, _ = self._feed(b"")
            if not piece:
                raise Refusal(f"the {self._name} data is incomplete")
            yield piece

    def _feed(self, data: bytes | memoryview) -> tuple[bytes, int]:
        """Decompress the beginning of `data`; return the piece, and the count of bytes taken."""
        if self._zlib.eof:
            self._begin_member()
        # zlib copies the bytes behind a member, so feed about as many as the member had so far
        fed = data[: self._fed_bytes]
        self._fed_bytes = min(self._fed_bytes * 2, _PIECE_BYTES)
        began_s = self._cpu_s()
        try:
            piece = self._zlib.decompress(fed, _PIECE_BYTES)
        except zlib.error as error:
            raise Refusal(f"the {self._name} data is damaged: {error}") from error
        self._spent_s += self._cpu_s() - began_s
        left = self._zlib.unused_data if self._zlib.eof else self._zlib.unconsumed_tail
        taken = len(fed) - len(left)
        self._in += taken
        self._out += len(piece)
        if self._spent_s > _FREE_S + (self._in + self._out) / _BYTES_PER_S:
            raise Refusal(f"the {self._name} data takes too long to decompress")
        return piece, taken

    def _begin_member(self) -> None:
        if self._compression is Compression.ZLIB:
            raise Refusal(f"there are bytes after the end of the {self._name} data")
        self._members += 1
        if self._members > _FREE_MEMBERS + self._out // _DOCUMENT_BYTES_A_MEMBER:
            raise Refusal(f"the gzip data has {self._members} members, too many for its size")
        self._zlib = zlib.decompressobj(_WINDOW[self._compression])
        self._fed_bytes = _FIRST_FED_BYTES
