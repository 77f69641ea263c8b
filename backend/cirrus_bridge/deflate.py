"""One RFC 1950 (zlib) stream over a whole document, made as the document is read.

Pure: chunks in, chunks out; nothing is kept beyond zlib's own window.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator


def deflate(chunks: Iterable[bytes], level: int) -> Iterator[bytes]:
    """Compress `chunks` into one zlib stream at `level` (1 fastest to 9 smallest)."""
    stream = zlib.compressobj(level)
    for chunk in chunks:
        if packed := stream.compress(chunk):
            yield packed
    yield stream.flush()
