"""Raster documents as clients send them: PWG raster (PWG 5102.4) and URF, from rows of pixels."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

PWG_SPACES = {"rgb": 1, "black": 3, "cmyk": 6, "sgray": 18, "srgb": 19, "adobe-rgb": 20}
URF_SPACES = {"sgray": 0, "srgb": 1, "adobe-rgb": 3, "gray": 4, "rgb": 5, "cmyk": 6}
COMPONENTS = {"black": 1, "sgray": 1, "gray": 1, "cmyk": 4}
_MOST_TIMES = 256
_MOST_RUN = 128


class Picture(NamedTuple):
    """A page: `rows` are its rows of pixels, `colors` a key of the tables above, and `transforms`
    the signs of the back side across and along the feed."""

    width: int
    rows: Sequence[bytes]
    colors: str = "srgb"
    bits: int = 8
    dpi: int = 300
    transforms: tuple[int, int] = (1, 1)

    @property
    def pixel_bits(self) -> int:
        """Bits of a pixel."""
        return COMPONENTS.get(self.colors, 3) * self.bits


def pwg_raster(pictures: Iterable[Picture], sides: str = "one-sided") -> bytes:
    """A document in PWG raster."""
    return b"RaS2" + b"".join(_pwg_header(each, sides) + encoded_rows(each) for each in pictures)


def _pwg_header(picture: Picture, sides: str) -> bytes:
    header = bytearray(1796)
    header[:9] = b"PwgRaster"
    struct.pack_into(">I", header, 272, sides != "one-sided")
    struct.pack_into(">2I", header, 276, picture.dpi, picture.dpi)
    size_pt = [side * 72 // picture.dpi for side in (picture.width, len(picture.rows))]
    struct.pack_into(">2I", header, 352, *size_pt)
    struct.pack_into(">I", header, 368, sides == "two-sided-short-edge")
    struct.pack_into(">2I", header, 372, picture.width, len(picture.rows))
    row_bytes = (picture.width * picture.pixel_bits + 7) // 8
    space = PWG_SPACES[picture.colors]
    depth = (picture.bits, picture.pixel_bits, row_bytes, 0, space)
    struct.pack_into(">5I", header, 384, *depth)
    struct.pack_into(">I", header, 420, picture.pixel_bits // picture.bits)
    struct.pack_into(">2i", header, 456, *picture.transforms)
    return bytes(header)


def urf(pictures: Sequence[Picture], pages: int | None = None) -> bytes:
    """A document in URF; `pages` is the number of pages that it claims to have."""
    count = len(pictures) if pages is None else pages
    parts = [b"UNIRAST\0", struct.pack(">I", count)]
    for each in pictures:
        space = URF_SPACES[each.colors]
        size = (each.width, len(each.rows), each.dpi)
        parts += [struct.pack(">6B6x3I8x", each.pixel_bits, space, 1, 4, 0, 0, *size)]
        parts += [encoded_rows(each)]
    return b"".join(parts)


def encoded_rows(picture: Picture) -> bytes:
    """The rows in run lengths."""
    pixel = max(1, picture.pixel_bits // 8)
    encoded = bytearray()
    for row, group in itertools.groupby(picture.rows):
        times = len(list(group))
        runs = b"".join(_runs(row, pixel))
        for done in range(0, times, _MOST_TIMES):
            encoded += bytes([min(_MOST_TIMES, times - done) - 1]) + runs
    return bytes(encoded)


def _runs(row: bytes, pixel: int) -> Iterator[bytes]:
    pixels = [row[at : at + pixel] for at in range(0, len(row), pixel)]
    single: list[bytes] = []
    for value, group in itertools.groupby(pixels):
        count = len(list(group))
        if count == 1:
            single.append(value)
            continue
        yield from _singles(single)
        single = []
        for done in range(0, count, _MOST_RUN):
            yield bytes([min(_MOST_RUN, count - done) - 1]) + value
    yield from _singles(single)


def _singles(pixels: list[bytes]) -> Iterator[bytes]:
    for at in range(0, len(pixels), _MOST_RUN):
        piece = pixels[at : at + _MOST_RUN]
        # one pixel alone is a run of one: 257 - 1 is no byte
        yield bytes([0 if len(piece) == 1 else 257 - len(piece)]) + b"".join(piece)
