"""Advice for documents that leave nothing to print."""

from __future__ import annotations

import pytest

from cirrus_bridge.base.model import PrintJob
from cirrus_bridge.sending.misfits import nothing_to_print


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
