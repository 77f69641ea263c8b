"""Writes a PDF (ISO 32000-1) whose pages are one image each, row by row.

pikepdf and img2pdf keep each page's image in memory until the file is saved. 500 pages in color
would need gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import BinaryIO

from isal import isal_zlib

from cirrus_bridge.ipp_server.documents.raster import Colors, RasterPage

_PIECE_BYTES = 1 << 20
_LEVEL = 2  # of 0 to 3
_CATALOG, _PAGES = 1, 2
# Adobe RGB (1998), 4.3: primaries with the white point D65, and a gamma of 563/256
_ADOBE_RGB = (
    "[/CalRGB<</WhitePoint[0.9505 1 1.0891]/Gamma[2.19922 2.19922 2.19922]"
    "/Matrix[0.57667 0.29734 0.02703 0.18556 0.62736 0.07069 0.18823 0.07529 0.99134]>>]"
)
_SPACES = {
    Colors.GRAY: "/DeviceGray",
    Colors.BLACK: "/DeviceGray/Decode[1 0]",
    Colors.RGB: "/DeviceRGB",
    Colors.ADOBE_RGB: _ADOBE_RGB,
    Colors.CMYK: "/DeviceCMYK",
}


class ImagePdf:
    """A PDF that is written from its beginning to its end. The file is complete when the block of
    `with` ends without an error."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._written_bytes = 0
        self._offsets = {_CATALOG: 0, _PAGES: 0}
        self._page_numbers: list[int] = []
        self._write(b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n")

    def __enter__(self) -> ImagePdf:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if kind is None:
            self._finish()

    @property
    def page_count(self) -> int:
        """The number of pages so far."""
        return len(self._page_numbers)

    def add(self, page: RasterPage, rows: Iterable[tuple[bytes, int]]) -> None:
        """Write a page. Raises what `rows` raises, and OSError for the file."""
        image, length = self._new(), self._new()
        self._begin(image)
        self._write(
            f"<</Type/XObject/Subtype/Image/Width {page.width}/Height {page.height}"
            f"/ColorSpace{_SPACES[page.colors]}/BitsPerComponent {page.bits}"
            f"/Filter/FlateDecode/Length {length} 0 R>>\nstream\n".encode()
        )
        began = self._written_bytes
        self._deflate(rows)
        size = self._written_bytes - began
        self._write(b"\nendstream\nendobj\n")
        self._object(length, str(size))
        content = f"q {_matrix(page)} cm /Image Do Q"
        contents, number = self._new(), self._new()
        self._object(contents, f"<</Length {len(content)}>>\nstream\n{content}\nendstream")
        width_pt, height_pt = page.size_pt
        self._object(
            number,
            f"<</Type/Page/Parent {_PAGES} 0 R/MediaBox[0 0 {width_pt:.4f} {height_pt:.4f}]"
            f"/Contents {contents} 0 R/Resources<</XObject<</Image {image} 0 R>>>>>>",
        )
        self._page_numbers.append(number)

    def _deflate(self, rows: Iterable[tuple[bytes, int]]) -> None:
        compressor = isal_zlib.compressobj(_LEVEL)
        for row, times in rows:
            most = max(1, _PIECE_BYTES // len(row))
            for done in range(0, times, most):
                self._write(compressor.compress(row * min(most, times - done)))
        self._write(compressor.flush())

    def _finish(self) -> None:
        kids = " ".join(f"{number} 0 R" for number in self._page_numbers)
        self._object(_PAGES, f"<</Type/Pages/Count {self.page_count}/Kids[{kids}]>>")
        self._object(_CATALOG, f"<</Type/Catalog/Pages {_PAGES} 0 R>>")
        table = self._written_bytes
        size = len(self._offsets) + 1
        self._write(f"xref\n0 {size}\n0000000000 65535 f \n".encode())
        for number in range(1, size):
            self._write(f"{self._offsets[number]:010} 00000 n \n".encode())
        trailer = f"trailer\n<</Size {size}/Root {_CATALOG} 0 R>>\nstartxref\n{table}\n%%EOF\n"
        self._write(trailer.encode())

    def _new(self) -> int:
        number = len(self._offsets) + 1
        self._offsets[number] = 0
        return number

    def _object(self, number: int, text: str) -> None:
        self._begin(number)
        self._write(f"{text}\nendobj\n".encode())

    def _begin(self, number: int) -> None:
        self._offsets[number] = self._written_bytes
        self._write(f"{number} 0 obj\n".encode())

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._written_bytes += len(data)


def _matrix(page: RasterPage) -> str:
    """The place of an image, which is one unit wide and high. A mirrored image is turned back."""
    width_pt, height_pt = page.size_pt
    across, along = page.mirrored
    a, e = (-width_pt, width_pt) if across else (width_pt, 0)
    d, f = (-height_pt, height_pt) if along else (height_pt, 0)
    return f"{a:.4f} 0 0 {d:.4f} {e:.4f} {f:.4f}"
