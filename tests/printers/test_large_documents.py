"""Conversion of large documents in a process of its own: memory stays flat."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pikepdf
import pytest

from images import claimed_png
from raster_documents import Picture, pwg_raster, urf

A4_300_DPI = (2480, 3508)
A_PAGE_BYTES = 2480 * 3508 * 3
MOST_GROWTH_BYTES = 8 << 20
_CONVERT = """
import pathlib, sys
from cirrus_bridge.base.errors import BadDocument
from cirrus_bridge.ipp_server.documents.conversion import Wanted, convert
source, media_type = pathlib.Path(sys.argv[1]), sys.argv[2]
try:
    print(convert(source, source.parent, media_type, Wanted()))
except BadDocument as error:
    print(error.detail)
status = pathlib.Path("/proc/self/status").read_text()
print(int(status.partition("VmHWM:")[2].split()[0]) * 1024)
"""


def _converted(document: Path, media_type: str) -> tuple[str, int]:
    """The result (a path, or the error's detail), and the most memory in bytes."""
    command = [sys.executable, "-c", _CONVERT, str(document), media_type]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    result, memory = said.splitlines()
    return result, int(memory)


def _pictures(count: int) -> Iterator[Picture]:
    """Pages with stripes of single pixels, and much white."""
    width, height = A4_300_DPI
    stripe = bytes(range(250)) * (width * 3 // 250 + 1)
    rows = [b"\xff" * width * 3] * (height - 20) + [
        stripe[shift : shift + width * 3] for shift in range(20)
    ]
    for _ in range(count):
        yield Picture(width, rows)


@pytest.mark.sampled(media_type=["image/urf"])
@pytest.mark.parametrize("media_type", ["image/pwg-raster", "image/urf"])
def test_many_pages(media_type: str, tmp_path: Path) -> None:
    """500 pages in color (13 GB of pixels) take no more memory than two pages."""
    memory = {}
    made = (urf if media_type == "image/urf" else pwg_raster)(list(_pictures(1)))
    beginning = 12 if media_type == "image/urf" else 4
    for count in (2, 500):
        document = tmp_path / f"{count}-pages"
        document.write_bytes(made[:beginning] + made[beginning:] * count)
        result, memory[count] = _converted(document, media_type)
        with pikepdf.open(result) as pdf:
            assert len(pdf.pages) == count
    assert memory[500] < memory[2] + MOST_GROWTH_BYTES < memory[2] + A_PAGE_BYTES


@pytest.mark.parametrize(
    ("width", "height", "dpi", "pages", "said"),
    [
        (1_390_000, 1_900_000, 9600, 1, "1 pages with"),  # eight terabytes of white
        (8, 8, 300, 10_001, "10001 pages with"),
        (8, 2_000_000, 9600, 1, "a page of"),  # 208 inches
    ],
)
def test_raster_documents_beyond_limits(
    width: int, height: int, dpi: int, pages: int, said: str, tmp_path: Path
) -> None:
    """A few bytes that claim endless paper are refused at once, and leave nothing behind."""
    document = tmp_path / "document"
    header = struct.pack(">6B6x3I8x", 24, 1, 1, 4, 0, 0, width, height, dpi)
    document.write_bytes(
        b"UNIRAST\0" + bytes(4) + (header + bytes([height % 256 - 1, 128])) * pages
    )
    result, _ = _converted(document, "image/urf")
    assert said in result
    assert list(tmp_path.iterdir()) == [document]


def test_an_image_that_claims_gigabytes(tmp_path: Path) -> None:
    """A PNG without the pixels that it claims is refused before anything is made for them."""
    document = tmp_path / "image"
    memory = {}
    for size in ((8, 8), (8, 7_000_000), (7_000, 9_000), (60_000, 60_000)):
        document.write_bytes(claimed_png(size))
        result, memory[size] = _converted(document, "image/png")
        assert "of a PNG" in result or "pixels" in result
    assert max(memory.values()) < min(memory.values()) + MOST_GROWTH_BYTES
