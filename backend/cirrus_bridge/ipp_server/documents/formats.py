"""The formats of documents: which ones a printer takes, and what its device gets. Pure, but for the
question whether a program is installed."""

from __future__ import annotations

import codecs
from collections.abc import Callable

from cirrus_bridge.drivers.deliverable import delivered_as, installed_converter
from cirrus_bridge.ipp_server.documents import pwg_raster, urf

PDF, JPEG, PNG = "application/pdf", "image/jpeg", "image/png"
PWG_RASTER, URF, TEXT = "image/pwg-raster", "image/urf", "text/plain"
ANY = "application/octet-stream"  # detect() says what it is
RASTERS = (PWG_RASTER, URF)
_LAID_OUT = (PDF, JPEG, PNG, *RASTERS)
_PDF_WITHIN_BYTES = 1024  # ISO 32000-1, annex H, note 13
_BEGINNINGS = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (pwg_raster.SYNC, PWG_RASTER),
    (urf.SYNC, URF),
)
_CONTROLS = frozenset(range(32)) - {*b"\t\n\f\r\x1b"}


def supported(
    device_formats: frozenset[str],
    converter: Callable[[], str | None] = installed_converter,
) -> tuple[str, ...]:
    """The document-format-supported of a device, best first, by the formats that it accepts (as the
    API names them). Empty if the device cannot be offered."""
    delivered = delivered_as(device_formats, converter)
    if delivered is None:
        return ()
    laid_out = _LAID_OUT if delivered != "txt" else ()
    return (*laid_out, *((TEXT,) if "txt" in device_formats else ()), ANY)


def is_laid_out(media_type: str) -> bool:
    """Whether pages made from a document of this type have their final size, scale and orientation,
    so that the device must not be asked for these again (`PrintJob.layout_done`)."""
    return media_type in (JPEG, PNG, *RASTERS)


def detect(head: bytes) -> str | None:
    """The format of a document by its first bytes (1 KiB or more); None if it is none of ours."""
    for beginning, media_type in _BEGINNINGS:
        if head.startswith(beginning):
            return media_type
    if b"%PDF-" in head[:_PDF_WITHIN_BYTES]:
        return PDF
    return TEXT if _is_text(head) else None


def _is_text(head: bytes) -> bool:
    if not head or head.startswith(b"%!") or not _CONTROLS.isdisjoint(head):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # a character may be cut at the end
    except UnicodeDecodeError:
        return False
    return True
