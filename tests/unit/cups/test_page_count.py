"""Pages that CUPS's filters do not count."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirrus_bridge.cups.job import read_job
from cirrus_bridge.cups.page_count import LINES_A_PAGE, PageCounter, is_counted_by_filters
from cirrus_bridge.ipp.message import Attributes

ARGV = ["cirrus", "17", "ann", "Report", "2", ""]
PAGE = b"1 0 obj<</Type/Page /Parent 2 0 R>>endobj\n2 0 obj<</Type /Pages/Count 1>>endobj\n"
PXL_PAGE = b"\xc1\x01\x00\xf8\x31\x44"
LINE = b"text\n"


def pages_of(*pieces: bytes) -> int:
    """The pages of a document in pieces."""
    counter = PageCounter()
    for piece in pieces:
        counter.add(piece)
    return counter.pages


@pytest.mark.parametrize(
    ("content_type", "final", "is_counted"),
    [
        ("application/pdf", "application/pdf", True),
        ("image/png", "application/pdf", False),
        ("image/png", "application/vnd.hp-pclxl", False),
        ("image/png", "application/vnd.hp-pcl", True),
        ("image/png", "application/vnd.cups-postscript", True),
        ("image/pwg-raster", "application/pdf", True),
        ("image/urf", "application/pdf", True),
        ("text/plain", "application/pdf", True),
        ("text/plain", "text/plain", False),
        ("application/vnd.cups-raw", "application/octet-stream", False),
        ("application/pdf", None, True),
    ],
)
def test_which_filters_count(content_type: str, final: str | None, is_counted: bool) -> None:
    """Images become PDF without pdftopdf, and data that is sent unchanged has no filter."""
    environ: Mapping[str, str] = {"CONTENT_TYPE": content_type}
    environ = environ if final is None else {**environ, "FINAL_CONTENT_TYPE": final}
    assert is_counted_by_filters(False, environ) is is_counted
    assert not is_counted_by_filters(True, environ)
    assert (read_job(ARGV, environ).counted is None) is is_counted


@pytest.mark.parametrize(
    ("content_type", "final", "counts_marks"),
    [
        ("application/postscript", "application/vnd.cups-postscript", True),
        ("application/pdf", "application/postscript", True),
        ("application/vnd.cups-raw", "application/postscript", False),
        ("application/postscript", "application/pdf", False),
        ("application/postscript", "printer/other", False),
    ],
)
def test_which_filters_count_marks(content_type: str, final: str, counts_marks: bool) -> None:
    """pstops prints PostScript without a %%Page comment, and does not count it."""
    environ = {"CONTENT_TYPE": content_type, "FINAL_CONTENT_TYPE": final}
    assert (read_job(ARGV, environ).counted_marks is not None) is counts_marks


@pytest.mark.parametrize(
    ("data", "has_no_mark"),
    [
        (b"%!PS\nshowpage\n%%Pages: 0\n", True),
        (b"%!PS\n%%Page: 1 1\nshowpage\n", False),
        (b"\x1bE\x1b*r1A\f\x1bE", False),
    ],
)
def test_documents_without_marks(data: bytes, has_no_mark: bool) -> None:
    """Only formats that mark pages can lack marks."""
    counter = PageCounter()
    counter.add(data)
    assert counter.has_no_mark is has_no_mark


@pytest.mark.parametrize(
    ("number", "completed_at", "counted"), [(1, [], 0), (2, [], 5), (1, [1600], 5)]
)
def test_pages_before_this_document(number: int, completed_at: list[int], counted: int) -> None:
    """The pages of earlier files and prints are CUPS's; a job's first document has none before."""
    environ = {"CONTENT_TYPE": "image/png", "FINAL_CONTENT_TYPE": "application/pdf"}
    known = {"job-impressions-completed": [5], "time-at-completed": completed_at}
    assert read_job(ARGV, environ, number, Attributes(known)).counted == counted


@pytest.mark.parametrize(
    ("document", "pages"),
    [
        (b"%PDF-1.4\n" + 3 * PAGE, 3),
        (b"@PJL JOB\n%PDF-1.4\n" + 2 * PAGE, 2),
        (b"%PDF-1.5\ncompressed objects", 1),
        (b") HP-PCL XL;2;0\n" + 2 * PXL_PAGE, 2),
        (b"%!PS-Adobe-3.0\n%%Page: 1 1\nshowpage\n%%Page: 2 2\nshowpage\n", 2),
        (b"%!PS\nshowpage\n", 1),
        (b"\x1bE\f\f\f", 1),
        (b"one\n\ftwo\n", 2),
        (b"one\f\ftwo\f", 3),
        (LINE * LINES_A_PAGE, 1),
        (LINE * (LINES_A_PAGE + 1) + b"\f" + LINE, 3),
        (b"one\f\r\n", 1),
        (b"", 0),
    ],
)
def test_pages(document: bytes, pages: int) -> None:
    """Pages are counted by what each page has once; an unknown format counts as one page."""
    assert pages_of(*([document] if document else [])) == pages


@given(st.integers(1, 60))
def test_any_pieces(size: int) -> None:
    """The result does not depend on the pieces in which a document arrives."""
    start = b"%PDF-1.4\n".ljust(60)
    rest = 4 * PAGE
    pieces = [rest[at : at + size] for at in range(0, len(rest), size)]
    assert pages_of(start, *pieces) == 4
    text = [LINE * 2 + b"\f" for _ in range(size)]
    assert pages_of(*text) == pages_of(b"".join(text)) == size
