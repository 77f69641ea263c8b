"""Compressed streams in pieces of any size."""

from __future__ import annotations

import gzip
import zlib

from hypothesis import given
from hypothesis import strategies as st

from cirrus_cloudlet.compression import Compression, decompressed


@given(st.binary(max_size=3000), st.integers(1, 50), st.sampled_from(list(Compression)))
def test_whole_whatever_the_pieces(data: bytes, size: int, compression: Compression) -> None:
    """What comes out is what went in, wherever the network cuts it."""
    packed = {
        Compression.NONE: data,
        Compression.ZLIB: zlib.compress(data),
        Compression.GZIP: gzip.compress(data),
    }[compression]
    pieces = [packed[at : at + size] for at in range(0, len(packed), size)]
    assert b"".join(decompressed(pieces, compression)) == data


def test_pieces_stay_small() -> None:
    """A small upload that holds a large document never is in memory whole."""
    packed = zlib.compress(bytes(50_000_000))
    sizes = [len(piece) for piece in decompressed([packed], Compression.ZLIB)]
    assert sum(sizes) == 50_000_000
    assert max(sizes) <= 1024 * 1024
