"""URF: what a client has drawn is what is read, and other bytes end in one error."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirrus_bridge.base.errors import BadDocument
from cirrus_bridge.ipp_server.documents import urf
from cirrus_bridge.ipp_server.documents.raster import Colors, RasterPage
from raster_documents import COMPONENTS, URF_SPACES, Picture
from raster_documents import urf as document


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    """Small pictures with repeated and single pixels and rows."""
    colors = draw(st.sampled_from(tuple(URF_SPACES)))
    pixel = COMPONENTS.get(colors, 3) * draw(st.sampled_from([1, 2]))
    width = draw(st.integers(1, 300))
    few = draw(st.lists(st.binary(min_size=pixel, max_size=pixel), min_size=1, max_size=3))
    rows = [
        b"".join(draw(st.lists(st.sampled_from(few), min_size=width, max_size=width)))
        for _ in range(draw(st.integers(1, 2)))
    ]
    bits = pixel // COMPONENTS.get(colors, 3) * 8
    return Picture(width, rows * draw(st.integers(1, 300)), colors, bits)


def _read(data: bytes) -> list[tuple[RasterPage, list[bytes]]]:
    return [
        (page, [row for row, times in rows for _ in range(times)])
        for page, rows in urf.pages(io.BytesIO(data))
    ]


@given(st.lists(pictures(), min_size=1, max_size=3), st.sampled_from([None, 0, 77]))
def test_pages_are_read_as_they_were_drawn(drawn: list[Picture], claimed: int | None) -> None:
    """Each page has its rows, its size and its depth, whatever number of pages is claimed."""
    read = _read(document(drawn, claimed))
    assert [rows for _, rows in read] == [list(each.rows) for each in drawn]
    for (page, _), each in zip(read, drawn, strict=True):
        assert (page.width, page.height) == (each.width, len(each.rows))
        assert (page.dpi, page.bits) == ((each.dpi, each.dpi), each.bits)
        assert page.mirrored == (False, False)


def test_colors() -> None:
    """Gray, RGB, Adobe RGB and CMYK are told apart."""
    names = ("sgray", "gray", "srgb", "rgb", "adobe-rgb", "cmyk")
    read = [_read(document([Picture(1, [bytes(COMPONENTS.get(name, 3))], name)])) for name in names]
    expected = [*[Colors.GRAY] * 2, *[Colors.RGB] * 2, Colors.ADOBE_RGB, Colors.CMYK]
    assert [pages[0][0].colors for pages in read] == expected


def _page(bits: int, space: int, width: int, height: int, dpi: int) -> bytes:
    header = struct.pack(">6B6x3I8x", bits, space, 1, 4, 0, 0, width, height, dpi)
    return b"UNIRAST\0" + bytes(4) + header + bytes([0, 128]) * 8


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"UNIRAST",
        _page(8, 0, 8, 8, 300)[:30],
        _page(8, 0, 8, 8, 300)[:-1],
        _page(8, 0, 8, 9, 300),  # a row is missing
        _page(8, 0, 8, 8, 0),
        _page(8, 0, 0, 8, 300),
        _page(8, 0, 8, 0xFFFFFFFF, 300),
        _page(24, 1, 0x7FFFFFFF, 8, 300),
        _page(8, 1, 8, 8, 300),  # three colors in a byte
        _page(12, 0, 8, 8, 300),
        _page(0, 0, 8, 8, 300),
        _page(24, 2, 8, 8, 300),  # CIE L*a*b*
        _page(8, 200, 8, 8, 300),
    ],
)
def test_hostile_documents(data: bytes) -> None:
    """Unknown colors, giant pages and documents that end early are refused."""
    with pytest.raises(BadDocument):
        _read(data)


@given(st.binary(max_size=2000))
def test_any_bytes(data: bytes) -> None:
    """Bytes of any kind are read or refused, behind any part of a good beginning."""
    for beginning in (b"", b"UNIRAST\0", b"UNIRAST\0" + bytes(4), _page(8, 0, 8, 8, 300)):
        try:
            _read(beginning + data)
        except BadDocument as error:
            assert error.text.startswith("The document")
