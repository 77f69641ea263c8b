"""The conversion of a client's document to the file that the device gets."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cirrus_bridge.base.errors import BadDocument
from cirrus_bridge.base.translation import tr
from cirrus_bridge.ipp.values import Range
from cirrus_bridge.ipp_server.documents import pwg_raster, urf
from cirrus_bridge.ipp_server.documents.formats import (
    ANY,
    JPEG,
    PDF,
    PNG,
    PWG_RASTER,
    RASTERS,
    TEXT,
    URF,
    detect,
)
from cirrus_bridge.ipp_server.documents.page_ranges import asks_for, last_page, no_such_pages
from cirrus_bridge.ipp_server.documents.pdf_writer import ImagePdf
from cirrus_bridge.ipp_server.documents.placement import Sheet
from cirrus_bridge.ipp_server.documents.raster import RasterPage, damaged, too_large

_HEAD_BYTES = 4096
_MOST_PAGES = 10_000
_MOST_RASTER_BYTES = 1 << 38  # 2600 pages A4 in color at 600 dpi; three bytes make 1 GiB at worst
_POINTS_PER_MM = 72 / 25.4
_NAMES = {PDF: "PDF", JPEG: "JPEG", PNG: "PNG", PWG_RASTER: "PWG raster", URF: "URF", TEXT: "text"}

Margins = tuple[float, float, float, float]
Pages = Callable[[BinaryIO], Iterator[tuple[RasterPage, Iterator[tuple[bytes, int]]]]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The form in which a job wants its document.

    Attributes:
        deliver: what the device gets: "pdf", "ps" or "txt" (`deliverable.delivered_as`).
        page_ranges: the pages that are printed, counted from 1; empty for all.
        page_size_mm: width and height of the paper on which an image is placed. None makes a page
            as large as the image.
        margins_mm: left, bottom, right and top margin of that paper; None if unknown.
        scaling: the keyword of print-scaling, for images.
        orientation: the number of orientation-requested, for images.
    """

    deliver: str = "pdf"
    page_ranges: tuple[Range, ...] = ()
    page_size_mm: tuple[float, float] | None = None
    margins_mm: Margins | None = None
    scaling: str = "auto"
    orientation: int | None = None

    @property
    def sheet(self) -> Sheet | None:
        """The paper for an image."""
        if self.page_size_mm is None:
            return None
        width, height = (each * _POINTS_PER_MM for each in self.page_size_mm)
        if self.margins_mm is None:
            return Sheet(width, height)
        left, bottom, right, top = (each * _POINTS_PER_MM for each in self.margins_mm)
        return Sheet(width, height, (left, bottom, right, top))


def convert(source: Path, target_folder: Path, media_type: str, wanted: Wanted) -> Path:
    """Make the file that the device gets; `source` itself if nothing has to change.

    Args:
        media_type: what the client says; application/octet-stream if it does not know.

    Returns:
        A file of `target_folder`, named as `source` with another ending, or `source`.

    Raises:
        BadDocument: the document is not what the client says, is damaged, or is too large.
        EmptyDocument: the document has none of the wanted pages.
        OSError: the disk is full, or the document cannot be read.
    """
    media_type = _verified(source, media_type.partition(";")[0].strip().lower())
    if media_type == TEXT:
        return source
    made = target_folder / f"{source.name}.pdf"
    with _removed_on_error(made):
        pdf = made if _write_pdf(source, made, media_type, wanted) else source
        if wanted.deliver != "ps":
            return pdf
        from cirrus_bridge.ipp_server.documents.postscript import write_postscript

        ps = target_folder / f"{source.name}.ps"
        with _removed_on_error(ps):
            write_postscript(pdf, ps)
        made.unlink(missing_ok=True)
        return ps


def _verified(source: Path, media_type: str) -> str:
    """The media type of a document.

    Raises:
        BadDocument: the document is of another type, or of an unknown one.
    """
    with source.open("rb") as file:
        found = detect(file.read(_HEAD_BYTES))
    if media_type in (ANY, found) and found:
        return found
    if media_type == TEXT:
        return TEXT  # in any charset
    if media_type not in _NAMES:
        raise BadDocument(
            tr("The format of the document is unknown."),
            tr("Print the document as PDF."),
            detail=media_type,
        )
    raise BadDocument(
        tr(
            "The application sent the document as {format}, but the document has another format.",
            format=_NAMES[media_type],
        ),
        tr("Print the document from another application."),
        detail=f"found: {found}",
    )


def _write_pdf(source: Path, target: Path, media_type: str, wanted: Wanted) -> bool:
    """Write a document as PDF; False if the document is this PDF already."""
    if media_type in RASTERS:
        _write_raster(source, target, wanted.page_ranges, _READERS[media_type])
        return True
    # heavy libraries, which no raster page needs
    if media_type == PDF:
        from cirrus_bridge.ipp_server.documents.pdf_pages import write_pages

        return write_pages(source, target, wanted.page_ranges)
    from cirrus_bridge.ipp_server.documents.images import write_image_pdf

    if not asks_for(wanted.page_ranges, 1):
        raise no_such_pages(wanted.page_ranges)
    write_image_pdf(source, target, wanted.sheet, wanted.scaling, wanted.orientation)
    return True


_READERS: dict[str, Pages] = {PWG_RASTER: pwg_raster.pages, URF: urf.pages}


def _write_raster(source: Path, target: Path, ranges: tuple[Range, ...], pages: Pages) -> None:
    last, decoded_bytes, number = last_page(ranges), 0, 0
    with source.open("rb") as document, target.open("wb") as file, ImagePdf(file) as pdf:
        for number, (page, rows) in enumerate(pages(document), 1):
            decoded_bytes += page.row_bytes * page.height
            if number > _MOST_PAGES or decoded_bytes > _MOST_RASTER_BYTES:
                raise too_large(f"{number} pages with {decoded_bytes} bytes")
            if asks_for(ranges, number):
                pdf.add(page, rows)
            else:
                for _ in rows:
                    pass
            if number == last:
                break
        if not number:
            raise damaged("no pages")
        if not pdf.page_count:
            raise no_such_pages(ranges)


@contextlib.contextmanager
def _removed_on_error(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise
