"""Advice for documents that leave nothing to print."""

from __future__ import annotations

import pytest

from cirrus_bridge.base.model import PrintJob
from cirrus_bridge.sending.misfits import has_no_pages, nothing_to_print


@pytest.mark.parametrize(
    ("options", "layout_done", "asked"),
    [
        ({"page-ranges": "9"}, True, "page-ranges='9'"),
        ({"page-set": "even"}, True, "page-set='even'"),
        ({"page-set": "all"}, True, ""),
        ({"page-ranges": "9"}, False, ""),
        ({}, True, ""),
    ],
)
def test_what_selects_nothing(options: dict[str, str], layout_done: bool, asked: str) -> None:
    """The pages that a job asks for are blamed only if filters have selected them."""
    job = PrintJob(1, "u", "ann", "Report", 1, "q", options=options, layout_done=layout_done)
    said = nothing_to_print(job)
    assert asked in said.message
    assert ("print again with other pages" in said.hint) is bool(asked)


@pytest.mark.parametrize(
    ("document", "layout_done", "has_none"),
    [
        (b"", False, True),
        (b"\x1bE\x1bE", True, True),
        (b"\x1bE\x1bE", False, False),  # a person may send resets
        (b"\x1bE\x1b*r1A\x1bE", True, False),
    ],
)
def test_documents_without_pages(document: bytes, layout_done: bool, has_none: bool) -> None:
    """rastertohp makes only resets of a document without pages."""
    job = PrintJob(1, "u", "ann", "Report", 1, "q", layout_done=layout_done)
    assert has_no_pages(job, document) is has_none
