"""Counter of the pages that CUPS's filters do not count.

CUPS adds up the PAGE lines of filters (filter(7)) and backends. The page log and an administrator's
job-page-limit (lpadmin(8)) rely on the sum. pdftopdf, pstops and rastertohp write such lines.
imagetopdf of cups-filters 1.x writes them only if the driver has printer commands (JCL), and a file
that is sent unchanged passes no filter that counts. pstops counts the %%Page comments of a file
that claims to have them, and prints such a file without any, as most EPS files are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

AS_IT_IS = "application/vnd.cups-raw"  # only gziptoany has filtered the document
LINES_A_PAGE = 66  # 11 inches, 6 lines an inch
_HEAD_BYTES = 1024  # printer commands (PJL) may come first
_MARK_BYTES = 24  # no mark is longer
_RASTERS = ("image/pwg-raster", "image/urf")  # become PDF for pdftopdf, as no other image does
_BY_PSTOPS = ("application/postscript", "application/vnd.cups-postscript")
# the first bytes of a format → what each page has once
_MARKS = (
    (b"%PDF-", re.compile(rb"/Type\s{0,8}/Page[\s/<>\[(]")),  # ISO 32000-1, 7.7.3.3
    (b"HP-PCL XL", re.compile(rb"\xc1..\xf8\x31\x44", re.DOTALL)),  # PageCopies EndPage
    (b"%!PS", re.compile(rb"[\r\n]%%Page:")),  # Document Structuring Conventions 3.0
)


def is_counted_by_filters(from_file: bool, environ: Mapping[str, str]) -> bool:
    """Whether CUPS's filters count the pages of a run's document.

    Args:
        from_file: whether the backend gets the spool file, which no filter has read.
        environ: the backend's environment (backend(7)).
    """
    if from_file:
        return False
    kind, final = environ.get("CONTENT_TYPE", ""), environ.get("FINAL_CONTENT_TYPE")
    if final is None:
        return True  # gziptoany(8) counts a page for each copy
    if kind == AS_IT_IS or final == "text/plain":
        return False
    is_image = kind.startswith("image/") and kind not in _RASTERS
    return not (is_image and ("pdf" in final or "pclxl" in final))


def counts_marks_only(environ: Mapping[str, str]) -> bool:
    """Whether pstops has written a run's document, and so has counted only marked pages."""
    final = environ.get("FINAL_CONTENT_TYPE", "")
    return environ.get("CONTENT_TYPE") != AS_IT_IS and final in _BY_PSTOPS


class PageCounter:
    """Counts the pages of one document, which comes in pieces.

    A document of an unknown format counts as one page, as in gziptoany(8). So does a PDF file whose
    pages are all in compressed objects. A page of text has at most LINES_A_PAGE lines.
    """

    def __init__(self) -> None:
        self._began = self._is_text = False
        self._mark: re.Pattern[bytes] | None = None
        self._rest = b""
        self._is_blank = True
        self._pages = self._lines = 0

    @property
    def pages(self) -> int:
        """The pages so far; 0 for an empty document."""
        last = 0 if self._mark or self._is_blank else self._pages_of_text()
        return max(self._pages + last, int(self._began))

    @property
    def has_no_mark(self) -> bool:
        """Whether the document has no page, although its format marks pages."""
        return self._mark is not None and not self._pages

    def add(self, piece: bytes) -> None:
        """Count the pages of the next piece."""
        if not self._began:
            head = piece[:_HEAD_BYTES]
            self._mark = next((mark for magic, mark in _MARKS if magic in head), None)
            self._is_text = self._mark is None and not re.search(rb"[\0\x1b]", head)
            self._began = True
        if self._mark:
            self._add_marked(self._mark, piece)
        elif self._is_text:
            self._add_text(piece)

    def _add_marked(self, mark: re.Pattern[bytes], piece: bytes) -> None:
        piece, seen = self._rest + piece, len(self._rest)
        self._pages += sum(found.end() > seen for found in mark.finditer(piece))
        self._rest = piece[-_MARK_BYTES:]

    def _add_text(self, piece: bytes) -> None:
        first, *others = piece.split(b"\f")
        self._add_lines(first)
        for part in others:
            self._pages += self._pages_of_text()
            self._lines, self._is_blank = 0, True
            self._add_lines(part)

    def _add_lines(self, text: bytes) -> None:
        self._lines += text.count(b"\n")
        self._is_blank &= not text.strip()

    def _pages_of_text(self) -> int:
        return max(1, -(-self._lines // LINES_A_PAGE))
