"""PWG raster (image/pwg-raster, PWG 5102.4): page headers, each followed by its page's rows."""

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

SYNC = b"RaS2"
_HEADER_BYTES = 1796
# offsets in the header (PWG 5102.4, table 1)
_RESOLUTION = 276  # across, along the feed
_SIZE = 372  # width, height
_DEPTH = 384  # bits per color, bits per pixel, bytes per line, color order, color space
_TRANSFORMS = 456  # across, along the feed: 1 or -1
_CHUNKED = 0
# PWG 5102.4, table 6; device colors (48 to 62) have no meaning outside of their printer
_COLORS = {
    1: Colors.RGB,
    3: Colors.BLACK,
    6: Colors.CMYK,
    18: Colors.GRAY,
    19: Colors.RGB,
    20: Colors.ADOBE_RGB,
}


def pages(file: BinaryIO) -> Iterator[tuple[RasterPage, Iterator[tuple[bytes, int]]]]:
    """Each page with its rows (`RasterStream.rows`), which are read before the next page.

    Raises:
        BadDocument: the document is not PWG raster, is damaged, or goes beyond the limits.
    """
    stream = RasterStream(file)
    if stream.take(len(SYNC)) != SYNC:
        raise damaged("no PWG raster")
    while header := stream.take(_HEADER_BYTES):
        page = _page(header)
        yield page, stream.rows(page)


def _page(header: bytes) -> RasterPage:
    if len(header) < _HEADER_BYTES:
        raise damaged("ends in the header of a page")
    bits, pixel_bits, row_bytes, order, space = struct.unpack_from(">5I", header, _DEPTH)
    across, along = struct.unpack_from(">2i", header, _TRANSFORMS)
    colors = _COLORS.get(space)
    if colors is None or order != _CHUNKED:
        raise unknown_colors(f"color space {space} in the order {order}")
    width, height = struct.unpack_from(">2I", header, _SIZE)
    dpi = struct.unpack_from(">2I", header, _RESOLUTION)
    page = RasterPage(width, height, (dpi[0], dpi[1]), colors, bits, (across == -1, along == -1))
    page.check()
    if pixel_bits != bits * colors.components or row_bytes != page.row_bytes:
        raise damaged(f"{pixel_bits} bits in a pixel, {row_bytes} bytes in a row")
    return page
