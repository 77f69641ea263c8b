"""Clients' PDFs: whether they can be read, and the cut to the pages that a job asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pikepdf

from cirrus_bridge.base.errors import BadDocument
from cirrus_bridge.base.translation import tr
from cirrus_bridge.ipp.values import Range
from cirrus_bridge.ipp_server.documents.page_ranges import asks_for, no_such_pages
from cirrus_bridge.ipp_server.documents.raster import damaged

# what leads from the catalog (ISO 32000-1, 7.7.2) to other pages, and prints nothing
_LEADS_TO_PAGES = ("/Outlines", "/Dests", "/Names", "/OpenAction", "/StructTreeRoot", "/Threads")


def write_pages(source: Path, target: Path, ranges: Sequence[Range]) -> bool:
    """Write the asked pages of a PDF; False if these are all its pages, and nothing was written.

    qpdf reads the pages from `source` while it writes, so memory does not grow with the images.

    Raises:
        BadDocument: the file is not PDF, is damaged, or needs a password.
        EmptyDocument: the PDF has none of the pages.
    """
    try:
        with pikepdf.open(source) as pdf:
            count = len(pdf.pages)
            if not count:
                raise damaged("a PDF without pages")
            unwanted = [each for each in range(count) if not asks_for(ranges, each + 1)]
            if len(unwanted) == count:
                raise no_such_pages(ranges)
            if unwanted:
                _cut(pdf, unwanted)
                pdf.save(
                    target,
                    compress_streams=False,
                    stream_decode_level=pikepdf.StreamDecodeLevel.none,
                )
            return bool(unwanted)
    except pikepdf.PasswordError as error:
        raise BadDocument(
            tr("The document is protected with a password."),
            tr("Open the document in an application, and print from there."),
        ) from error
    except pikepdf.PikepdfError as error:
        raise damaged(str(error)) from error


def _cut(pdf: pikepdf.Pdf, unwanted: Sequence[int]) -> None:
    """Remove pages, and what refers to them: nobody expects that the cloud gets their contents."""
    for each in reversed(unwanted):
        del pdf.pages[each]
    for name in _LEADS_TO_PAGES:
        if name in pdf.Root:
            del pdf.Root[name]
    for page in pdf.pages:
        notes = page.obj.get("/Annots")
        for note in notes if isinstance(notes, pikepdf.Array) else ():
            for name in ("/Dest", "/A") if isinstance(note, pikepdf.Dictionary) else ():
                if name in note:
                    del note[name]
