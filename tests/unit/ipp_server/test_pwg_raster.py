"""PWG raster: what a client has drawn is what is read, and other bytes end in one error."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirrus_bridge.base.errors import BadDocument
from cirrus_bridge.ipp_server.documents import pwg_raster
from cirrus_bridge.ipp_server.documents.raster import Colors, RasterPage
from raster_documents import COMPONENTS, PWG_SPACES, Picture
from raster_documents import pwg_raster as document

WHITE_TO_THE_END = 128


@st.composite
def pictures(draw: st.DrawFn, spaces: tuple[str, ...] = tuple(PWG_SPACES)) -> Picture:
    """Small pictures with repeated and single pixels and rows."""
    colors = draw(st.sampled_from(spaces))
    components = COMPONENTS.get(colors, 3)
    bits = draw(st.sampled_from([8, 16, 1] if components == 1 else [8, 16]))
    width = draw(st.integers(1, 300))
    row_bytes = (width * components * bits + 7) // 8
    pixel = max(1, components * bits // 8)
    few = draw(st.lists(st.binary(min_size=pixel, max_size=pixel), min_size=1, max_size=3))
    some = [
        b"".join(draw(st.lists(st.sampled_from(few), min_size=row_bytes, max_size=row_bytes)))
        for _ in range(draw(st.integers(1, 2)))
    ]
    counts = [draw(st.integers(1, 600)) for _ in some]
    rows = [row[:row_bytes] for row, count in zip(some, counts, strict=True) for _ in range(count)]
    transforms = draw(st.tuples(st.sampled_from([1, -1]), st.sampled_from([1, -1])))
    return Picture(width, rows, colors, bits, draw(st.sampled_from([300, 600])), transforms)


def _read(data: bytes) -> list[tuple[RasterPage, list[bytes]]]:
    return [
        (page, [row for row, times in rows for _ in range(times)])
        for page, rows in pwg_raster.pages(io.BytesIO(data))
    ]


@given(st.lists(pictures(), min_size=1, max_size=3))
def test_pages_are_read_as_they_were_drawn(drawn: list[Picture]) -> None:
    """Each page has its rows, its size, its resolution, its depth and the sides that are turned."""
    read = _read(document(drawn))
    assert [rows for _, rows in read] == [list(each.rows) for each in drawn]
    for (page, _), each in zip(read, drawn, strict=True):
        assert (page.width, page.height) == (each.width, len(each.rows))
        assert page.dpi == (each.dpi, each.dpi)
        assert page.bits == each.bits
        assert page.mirrored == tuple(sign == -1 for sign in each.transforms)


def test_the_rest_of_a_row_is_white() -> None:
    """Count 128 fills a row with white, which is 0 for black ink and 255 for light."""
    for colors, white in (("sgray", 255), ("black", 0), ("srgb", 255), ("cmyk", 0)):
        picture = Picture(3, [bytes(3 * COMPONENTS.get(colors, 3))], colors)
        data = document([picture])[: 4 + 1796] + bytes([0, WHITE_TO_THE_END])
        assert _read(data)[0][1] == [bytes([white]) * len(picture.rows[0])]


def test_a_repeat_beyond_the_page_is_cut() -> None:
    """The last row may claim more repeats than the page has rows, as CUPS accepts."""
    data = document([Picture(1, [b"\7"] * 2, "sgray")])
    assert _read(data[: 4 + 1796] + b"\xff\0\7")[0][1] == [b"\7"] * 2


def test_colors() -> None:
    """Color spaces of ink and light are told apart."""
    names = ("black", "sgray", "srgb", "adobe-rgb", "cmyk")
    read = [_read(document([Picture(1, [bytes(COMPONENTS.get(name, 3))], name)])) for name in names]
    found = [pages[0][0].colors for pages in read]
    assert found == [Colors.BLACK, Colors.GRAY, Colors.RGB, Colors.ADOBE_RGB, Colors.CMYK]
    assert len(set(found)) == len(names)


def _header_with(offset: int, *values: int) -> bytes:
    data = bytearray(document([Picture(8, [bytes(8)] * 8, "sgray")]))
    struct.pack_into(f">{len(values)}I", data, 4 + offset, *values)
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RaS2"[::-1] + bytes(1796),
        b"RaS2" + bytes(1000),
        _header_with(276, 0, 300),  # no resolution
        _header_with(372, 0, 8),  # no pixels
        _header_with(372, 0xFFFFFFFF, 8),  # wider than the row
        _header_with(372, 8, 0xFFFFFFFF),  # higher than any paper
        _header_with(384, 8, 24),  # bits of a pixel that are not those of the colors
        _header_with(384, 4, 4),  # four bits
        _header_with(392, 7),  # short rows
        _header_with(396, 1),  # bands of colors
        _header_with(400, 48),  # colors of a device
        _header_with(400, 19),  # three colors in one byte
        document([Picture(8, [bytes(8)] * 8, "sgray")])[:-1],
        document([Picture(1, [b"\0"], "sgray")])[:-2] + b"\1\0",  # two pixels in a row of one
    ],
)
def test_hostile_documents(data: bytes) -> None:
    """Headers that contradict themselves, giant pages and documents that end early are refused."""
    with pytest.raises(BadDocument):
        _read(data)


@given(st.binary(max_size=4000), st.integers(0, 1796 + 4))
def test_any_bytes(data: bytes, kept: int) -> None:
    """Bytes of any kind, behind a part of a good document, are read or refused."""
    good = document([Picture(8, [bytes(range(8))] * 8, "sgray")])
    for each in (data, b"RaS2" + data, good[:kept] + data):
        try:
            _read(each)
        except BadDocument as error:
            assert error.text.startswith("The document")
