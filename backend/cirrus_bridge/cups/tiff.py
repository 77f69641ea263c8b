"""Pages of TIFF files. CUPS's filters print only the first page of such a file."""

from __future__ import annotations

import struct
from pathlib import Path

MOST_PAGES = 10_000
# TIFF 6.0, section 2, and BigTIFF: the first bytes → the formats of an offset and of the number of
# entries in a directory, and the size of an entry
_KINDS = {
    b"II*\0": ("<I", "<H", 12),
    b"MM\0*": (">I", ">H", 12),
    b"II+\0": ("<Q", "<Q", 20),
    b"MM\0+": (">Q", ">Q", 20),
}


def pages(path: Path) -> int:
    """Count the pages of a TIFF file, up to MOST_PAGES; 0 if the file is not a TIFF file."""
    found = 0
    try:
        with path.open("rb") as file:
            offset, entries, entry_bytes = _KINDS[file.read(4)]
            if entry_bytes == 20:  # BigTIFF says here that its offsets have 8 bytes
                file.seek(8)
            while found < MOST_PAGES:
                (at,) = struct.unpack(offset, file.read(struct.calcsize(offset)))
                if not at:
                    break
                file.seek(at)
                (count,) = struct.unpack(entries, file.read(struct.calcsize(entries)))
                file.seek(at + struct.calcsize(entries) + count * entry_bytes)
                found += 1
    except (OSError, KeyError, struct.error, OverflowError, ValueError):
        pass  # what CUPS prints of a damaged file is not known
    return found
