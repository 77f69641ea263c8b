"""Cut a stream of bytes into segments for upload. Pure; holds one segment at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cirrus_bridge.model import Segment


def cut(chunks: Iterable[bytes], *, first_bytes: int, then_bytes: int) -> Iterator[Segment]:
    """Cut `chunks` into one segment of `first_bytes` and further ones of `then_bytes`.

    Only the last segment may be shorter, and none is empty. The first has a size of its own
    because a stream that fits into it takes another way to the server.
    """
    pending = bytearray()
    index, size = 0, first_bytes
    for chunk in chunks:
        pending += chunk
        while len(pending) >= size:
            yield Segment(index, bytes(pending[:size]))
            del pending[:size]
            index, size = index + size, then_bytes
    if pending:
        yield Segment(index, bytes(pending))
