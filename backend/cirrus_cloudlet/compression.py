"""Decompress uploaded data.

A compressed stream is accepted only with its end, the right checksum and no bytes after it.
Memory use does not grow with the document.
"""

from __future__ import annotations

import enum
import zlib
from collections.abc import Iterable, Iterator

from cirrus_cloudlet.errors import Refusal

_PIECE_BYTES = 1024 * 1024  # a small upload may hold gigabytes
_WINDOW = {1: zlib.MAX_WBITS, 2: zlib.MAX_WBITS + 16}  # RFC 1950, RFC 1952


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


def decompress(chunks: Iterable[bytes], compression: Compression) -> Iterator[bytes]:
    """Yield the document's bytes; raise Refusal if the stream is damaged, cut short, or has bytes
    after its end."""
    if compression is Compression.NONE:
        yield from chunks
        return
    name = compression.name.lower()
    stream = zlib.decompressobj(_WINDOW[compression])
    try:
        for chunk in chunks:
            rest = chunk
            while rest:
                if stream.eof and compression is Compression.ZLIB:
                    raise Refusal(f"there are bytes after the end of the {name} data")
                if stream.eof:  # RFC 1952: a gzip file is a series of members
                    stream = zlib.decompressobj(_WINDOW[compression])
                if piece := stream.decompress(rest, _PIECE_BYTES):
                    yield piece
                rest = stream.unused_data if stream.eof else stream.unconsumed_tail
        while not stream.eof:
            if not (piece := stream.decompress(b"", _PIECE_BYTES)):
                raise Refusal(f"the {name} data is incomplete")
            yield piece
    except zlib.error as error:
        raise Refusal(f"the {name} data is damaged: {error}") from error
