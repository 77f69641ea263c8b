"""Small pictures, made byte by byte."""

from __future__ import annotations

import struct
import zlib

_SIDE = 8  # pixels
# TIFF 6.0, section 4: the fields of a bilevel picture; StripOffsets comes from the picture's place
_FIELDS = {256: _SIDE, 257: _SIDE, 258: 1, 259: 1, 262: 0, 277: 1, 278: _SIDE, 279: _SIDE}
_STRIP_OFFSETS = 273


# PNG (ISO 15948), 8.2: the first column and row of each pass of Adam7, and the steps to the next
_PASSES = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)


def png(depth: int = 8, transparent: bool = False) -> bytes:
    """A gray picture; with an alpha channel, all of it is opaque."""
    pixel = b"\x80" * (depth // 8) + (b"\xff" * (depth // 8) if transparent else b"")
    rows = [pixel * _SIDE] * _SIDE
    return _png(rows, (_SIDE, _SIDE), depth, 4 if transparent else 0, 0)


def interlaced_png(rows: list[bytes]) -> bytes:
    """A picture in gray whose pixels come in seven passes."""
    passes = [
        row[column::step]
        for column, first, step, rows_step in _PASSES
        for row in rows[first::rows_step]
    ]
    return _png([row for row in passes if row], (len(rows[0]), len(rows)), 8, 0, 1)


def claimed_png(size: tuple[int, int]) -> bytes:
    """A transparent picture of a width and height that has no pixels."""
    return _png([], size, 16, 4, 0)


def _png(rows: list[bytes], size: tuple[int, int], depth: int, colors: int, passes: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + checksum

    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colors, 0, 0, passes))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def tiff(pages: int, order: str = "<") -> bytes:
    """A TIFF file of striped pages, in the byte order "<" or ">"."""
    made = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HI", 42, 8)
    for page in range(pages):
        fields = _FIELDS | {_STRIP_OFFSETS: len(made) + 2 + 12 * (len(_FIELDS) + 1) + 4}
        made += struct.pack(f"{order}H", len(fields))
        for tag, value in sorted(fields.items()):
            made += struct.pack(f"{order}HHII", tag, 4, 1, value)
        after = len(made) + 4 + _SIDE
        made += struct.pack(f"{order}I", 0 if page == pages - 1 else after) + b"\xaa" * _SIDE
    return made
