"""One RFC 1950 (zlib) stream over a whole document, made as the document is read.

Pure: chunks in, chunks out; nothing is kept beyond the compressor's own window.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from isal import isal_zlib

from cirrus_bridge.config.queue_options import AUTO_LEVEL

# ISA-L's level 0 makes data larger that is compressed already; 1 does not, and takes a small part
# of the time of zlib's level 1 for about the same size.
ISAL_LEVEL = 1


def deflate(chunks: Iterable[bytes], level: int) -> Iterator[bytes]:
    """Compress `chunks` into one zlib stream at `level` (1 fastest to 9 smallest, by zlib), or
    with the faster ISA-L for AUTO_LEVEL."""
    automatic = level == AUTO_LEVEL
    stream = isal_zlib.compressobj(ISAL_LEVEL) if automatic else zlib.compressobj(level)
    for chunk in chunks:
        if packed := stream.compress(chunk):
            yield packed
    yield stream.flush()
