"""The number of sheets in print data, as a printer would make them."""

from __future__ import annotations

import re
from pathlib import Path

from pypdf import PdfReader

_PXL_END_PAGE = re.compile(rb"\xc1(..)\xf8\x31\x44", re.DOTALL)  # uint16 PageCopies EndPage


def sheets_in(data: bytes, path: Path) -> int:
    """The one-sided sheets that a printer makes of data if told to print one copy."""
    if data.startswith(b"%PDF"):
        return len(PdfReader(path).pages)
    if data.startswith(b"%!PS"):
        asked = re.search(rb"^%RBINumCopies: (\d+)", data, re.MULTILINE)
        return len(re.findall(rb"^%%Page:", data, re.MULTILINE)) * int(asked[1] if asked else 1)
    if b"LANGUAGE = PCLXL" in data[:400]:
        return sum(int.from_bytes(copies, "little") for copies in _PXL_END_PAGE.findall(data))
    if data.startswith(b"\x1bE"):
        copies = sheets = 0
        for number in re.findall(rb"\x1b&l(\d+)X|\x1b\*r1A", data):  # copies, or a page
            copies = int(number or copies)
            sheets += 0 if number else copies
        return sheets
    return data.count(b"\f") + 1
