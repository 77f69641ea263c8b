"""Formats whose documents can be joined into one stream, by their first bytes. Pure.

CUPS joins files and copies without regard to their format. Joined text and printer languages still
print. In other formats, a reader shows only the first document or none, so they are refused.
"""

from __future__ import annotations

import re
import zlib

HEAD_BYTES = 1024
_PACKED = b"\x1f\x8b"
_GZIP_WINDOW = 31  # zlib's code for a gzip header (RFC 1952)
# ESC begins PCL 3 to 5, PJL's "universal exit" (ESC%-12345X), ESC/P and most label languages. PCL
# XL is missing: it starts again only after a universal exit. ^D ends a job on a serial line.
_COMMANDS = (b"\x1b", b"%!", b"\x04%!")
# the rule `printable` of CUPS's mime.types
_TEXT = re.compile(rb"[\x08-\x0d\x1a\x1b\x20-\x7e\x80-\xff]*")
# an older form of PDF's header (PDF 1.7, appendix H)
_PDF_BY_POSTSCRIPT = re.compile(rb"%!PS-Adobe-[0-9.]+ PDF-")
# a PDF reader accepts its header anywhere in the first 1,024 bytes (PDF 1.7, appendix H)
_PDF = b"%PDF-"
# text with its own end marker, and banner pages that no filter has filled in
_DOCUMENT = re.compile(
    rb"(\xef\xbb\xbf)?\s*(#PDF-BANNER|#CUPS-BANNER|<\?xml|<!doctype|<html|<svg|\{\\rtf)",
    re.IGNORECASE,
)


def can_be_joined(head: bytes) -> bool:
    """Whether a document can be joined with others.

    Args:
        head: the first HEAD_BYTES of the document, or all bytes of a shorter document.
    """
    # drivers first send NULs, which end an incomplete command
    if head.lstrip(b"\x00").startswith(_COMMANDS):
        return not _PDF_BY_POSTSCRIPT.match(head)
    head = head[:HEAD_BYTES]
    is_text = _TEXT.fullmatch(head) is not None
    return is_text and _PDF not in head and not _DOCUMENT.match(head)


def unpacked(head: bytes) -> bytes:
    """Unpack the first bytes of a file, if gziptoany(8) would unpack the file."""
    if not head.startswith(_PACKED):
        return head
    try:
        return zlib.decompressobj(_GZIP_WINDOW).decompress(head, HEAD_BYTES)
    except zlib.error:
        return head
