"""Compression and segments: one zlib stream, cut without loss."""

from __future__ import annotations

import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirrus_bridge.sending.segments import (
    QUICK_S,
    SLOW_S,
    SMALLEST_BYTES,
    cut,
    deflate,
    next_size,
)

MIB = 1 << 20

CHUNKS = st.lists(st.binary(max_size=300), max_size=20)


@given(chunks=CHUNKS, level=st.integers(0, 9))
def test_one_rfc_1950_stream(chunks: list[bytes], level: int) -> None:
    """zlib reads the result as one stream without trailing data."""
    reader = zlib.decompressobj()
    assert reader.decompress(b"".join(deflate(chunks, level))) == b"".join(chunks)
    assert reader.eof
    assert reader.unused_data == b""


@pytest.mark.parametrize("level", range(10))
def test_noise_does_not_grow(level: int) -> None:
    """Compressed data grows by at most a few bytes in ten thousand."""
    noise = random.Random(1).randbytes(1_000_000)
    assert sum(map(len, deflate([noise], level))) < 1_002_000


@given(chunks=CHUNKS, first=st.integers(1, 64), then=st.integers(1, 64))
def test_cut_keeps_every_byte(chunks: list[bytes], first: int, then: int) -> None:
    """Segments are contiguous, have the requested sizes, and are never empty."""
    segments = list(cut(chunks, lambda index: then if index else first))
    assert b"".join(segment.data for segment in segments) == b"".join(chunks)
    assert [s.index for s in segments] == [0, *(s.end for s in segments)][: len(segments)]
    for number, segment in enumerate(segments[:-1]):
        assert len(segment.data) == (then if number else first)
    assert all(segment.data for segment in segments)


@pytest.mark.parametrize("at_once", [1, 4, 16])
def test_sizes_follow_the_line(at_once: int) -> None:
    """Quick segments double the size about once for each round of those under way, up to the
    largest. Slow segments reduce the size, and others keep it."""
    size = SMALLEST_BYTES
    for _ in range(at_once):
        size = next_size(size, QUICK_S / 2, at_once, MIB)
    assert 2 * SMALLEST_BYTES <= size < 3 * SMALLEST_BYTES
    for _ in range(5 * at_once):
        size = next_size(size, QUICK_S / 2, at_once, MIB)
    assert size == MIB
    assert next_size(size, (QUICK_S + SLOW_S) / 2, at_once, MIB) == MIB
    for _ in range(10 * at_once):
        size = next_size(size, 2 * SLOW_S, at_once, MIB)
    assert size == SMALLEST_BYTES
    assert next_size(1000, 2 * SLOW_S, at_once, MIB) == 1000


def test_a_lucky_segment_decides_little() -> None:
    """One quick segment among sixteen enlarges later segments by a sixteenth."""
    assert next_size(MIB // 2, 0.0, 16, MIB) == MIB // 2 + MIB // 32
