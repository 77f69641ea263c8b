"""Small pictures, made byte by byte."""

from __future__ import annotations

import struct
import zlib

_SIDE = 8  # pixels
# TIFF 6.0, section 4: the fields of a bilevel picture; StripOffsets comes from the picture's place
_FIELDS = {256: _SIDE, 257: _SIDE, 258: 1, 259: 1, 262: 0, 277: 1, 278: _SIDE, 279: _SIDE}
_STRIP_OFFSETS = 273


def png() -> bytes:
    """A gray picture."""

    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + checksum

    pixels = zlib.compress((b"\0" + b"\x80" * _SIDE) * _SIDE)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 0, 0, 0, 0))
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
