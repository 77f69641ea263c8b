"""Decompression of streams in pieces of any size."""

from __future__ import annotations

import gzip
import zlib

from hypothesis import given
from hypothesis import strategies as st

from cirrus_cloudlet.compression import Compression, decompress


@given(st.binary(max_size=3000), st.integers(1, 50), st.sampled_from(list(Compression)))
def test_pieces_of_any_size(data: bytes, size: int, compression: Compression) -> None:
    """The data is the same for every size of the pieces."""
    packed = {
        Compression.NONE: data,
        Compression.ZLIB: zlib.compress(data),
        Compression.GZIP: gzip.compress(data),
    }[compression]
    pieces = [packed[at : at + size] for at in range(0, len(packed), size)]
    assert b"".join(decompress(pieces, compression)) == data


def test_pieces_stay_small() -> None:
    """A large document from a small upload is never in memory as a whole."""
    packed = zlib.compress(bytes(50_000_000))
    sizes = [len(piece) for piece in decompress([packed], Compression.ZLIB)]
    assert sum(sizes) == 50_000_000
    assert max(sizes) <= 1024 * 1024
