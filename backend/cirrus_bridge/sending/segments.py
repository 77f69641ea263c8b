"""A document's bytes → one zlib stream (RFC 1950) → segments for upload.

Pure: chunks in, chunks out. Nothing is kept beyond the compressor's window and one segment.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator

from isal import isal_zlib

from cirrus_bridge.base.model import Segment
from cirrus_bridge.config.queue_options import AUTO_LEVEL

# ISA-L's level 0 makes data larger that is compressed already; 1 does not, and takes a small part
# of the time of zlib's level 1 for about the same size.
ISAL_LEVEL = 1
SMALLEST_BYTES = 64 * 1024
QUICK_S = 0.5
SLOW_S = 4.0


def deflate(chunks: Iterable[bytes], level: int) -> Iterator[bytes]:
    """Compress `chunks` into one zlib stream at `level` (1 fastest to 9 smallest, by zlib), or
    with the faster ISA-L for AUTO_LEVEL."""
    automatic = level == AUTO_LEVEL
    stream = isal_zlib.compressobj(ISAL_LEVEL) if automatic else zlib.compressobj(level)
    for chunk in chunks:
        if packed := stream.compress(chunk):
            yield packed
    yield stream.flush()


def cut(chunks: Iterable[bytes], size_at: Callable[[int], int]) -> Iterator[Segment]:
    """Cut `chunks` into segments; `size_at(index)` is the size of the one that begins there.

    Only the last segment may be shorter than its size, and none is empty.
    """
    pending = bytearray()
    index = 0
    size = size_at(0)
    for chunk in chunks:
        pending += chunk
        while len(pending) >= size:
            yield Segment(index, bytes(pending[:size]))
            del pending[:size]
            index, size = index + size, size_at(index + size)
    if pending:
        yield Segment(index, bytes(pending))


def next_size(size_bytes: int, *, took_s: float | None, largest_bytes: int) -> int:
    """A better size for further segments, after one of `size_bytes` that took `took_s`.

    A segment should outlast the latency of its request by far, and a failed one (None) should
    not cost much. Only a full segment says something about a larger one.
    """
    if took_s is None or took_s > SLOW_S:
        return smaller_size(size_bytes)
    return min(size_bytes * 2, largest_bytes) if took_s < QUICK_S else size_bytes


def smaller_size(size_bytes: int) -> int:
    """Half the size, but no less than SMALLEST_BYTES; a size that is less already stays."""
    return max(size_bytes // 2, min(size_bytes, SMALLEST_BYTES))


def split(segment: Segment, size_bytes: int) -> list[Segment]:
    """The same bytes at the same places, in segments of `size_bytes` at most."""
    data = segment.data
    return [
        Segment(segment.index + at, data[at : at + size_bytes])
        for at in range(0, len(data), size_bytes)
    ]
