"""Documents that can follow one another in one stream, by their first bytes. Pure.

CUPS joins files and copies without looking at them. Joined text and printer languages still print.
In other formats, a reader shows only the first document or none, so these formats are refused.
"""

from __future__ import annotations

import re
import zlib

HEAD_BYTES = 1024
_PACKED = b"\x1f\x8b"
_GZIP_WINDOW = 31  # zlib's word for a gzip header (RFC 1952)
# ESC begins PCL 3 to 5, PJL's "universal exit" (ESC%-12345X), ESC/P and most label languages; PCL
# XL only starts again behind a universal exit, so without one in front it is not named here. ^D is
# the end of a job on a serial line.
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
    """Whether a document that begins with `head` can be joined with others. `head` has HEAD_BYTES,
    or all bytes of a shorter document."""
    # drivers send NULs first, which end a command that was cut off
    if head.lstrip(b"\x00").startswith(_COMMANDS):
        return not _PDF_BY_POSTSCRIPT.match(head)
    head = head[:HEAD_BYTES]
    is_text = _TEXT.fullmatch(head) is not None
    return is_text and _PDF not in head and not _DOCUMENT.match(head)


def unpacked(head: bytes) -> bytes:
    """The first bytes of a file, as gziptoany(8) passes them on."""
    if not head.startswith(_PACKED):
        return head
    try:
        return zlib.decompressobj(_GZIP_WINDOW).decompress(head, HEAD_BYTES)
    except zlib.error:
        return head
