"""The language of a printer's page."""

from __future__ import annotations

import pytest

from cirrus_bridge.ipp_server.page_language import preferred


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("DE-at", "de"),
        ("ar, es;q=0.3, ja; q=0.7", "ja"),
        ("de;q=0, fr;q=0.1", "fr"),
        ("en, de", "en"),
        ("de, en", "de"),
        ("de;q=nan", "en"),
        ("de;q=x", "en"),
        ("*", "en"),
        (",".join(["xx"] * 100_000), "en"),
        ("../../etc;q=1", "en"),
    ],
)
def test_preferred(header: str, language: str) -> None:
    """The best language that there is; English for anything else."""
    assert preferred(header) == language
