"""URF (image/urf, Apple raster), as CUPS's cups/raster-stream.c reads it: a header of the document,
then page headers of 32 bytes, each followed by its page's rows.

The number of pages in the document's header is not used: clients that print while they draw the
pages write 0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from cirrus_bridge.ipp_server.documents.raster import (
    Colors,
    RasterPage,
    RasterStream,
    damaged,
    unknown_colors,
)

SYNC = b"UNIRAST\0"
_PAGE_COUNT_BYTES = 4
# bits per pixel, color space, sides, quality, type and source of the paper; width, height, dpi
_HEADER = struct.Struct(">6B6x3I8x")
# sGray, sRGB, Adobe RGB, gray, RGB, CMYK; nobody is offered CIE L*a*b* (2)
_COLORS = {
    0: Colors.GRAY,
    1: Colors.RGB,
    3: Colors.ADOBE_RGB,
    4: Colors.GRAY,
    5: Colors.RGB,
    6: Colors.CMYK,
}


def pages(file: BinaryIO) -> Iterator[tuple[RasterPage, Iterator[tuple[bytes, int]]]]:
    """Each page with its rows (`RasterStream.rows`), which are read before the next page.

    Raises:
        BadDocument: the document is not URF, is damaged, or goes beyond the limits.
    """
    stream = RasterStream(file)
    if stream.take(len(SYNC)) != SYNC or len(stream.take(_PAGE_COUNT_BYTES)) < _PAGE_COUNT_BYTES:
        raise damaged("no URF")
    while header := stream.take(_HEADER.size):
        page = _page(header)
        yield page, stream.rows(page)


def _page(header: bytes) -> RasterPage:
    if len(header) < _HEADER.size:
        raise damaged("ends in the header of a page")
    pixel_bits, space, _, _, _, _, width, height, dpi = _HEADER.unpack(header)
    colors = _COLORS.get(space)
    if colors is None or pixel_bits % colors.components:
        raise unknown_colors(f"{pixel_bits} bits in color space {space}")
    page = RasterPage(width, height, (dpi, dpi), colors, pixel_bits // colors.components)
    page.check()
    return page
