"""A document's bytes → one zlib stream (RFC 1950) → segments for upload.

Pure. Memory holds the compressor's window and one segment.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator

from isal import isal_zlib

from cirrus_bridge.base.model import Segment
from cirrus_bridge.config.queue_options import AUTO_LEVEL

# ISA-L's level 0 enlarges data that is already compressed. Level 1 gives about the size of zlib's
# level 1 in a fraction of its time.
ISAL_LEVEL = 1
SMALLEST_BYTES = 64 * 1024
# a segment should take much longer than its request's latency, but not cost much when it fails, nor
# keep the document waiting when all others are there
QUICK_S = 0.3
SLOW_S = 2.0


def deflate(chunks: Iterable[bytes], level: int) -> Iterator[bytes]:
    """Compress `chunks` into one zlib stream. The level is zlib's from 1 (fastest) to 9 (smallest),
    or AUTO_LEVEL for the faster ISA-L."""
    automatic = level == AUTO_LEVEL
    stream = isal_zlib.compressobj(ISAL_LEVEL) if automatic else zlib.compressobj(level)
    for chunk in chunks:
        if packed := stream.compress(chunk):
            yield packed
    yield stream.flush()


def cut(
    chunks: Iterable[bytes], size_at: Callable[[int], int], index: int = 0
) -> Iterator[Segment]:
    """Cut `chunks` into segments. `size_at` returns the size in bytes of the segment that begins at
    an index. Only the last segment may be shorter than its size; no segment is empty."""
    pending = bytearray()
    size = size_at(index)
    for chunk in chunks:
        pending += chunk
        while len(pending) >= size:
            yield Segment(index, bytes(pending[:size]))
            del pending[:size]
            index, size = index + size, size_at(index + size)
    if pending:
        yield Segment(index, bytes(pending))


def next_size(size_bytes: int, took_s: float, at_once: int, largest_bytes: int) -> int:
    """Choose the size of further segments, while `at_once` are under way, after a segment of
    `size_bytes` would have taken `took_s`. Each segment changes the size by its share, so that one
    segment that was lucky or unlucky on a bad line decides nothing."""
    change = size_bytes // at_once
    if took_s < QUICK_S:
        return min(size_bytes + change, largest_bytes)
    if took_s > SLOW_S:
        return max(size_bytes - change, min(size_bytes, SMALLEST_BYTES))
    return size_bytes


def smaller_size(size_bytes: int, smallest_bytes: int = SMALLEST_BYTES) -> int:
    """Halve a size, down to `smallest_bytes`; a smaller size stays as it is."""
    return max(size_bytes // 2, min(size_bytes, smallest_bytes))
