"""Checks that a PNG has all of its pixels (ISO 15948). Pure.

Pillow fills up what is missing, and img2pdf does not look: 75 bytes may claim gigabytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from cirrus_bridge.ipp_server.documents.raster import damaged

_SIGNATURE_BYTES = 8
_CHUNK = struct.Struct(">I4s")
_HEADER = struct.Struct(">II5B")  # width, height, depth, colors, two methods, interlace
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by the type of colors
# 8.2: the first column and row of each pass of Adam7, and the steps to the next ones
_WHOLE = ((0, 0, 1, 1),)
_ADAM7 = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
_PIECE_BYTES = 1 << 20


def check_png(data: bytes) -> None:
    """Raise BadDocument if an image has fewer pixels than it says."""
    try:
        expected = _image_bytes(data)
        found = sum(map(len, _inflated(data, expected)))
    except (struct.error, KeyError, zlib.error) as error:
        raise damaged(f"no PNG: {error}") from error
    if found < expected:
        raise damaged(f"{found} of {expected} bytes of a PNG")


def _image_bytes(data: bytes) -> int:
    """The size of all rows, each with its filter type."""
    header = _HEADER.unpack_from(data, _SIGNATURE_BYTES + _CHUNK.size)
    width, height, depth, colors, _, _, interlace = header
    size = 0
    for column, row, columns_step, rows_step in _ADAM7 if interlace else _WHOLE:
        columns = max(0, -(-(width - column) // columns_step))
        rows = max(0, -(-(height - row) // rows_step))
        if columns:
            size += rows * (1 + (columns * depth * _SAMPLES[colors] + 7) // 8)
    return size


def _inflated(data: bytes, most_bytes: int) -> Iterator[bytes]:
    """The rows, piece by piece."""
    inflater = zlib.decompressobj()
    left = most_bytes
    for piece in _image_data(data):
        while piece and left > 0:
            rows = inflater.decompress(piece, min(left, _PIECE_BYTES))
            yield rows
            left -= len(rows)
            piece = inflater.unconsumed_tail


def _image_data(data: bytes) -> Iterator[bytes]:
    at = _SIGNATURE_BYTES
    while at + _CHUNK.size <= len(data):
        size, name = _CHUNK.unpack_from(data, at)
        at += _CHUNK.size
        if name == b"IDAT":
            yield data[at : at + size]
        at += size + 4  # the check sum
