"""Raster pages: their images, and the run lengths in which PWG raster and URF write rows.

PWG 5102.4, 4.3.2, and CUPS's cups/raster-stream.c: each row begins with the number of its repeats.
Then a count from 0 to 127 repeats one pixel count + 1 times. A count from 129 to 255 stands before
257 - count single pixels, and 128 fills the rest of the row with white. Nothing is kept but one row
and what was read ahead.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from cirrus_bridge.base.errors import BadDocument
from cirrus_bridge.base.translation import tr

_PIECE_BYTES = 1 << 18
_MOST_ROW_BYTES = 4 << 20  # 44 inches at 1200 dpi in CMYK with 16 bits need 422,400
_MOST_ROWS = 0xFFFFFF  # as CUPS
_MOST_DPI = 9600
_MOST_POINTS = 14_400  # 200 inches, the longest page of PDF 1.7 (annex C)
_POINTS_PER_INCH = 72


class Colors(enum.Enum):
    """What the components of a pixel stand for; the value is their number."""

    GRAY = (1, "gray")  # 0 is black
    BLACK = (1, "black")  # 0 is white
    RGB = (3, "rgb")
    ADOBE_RGB = (3, "adobe-rgb")
    CMYK = (4, "cmyk")

    @property
    def components(self) -> int:
        """The number of components of a pixel."""
        return self.value[0]

    @property
    def white(self) -> int:
        """A byte of a white pixel."""
        return 0 if self in (Colors.BLACK, Colors.CMYK) else 0xFF


@dataclass(frozen=True, slots=True)
class RasterPage:
    """The image of a page.

    Attributes:
        width, height: in pixels.
        dpi: the resolutions across and along the feed.
        bits: of a component: 1, 8 or 16.
        mirrored: whether the client has turned the image over across and along the feed, as it
            does for the back sides of some printers (PWG 5102.4, CrossFeedTransform).
    """

    width: int
    height: int
    dpi: tuple[int, int]
    colors: Colors
    bits: int = 8
    mirrored: tuple[bool, bool] = (False, False)

    @property
    def row_bytes(self) -> int:
        """The size of a row; the last byte of a row may have bits to spare."""
        return (self.width * self.colors.components * self.bits + 7) // 8

    @property
    def pixel_bytes(self) -> int:
        """What a run length counts: pixels, or eight pixels of one bit."""
        return max(1, self.colors.components * self.bits // 8)

    @property
    def size_pt(self) -> tuple[float, float]:
        """Width and height in points (1/72 inch)."""
        across, along = self.dpi
        return self.width * _POINTS_PER_INCH / across, self.height * _POINTS_PER_INCH / along

    def check(self) -> None:
        """Raise BadDocument if the page is empty, or larger than any paper."""
        if self.bits not in (1, 8, 16) or (self.bits == 1 and self.colors.components > 1):
            raise unknown_colors(f"{self.bits} bits of {self.colors.name}")
        if not (self.width and self.height and all(self.dpi)):
            raise damaged("a page without pixels or resolution")
        if (
            self.row_bytes > _MOST_ROW_BYTES
            or self.height > _MOST_ROWS
            or max(self.dpi) > _MOST_DPI
            or max(self.size_pt) > _MOST_POINTS
        ):
            raise too_large(f"a page of {self.width} x {self.height} pixels at {self.dpi} dpi")


class RasterStream:
    """Reads headers and rows of a raster document from its beginning."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._ahead = b""
        self._at = 0
        self._at_end = False

    def take(self, size: int) -> bytes:
        """The next bytes; fewer at the end of the document."""
        self._read_ahead(size)
        taken = self._ahead[self._at : self._at + size]
        self._at += len(taken)
        return taken

    def rows(self, page: RasterPage) -> Iterator[tuple[bytes, int]]:
        """Each row of a page with the number of times it stands there.

        Raises:
            BadDocument: the document ends before the page, or a row is too long.
        """
        left = page.height
        # at worst, each pixel has a count of its own
        longest = 2 + page.row_bytes + page.row_bytes // page.pixel_bytes
        while left:
            self._read_ahead(longest)
            try:
                times = self._ahead[self._at] + 1
                row = self._row(self._at + 1, page)
            except IndexError:
                raise damaged(f"ends {left} rows before the end of a page") from None
            yield row, min(times, left)
            left -= min(times, left)

    def _row(self, at: int, page: RasterPage) -> bytes:
        """The row that begins at a position. Raises IndexError behind the end of the document."""
        data, pixel, left = self._ahead, page.pixel_bytes, page.row_bytes
        runs: list[bytes] = []
        while left > 0:
            count = data[at]
            at += 1
            if count < 128:
                runs.append(data[at : at + pixel] * (count + 1))
                at += pixel
                left -= pixel * (count + 1)
            elif count > 128:
                size = pixel * (257 - count)
                runs.append(data[at : at + size])
                at += size
                left -= size
            else:
                runs.append(bytes([page.colors.white]) * left)
                left = 0
        if at > len(data):
            raise IndexError
        if left:
            raise damaged("a row with too many pixels")
        self._at = at
        return b"".join(runs)

    def _read_ahead(self, size: int) -> None:
        if len(self._ahead) - self._at < size and not self._at_end:
            more = self._file.read(max(size, _PIECE_BYTES))
            self._at_end = not more
            self._ahead = self._ahead[self._at :] + more
            self._at = 0


def damaged(detail: str) -> BadDocument:
    """The error for a document with a mistake."""
    return BadDocument(
        tr("The document is damaged or incomplete."), tr("Print the document again."), detail=detail
    )


def too_large(detail: str) -> BadDocument:
    """The error for a document beyond the limits."""
    return BadDocument(
        tr("The document or one of its pages is too large to print."),
        tr("Print the document in parts, or at a lower resolution."),
        detail=detail,
    )


def unknown_colors(detail: str) -> BadDocument:
    """The error for a kind of color that the printers do not offer."""
    return BadDocument(
        tr("The document uses a kind of color that this printer cannot print."),
        tr("Print the document in gray, or from another application."),
        detail=detail,
    )
