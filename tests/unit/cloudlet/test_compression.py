"""Decompression of streams in pieces of any size."""

from __future__ import annotations

import gzip
import itertools
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirrus_cloudlet.compression import Compression, decompress
from cirrus_cloudlet.errors import Refusal

MiB = 1024 * 1024


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


def test_series_of_members() -> None:
    """Blocks of 64 KiB with an empty last one, as bgzip writes them, and small files joined by
    `cat` are one document."""
    text = bytes(range(256)) * 20_000
    blocks = [gzip.compress(text[at : at + 65280]) for at in range(0, len(text), 65280)]
    small = [gzip.compress(b"a line\n") for _ in range(500)]
    packed = b"".join([*blocks, gzip.compress(b""), *small])
    assert b"".join(decompress([packed], Compression.GZIP)) == text + b"a line\n" * 500


@pytest.mark.attacker("print key")
@pytest.mark.parametrize("member", [b"", b"x"], ids=["empty", "one byte"])
def test_members_without_end(member: bytes) -> None:
    """Submit a gzip file of 200,000 tiny members: refused after about a thousand of them."""
    packed = gzip.compress(member) * 200_000
    with pytest.raises(Refusal, match="1001 members"):
        for _ in decompress([packed], Compression.GZIP):
            pass


@pytest.mark.attacker("print key")
def test_slow_streams() -> None:
    """Submit a stream that is slow to decompress: refused after 5 s of processor time, plus 1 s for
    each 16 MiB."""
    packed = zlib.compress(bytes(100 * MiB))
    pieces = decompress([packed], Compression.ZLIB, itertools.count(0, 0.125).__next__)
    with pytest.raises(Refusal, match="takes too long"):
        for number, _ in enumerate(pieces, 1):
            size = number
    # 80 MiB take 5 s more than the stream's own 16 MiB a second
    assert 75 <= size <= 85
